//! A scope in plain words.

use super::lists::{and, clean, or};
use super::matches::{header, matcher};
use super::span::window;
use crate::config::Config;
use crate::limit::{Algorithm, Limit};
use crate::scope::{Count, GrpcStatuses, KeyPart, Scope};

/// What a scope says, in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeWords {
    /// How much: `at most 60 requests in any minute`.
    pub how_much: String,
    /// Which requests: `every request`, or `those where …`.
    pub which: String,
    /// Who is counted: `each address`.
    pub who: String,
    /// Which requests count by their answers; `None` if all do.
    pub counts: Option<String>,
}

impl ScopeWords {
    /// Of this scope.
    #[must_use]
    pub fn of(scope: &Scope) -> Self {
        let limits: Vec<String> = scope.limits.iter().map(|limit| amount(*limit, scope.cost)).collect();
        let which = matcher(&scope.matcher);
        Self {
            how_much: and(&limits),
            which: if scope.matcher.0.is_empty() { which } else { format!("those where {which}") },
            who: key(&scope.key.0),
            counts: counts(&scope.count),
        }
    }
}

/// A scope in a few sentences: how much, who is counted, which requests, and whether it only watches.
///
/// `At most 60 requests in any minute for each address. It is about those requests where the path fits /jobs/*.`
#[must_use]
pub fn scope(config: &Config, scope: &Scope) -> String {
    let ScopeWords { how_much, which, who, counts } = ScopeWords::of(scope);
    let which = which.strip_prefix("those ").map_or(which.clone(), |which| format!("requests {which}"));
    let exempt = if config.policy.exempt.is_empty() { "" } else { ", but for what is exempt" };
    let mut words = if scope.limits.iter().any(|limit| limit.rate.quota() == 0) {
        format!("Denied: {which}{exempt}.")
    } else {
        let mut words = format!("{how_much} for {who}. It is about {which}{exempt}.");
        // Numbers have no upper case.
        words[..1].make_ascii_uppercase();
        words
    };
    if let Some(counts) = counts {
        words.push_str(" Of these count ");
        words.push_str(&counts);
        words.push('.');
    }
    if !scope.enforced {
        words.push_str(" In shadow: it counts and reports, and never denies.");
    }
    words
}

/// A limit in words, for requests of this cost.
fn amount(limit: Limit, cost: u32) -> String {
    let window = window(limit.rate.window_secs());
    let quota = limit.rate.quota();
    let cost_words = if cost > 1 { format!(", and each request takes {cost}") } else { String::new() };
    let unit = match (cost, quota) {
        (1, 1) => "request",
        (1, _) => "requests",
        (_, 1) => "unit",
        _ => "units",
    };
    if quota == 0 {
        return "none at all: every request is denied".to_owned();
    }
    match limit.algorithm {
        Algorithm::SlidingWindow => format!("at most {quota} {unit} in any {window}{cost_words}"),
        Algorithm::TokenBucket { burst } => {
            format!("{quota} {unit} per {window}, evenly, and {burst} of them back to back{cost_words}")
        }
    }
}

/// Who is counted: `each credential, else each address (the first that a request has)`.
#[must_use]
pub fn key(parts: &[KeyPart]) -> String {
    if let [KeyPart::Global] = parts {
        return "everybody together".to_owned();
    }
    let parts: Vec<String> = parts.iter().map(|part| format!("each {}", key_part(part))).collect();
    match parts.as_slice() {
        [one] => one.clone(),
        several => format!("{} (the first that a request has)", several.join(", else ")),
    }
}

/// Something that tells clients apart.
fn key_part(part: &KeyPart) -> String {
    match part {
        KeyPart::Address => "address".to_owned(),
        KeyPart::Credential => "credential".to_owned(),
        KeyPart::Global => "and everybody together".to_owned(),
        KeyPart::Bot => "family of crawlers".to_owned(),
        KeyPart::Header(name) => format!("value of the header `{}`", header(name)),
        KeyPart::Query(name) => format!("value of the parameter `{}`", clean(name)),
        KeyPart::Cookie(name) => format!("value of the cookie `{}`", clean(name)),
        KeyPart::JwtClaim(path) => {
            format!("value of the verified claim `{}`", clean(&path.replace('\0', ".")))
        }
        KeyPart::All(parts) => {
            let parts: Vec<String> = parts.iter().map(key_part).collect();
            format!("combination of {}", and(&parts))
        }
    }
}

/// Which requests count by their answers; `None` if all do.
fn counts(count: &Count) -> Option<String> {
    let Count::Answers { statuses, grpc, negated } = count else { return None };
    let mut listed: Vec<String> = statuses
        .iter()
        .map(|range| match (range.start(), range.end()) {
            (first, last) if first == last => first.to_string(),
            (first, _) => format!("{}xx", first / 100),
        })
        .collect();
    let of_grpc = (0..=GrpcStatuses::LAST).filter(|status| grpc.contains(*status));
    listed.extend(of_grpc.map(|status| format!("the gRPC status {status}")));
    let answered = format!("answered with {}", or(&listed));
    Some(if *negated {
        format!("all but those {answered}")
    } else {
        format!("only those {answered}; others are given back")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_a_few_sentences() {
        for (fields, words) in [
            (
                r#""rate": "60/min", "key": "address""#,
                "At most 60 requests in any minute for each address. It is about every request.",
            ),
            (
                r#""rate": ["60/min", "1000/d"], "key": ["credential", "address"], "match": { "path": "/jobs/*" }, "mode": "shadow""#,
                "At most 60 requests in any minute and at most 1000 requests in any day for each credential, else each \
                 address (the first that a request has). It is about requests where the path fits /jobs/*. In shadow: it \
                 counts and reports, and never denies.",
            ),
            (
                r#""rate": "10/s", "algorithm": "token_bucket", "burst": 50, "key": "global", "count": { "status": "4xx" }"#,
                "10 requests per second, evenly, and 50 of them back to back for everybody together. It is about every \
                 request. Of these count only those answered with 4xx; others are given back.",
            ),
            (
                r#""rate": "0/s", "key": "address", "match": { "client": "bot" }"#,
                "Denied: requests where the client is a crawler.",
            ),
        ] {
            let document = format!(r#"{{ "scopes": {{ "s": {{ {fields} }} }} }}"#);
            let config = Config::parse(document.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(scope(&config, &config.policy.scopes[0]), words);
        }
        let exempt =
            br#"{ "exempt": [{ "method": "OPTIONS" }], "scopes": { "s": { "rate": "1/h", "key": "bot" } } }"#;
        let config = Config::parse(exempt).expect("a policy");
        assert_eq!(
            scope(&config, &config.policy.scopes[0]),
            "At most 1 request in any hour for each family of crawlers. It is about every request, but for what is exempt."
        );
    }
}
