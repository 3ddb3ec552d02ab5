//! A match in plain words.

use super::lists::{and, any_of, clean, or};
use crate::scope::{ClientKind, Condition, Matcher, ValueTest};

/// A match as one clause that can be true: `the method is GET and the path fits /jobs/*`. With no condition it is
/// `every request`.
#[must_use]
pub fn matcher(matcher: &Matcher) -> String {
    if matcher.0.is_empty() {
        return "every request".to_owned();
    }
    and(&matcher.0.iter().map(condition).collect::<Vec<_>>())
}

/// A condition as a clause that can be true: `the path fits /jobs/*`.
///
/// The values of headers and cookies may be secrets: they are not shown, but for those of headers that never have any.
#[must_use]
pub fn condition(condition: &Condition) -> String {
    match condition {
        Condition::Method(methods) => format!("the method is {}", any_of(methods)),
        Condition::Path(paths) => {
            let list = any_of(paths);
            let verb = if list.contains(['*', '{']) { "fits" } else { "is" };
            format!("the path {verb} {list}")
        }
        Condition::Host(hosts) => format!("the host is {}", any_of(hosts)),
        Condition::Client(kinds) => {
            let kind = |kind: &ClientKind| match kind {
                ClientKind::Anonymous => "anonymous",
                ClientKind::Authenticated => "authenticated",
                ClientKind::Bot => "a crawler",
            };
            format!("the client is {}", or(&kinds.iter().map(kind).collect::<Vec<_>>()))
        }
        Condition::Address(networks) => format!("the address lies in {}", any_of(networks)),
        Condition::Query(name, test) => tested("parameter", name, test, true),
        Condition::Header(name, test) => tested("header", header(name), test, is_harmless(header(name))),
        Condition::Cookie(name, test) => tested("cookie", name, test, false),
        Condition::Any(matchers) => {
            let either = if matchers.len() > 1 { "either " } else { "" };
            format!("{either}{}", or(&matchers.iter().map(matcher).collect::<Vec<_>>()))
        }
        Condition::Not(not) => format!("not: {}", matcher(not)),
    }
}

/// A header's name as people know it, from the one in lower case by which the core does.
#[must_use]
pub fn header(name: &str) -> &str {
    if name == ":authority" { "host" } else { name }
}

/// A test of one parameter, header or cookie.
fn tested(kind: &str, name: &str, test: &ValueTest, may_be_shown: bool) -> String {
    let what = format!("the {kind} `{}`", clean(name));
    let (verb, texts) = match test {
        ValueTest::Present => return format!("{what} is there"),
        ValueTest::Truthy => return format!("{what} is true (1, true, t, yes, y, on)"),
        ValueTest::NoneOf(texts) => ("is there, and not", texts.as_slice()),
        ValueTest::OneOf(texts) => ("is", texts.as_slice()),
        ValueTest::Prefix(part) => ("begins with", std::slice::from_ref(part)),
        ValueTest::Suffix(part) => ("ends with", std::slice::from_ref(part)),
        ValueTest::Contains(part) => ("has", std::slice::from_ref(part)),
    };
    let values = match (may_be_shown, texts) {
        (true, _) => or(&texts.iter().map(|text| format!("`{}`", clean(text))).collect::<Vec<_>>()),
        (false, [_, _, ..]) => "one of some values (not shown)".to_owned(),
        (false, _) => "a certain value (not shown)".to_owned(),
    };
    let within = if matches!(test, ValueTest::Contains(_)) { " in it" } else { "" };
    format!("{what} {verb} {values}{within}")
}

/// Other headers may have secrets in them, which nobody wants to find in a log of a build.
fn is_harmless(header: &str) -> bool {
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
    HARMLESS.contains(&header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn words(written: &str) -> String {
        let document = format!(
            r#"{{ "scopes": {{ "s": {{ "rate": "1/s", "key": "address", "match": {written} }} }} }}"#
        );
        let config = Config::parse(document.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        matcher(&config.policy.scopes[0].matcher)
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
            (r#"{ "path": ["/a/{b,c}/", "/%2A"] }"#, "the path fits /a/{b,c}/ or /%2A"),
            (
                r#"{ "query": { "a": true, "b": { "not": ["0", "x"] } } }"#,
                "the parameter `a` is true (1, true, t, yes, y, on) and the parameter `b` is there, and not `0` or `x`",
            ),
            (
                r#"{ "header": { "x-key": "secret", "Content-Type": { "prefix": "application/grpc" } } }"#,
                "the header `x-key` is a certain value (not shown) and the header `content-type` begins with `application/grpc`",
            ),
            (
                r#"{ "header": { "Host": { "contains": "api" } }, "cookie": { "a": ["1", "2"] } }"#,
                "the header `host` has `api` in it and the cookie `a` is one of some values (not shown)",
            ),
            (
                r#"{ "any": [ { "client": "bot" }, { "host": "*.A.test" } ] }"#,
                "either the client is a crawler or the host is *.a.test",
            ),
            (r#"{ "not": { "cookie": { "a": { "present": true } } } }"#, "not: the cookie `a` is there"),
            (r#"{ "address": ["10.0.0.0/8", "::1"] }"#, "the address lies in 10.0.0.0/8 or ::1"),
        ] {
            assert_eq!(words(written), expected);
        }
    }
}
