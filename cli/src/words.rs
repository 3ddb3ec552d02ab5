//! A policy in plain words, as this command prints them. The words are the core's.

use serde::Serialize;
use serde_json::Value;
use tollgate::words::{ScopeWords, frame};

use crate::policy::Policy;
use crate::tell;

/// A scope in words.
#[derive(Serialize)]
struct ScopeShown {
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

/// All scopes, in order, also those that are off: of these only the document knows.
fn scopes(policy: &Policy) -> Vec<ScopeShown> {
    let scopes = policy.section("scopes");
    let names = scopes.as_object().into_iter().flatten().map(|(name, _)| name);
    names.map(|name| ScopeShown::of(policy, name)).collect()
}

impl ScopeShown {
    fn of(policy: &Policy, name: &str) -> Self {
        let (words, mode) = match policy.config.policy.scopes.iter().find(|scope| scope.name == name) {
            Some(scope) => (ScopeWords::of(scope), if scope.enforced { "enforce" } else { "shadow" }),
            None => (off(policy.scope(name)), "off"),
        };
        let ScopeWords { how_much, which, who, counts } = words;
        Self { name: name.to_owned(), how_much, which, who, counts, mode }
    }

    /// Writes it for people.
    fn show(&self, out: &mut String) {
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

/// A scope that is off, by its document.
fn off(written: &Value) -> ScopeWords {
    let text = |value: &Value| tell::clean(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let how_much = match written.get("rate").unwrap_or(&Value::Null) {
        Value::Array(rates) => rates.iter().map(text).collect::<Vec<_>>().join(" and "),
        rate => text(rate),
    };
    ScopeWords { how_much, which: "none".to_owned(), who: "nobody".to_owned(), counts: None }
}

/// A policy in words, as JSON tells it.
#[derive(Serialize)]
pub(crate) struct PolicyWords {
    scopes: Vec<ScopeShown>,
    #[serde(flatten)]
    frame: serde_json::Map<String, Value>,
}

impl PolicyWords {
    /// Of this policy.
    pub(crate) fn of(policy: &Policy) -> Self {
        let mut lines = serde_json::Map::new();
        for (name, words) in frame(&policy.config) {
            let words = match lines.get(name).and_then(Value::as_str) {
                Some(before) => format!("{before}; {words}"),
                None => words,
            };
            lines.insert(name.to_owned(), words.into());
        }
        Self { scopes: scopes(policy), frame: lines }
    }
}

/// Writes a policy in words for people.
pub(crate) fn show(policy: &Policy, out: &mut String) {
    for scope in scopes(policy) {
        scope.show(out);
        out.push('\n');
    }
    for (name, words) in frame(&policy.config) {
        tell::wrapped(out, 12, &tell::styled(tell::NAME, name), &words);
    }
}
