//! A scope in plain words.

use serde::Serialize;
use serde_json::Value;
use tollgate::limit::{Algorithm, Limit};
use tollgate::scope::{Count, GrpcStatuses, KeyPart, Scope};

use super::Match;
use crate::policy::Policy;
use crate::{span, tell};

/// A scope in words.
#[derive(Serialize)]
pub(crate) struct ScopeWords {
    name: String,
    /// How much: `at most 60 requests in any minute`.
    how_much: String,
    /// Which requests.
    which: String,
    /// Who is counted.
    who: String,
    /// Which requests count by their answers, if not all do.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<String>,
    /// `enforce`, `shadow` or `off`.
    mode: &'static str,
}

/// All scopes, in order, also those that are off.
pub(super) fn all(policy: &Policy) -> Vec<ScopeWords> {
    let scopes = policy.section("scopes");
    let names = scopes.as_object().into_iter().flatten().map(|(name, _)| name);
    names.map(|name| ScopeWords::of(policy, name)).collect()
}

impl ScopeWords {
    fn of(policy: &Policy, name: &str) -> Self {
        let written = policy.scope(name);
        match policy.config.policy.scopes.iter().find(|scope| scope.name == name) {
            Some(scope) => Self::in_force(scope, written),
            None => Self {
                name: name.to_owned(),
                how_much: super::matches::texts(written.get("rate").unwrap_or(&Value::Null)).join(" and "),
                which: "none".to_owned(),
                who: "nobody".to_owned(),
                counts: None,
                mode: "off",
            },
        }
    }

    fn in_force(scope: &Scope, written: &Value) -> Self {
        let none = Value::Null;
        let which = Match::of(written.get("match").unwrap_or(&none), &scope.matcher);
        let limits: Vec<String> = scope.limits.iter().map(|limit| amount(*limit, scope.cost)).collect();
        Self {
            name: scope.name.clone(),
            how_much: tell::and(&limits),
            which: if which.is_empty() { which.words() } else { format!("those where {}", which.words()) },
            who: key(&scope.key.0),
            counts: counts(&scope.count),
            mode: if scope.enforced { "enforce" } else { "shadow" },
        }
    }

    /// Writes it for people.
    pub(super) fn show(&self, out: &mut String) {
        let mode = match self.mode {
            "shadow" => tell::styled(tell::MIND, " (shadow: counts and reports, never denies)"),
            "off" => tell::styled(tell::MIND, " (off)"),
            _ => String::new(),
        };
        tell::line(out, 0, format_args!("{}{mode}", tell::styled(tell::NAME, &self.name)));
        let mut row = |head: &str, words: &str| tell::wrapped(out, 12, &format!("  {head}"), words);
        row("how much", &self.how_much);
        if self.mode == "off" {
            return;
        }
        row("which", &self.which);
        row("who", &self.who);
        if let Some(counts) = &self.counts {
            row("counts", counts);
        }
    }
}

/// A limit in words, for requests of this cost.
pub(crate) fn amount(limit: Limit, cost: u32) -> String {
    let window = span::window(limit.rate.window_secs());
    let (quota, cost_words) = (
        limit.rate.quota(),
        if cost > 1 { format!(", and each request takes {cost}") } else { String::new() },
    );
    let unit = |count: u32| match (cost, count) {
        (1, 1) => "request",
        (1, _) => "requests",
        (_, 1) => "unit",
        _ => "units",
    };
    if quota == 0 {
        return "none at all: every request is denied".to_owned();
    }
    match limit.algorithm {
        Algorithm::SlidingWindow => format!("at most {quota} {} in any {window}{cost_words}", unit(quota)),
        Algorithm::TokenBucket { burst } => {
            format!(
                "{quota} {} per {window}, evenly, and {burst} of them back to back{cost_words}",
                unit(quota)
            )
        }
    }
}

/// Who is counted, in words.
pub(crate) fn key(parts: &[KeyPart]) -> String {
    if let [KeyPart::Global] = parts {
        return "everybody together".to_owned();
    }
    let parts: Vec<String> = parts.iter().map(|part| format!("each {}", key_part(part))).collect();
    match parts.as_slice() {
        [one] => one.clone(),
        several => format!("{} (the first that a request has)", several.join(", else ")),
    }
}

/// Something that tells clients apart, in words.
pub(crate) fn key_part(part: &KeyPart) -> String {
    match part {
        KeyPart::Address => "address".to_owned(),
        KeyPart::Credential => "credential".to_owned(),
        KeyPart::Global => "and everybody together".to_owned(),
        KeyPart::Bot => "family of crawlers".to_owned(),
        KeyPart::Header(name) => format!("value of the header `{}`", header(name)),
        KeyPart::Query(name) => format!("value of the parameter `{}`", tell::clean(name)),
        KeyPart::Cookie(name) => format!("value of the cookie `{}`", tell::clean(name)),
        KeyPart::JwtClaim(path) => {
            format!("value of the verified claim `{}`", tell::clean(&path.replace('\0', ".")))
        }
        KeyPart::All(parts) => {
            let parts: Vec<String> = parts.iter().map(key_part).collect();
            format!("combination of {}", tell::and(&parts))
        }
    }
}

/// A header's name as people know it.
pub(crate) fn header(name: &str) -> &str {
    if name == ":authority" { "host" } else { name }
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
    let answered = format!("answered with {}", tell::or(&listed));
    Some(if *negated {
        format!("all but those {answered}")
    } else {
        format!("only those {answered}; others are given back")
    })
}
