//! A match in plain words, each condition beside what it is judged by.

use serde_json::Value;
use tollgate::scope::{Condition as Judged, Matcher};

use crate::tell;

/// A match. With no condition it is every request.
pub(crate) struct Match<'p>(pub(crate) Vec<Condition<'p>>);

/// One condition of a match.
pub(crate) struct Condition<'p> {
    /// As a clause that can be true: `the path fits /jobs/*`.
    pub(crate) words: String,
    /// What it is judged by.
    pub(crate) judged: &'p Judged,
    /// What it is made of.
    pub(crate) parts: Parts<'p>,
}

/// What a condition is made of.
pub(crate) enum Parts<'p> {
    /// Nothing else.
    None,
    /// It holds if one of these does.
    Any(Vec<Match<'p>>),
    /// It holds if this does not.
    Not(Match<'p>),
}

impl<'p> Match<'p> {
    /// A match as it is written, and as it was read.
    ///
    /// The parser makes one condition of each field, in order, and of `query`, `header` and `cookie` one for each name.
    pub(crate) fn of(written: &Value, read: &'p Matcher) -> Self {
        let mut judged = read.0.iter();
        let mut conditions = Vec::new();
        let fields = written.as_object().into_iter().flatten();
        for (field, value) in fields {
            let tests = value.as_object().filter(|_| matches!(field.as_str(), "query" | "header" | "cookie"));
            match tests {
                Some(tests) => {
                    for (name, test) in tests {
                        conditions.extend(judged.next().map(|judged| Condition {
                            words: tested(field, name, test),
                            judged,
                            parts: Parts::None,
                        }));
                    }
                }
                None => conditions.extend(judged.next().map(|judged| Condition::of(field, value, judged))),
            }
        }
        Self(conditions)
    }

    /// Whether it is every request.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All conditions in one clause.
    pub(crate) fn words(&self) -> String {
        if self.is_empty() {
            return "every request".to_owned();
        }
        let all: Vec<&str> = self.0.iter().map(|condition| condition.words.as_str()).collect();
        tell::and(&all)
    }
}

impl<'p> Condition<'p> {
    fn of(field: &str, value: &Value, judged: &'p Judged) -> Self {
        let list = texts(value);
        let (words, parts) = match (field, judged) {
            ("any", Judged::Any(read)) => {
                let written = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                let all: Vec<Match> =
                    written.iter().zip(read).map(|(written, read)| Match::of(written, read)).collect();
                let words: Vec<String> = all.iter().map(Match::words).collect();
                let words =
                    if words.len() > 1 { format!("either {}", tell::or(&words)) } else { tell::or(&words) };
                (words, Parts::Any(all))
            }
            ("not", Judged::Not(read)) => {
                let not = Match::of(value, read);
                (format!("not: {}", not.words()), Parts::Not(not))
            }
            ("method", _) => (format!("the method is {}", tell::or(&list)), Parts::None),
            ("path", _) => {
                let is_pattern = list.iter().any(|path| path.contains(['*', '{']));
                let verb = if is_pattern { "fits" } else { "is" };
                (format!("the path {verb} {}", tell::or(&list)), Parts::None)
            }
            ("host", _) => (format!("the host is {}", tell::or(&list)), Parts::None),
            ("client", _) => {
                let kinds = list.iter().map(|kind| match kind.as_str() {
                    "bot" => "a crawler".to_owned(),
                    kind => kind.to_owned(),
                });
                (format!("the client is {}", tell::or(&kinds.collect::<Vec<_>>())), Parts::None)
            }
            ("address", _) => (format!("the address lies in {}", tell::or(&list)), Parts::None),
            (field, _) => (format!("`{}` holds", tell::clean(field)), Parts::None),
        };
        Self { words, judged, parts }
    }
}

/// The texts of a list, or the one that is no list.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => tell::clean(text),
        other => tell::clean(&other.to_string()),
    };
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => vec![text(value)],
    }
}

/// A test of one parameter, header or cookie.
fn tested(field: &str, name: &str, test: &Value) -> String {
    let kind = if field == "query" { "parameter" } else { field };
    let what = format!("the {kind} `{}`", tell::clean(name));
    let show = |value: &Value| -> Vec<String> {
        if may_be_shown(field, name) {
            texts(value).iter().map(|text| format!("`{text}`")).collect()
        } else {
            let is_list = value.as_array().is_some_and(|list| list.len() > 1);
            vec![
                if is_list { "one of some values (not shown)" } else { "a certain value (not shown)" }
                    .to_owned(),
            ]
        }
    };
    let Some((kind, value)) = test.as_object().and_then(|fields| fields.iter().next()) else {
        return match test {
            Value::Bool(_) => format!("{what} is true (1, true, t, yes, y, on)"),
            test => format!("{what} is {}", tell::or(&show(test))),
        };
    };
    match kind.as_str() {
        "present" => format!("{what} is there"),
        "not" => format!("{what} is there, and not {}", tell::or(&show(value))),
        "prefix" => format!("{what} begins with {}", tell::or(&show(value))),
        "suffix" => format!("{what} ends with {}", tell::or(&show(value))),
        _ => format!("{what} has {} in it", tell::or(&show(value))),
    }
}

/// Headers and cookies may have secrets in them, which nobody wants to find in a log of a build.
fn may_be_shown(field: &str, name: &str) -> bool {
    const HARMLESS: [&str; 9] = [
        "accept",
        "accept-language",
        "content-type",
        "host",
        "origin",
        "referer",
        "upgrade",
        "user-agent",
        "x-requested-with",
    ];
    field == "query" || field == "header" && HARMLESS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    fn words(written: &str) -> String {
        let document = format!(
            r#"{{ "scopes": {{ "s": {{ "rate": "1/s", "key": "address", "match": {written} }} }} }}"#
        );
        let policy = Policy::parse("test", document.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        let written: Value = serde_json::from_str(written).expect("JSON");
        let read = &policy.config.policy.scopes[0].matcher;
        let found = Match::of(&written, read);
        assert_eq!(found.0.len(), read.0.len());
        found.words()
    }

    #[test]
    fn matches_read_like_sentences() {
        for (written, expected) in [
            ("{}", "every request"),
            (r#"{ "path": "/a" }"#, "the path is /a"),
            (
                r#"{ "method": ["GET", "POST"], "path": "/a/**" }"#,
                "the method is GET or POST and the path fits /a/**",
            ),
            (
                r#"{ "query": { "a": true, "b": { "not": ["0", "x"] } } }"#,
                "the parameter `a` is true (1, true, t, yes, y, on) and the parameter `b` is there, and not `0` or `x`",
            ),
            (
                r#"{ "header": { "x-key": "secret", "Content-Type": { "prefix": "application/grpc" } } }"#,
                "the header `x-key` is a certain value (not shown) and the header `Content-Type` begins with `application/grpc`",
            ),
            (
                r#"{ "any": [ { "client": "bot" }, { "host": "a.test" } ] }"#,
                "either the client is a crawler or the host is a.test",
            ),
            (r#"{ "not": { "cookie": { "a": { "present": true } } } }"#, "not: the cookie `a` is there"),
            (r#"{ "address": "10.0.0.0/8" }"#, "the address lies in 10.0.0.0/8"),
        ] {
            assert_eq!(words(written), expected);
        }
    }
}
