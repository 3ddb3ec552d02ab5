//! What became of requests, in short.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tollgate::decision::Judgement;

use crate::policy::Policy;
use crate::tell;
use crate::world::Outcome;

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Verdict {
    /// Seconds since the first one.
    pub(crate) at: f64,
    /// `allowed`, `denied`, or `malformed` if another proxy has not said what it asks about.
    pub(crate) decision: &'static str,
    /// The scopes that deny it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) denied_by: Vec<String>,
    /// The scopes in shadow mode that would deny it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) shadowed_by: Vec<String>,
    /// What `Retry-After` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<u64>,
    /// For each scope that the request falls under, the fewest units that one of its limits has left.
    pub(crate) remaining: BTreeMap<String, u32>,
}

impl Verdict {
    /// Of a request at this time.
    pub(crate) fn of(policy: &Policy, outcome: &Outcome, at: Duration) -> Self {
        let name = |scope: usize| {
            policy.config.policy.scopes.get(scope).map(|scope| scope.name.clone()).unwrap_or_default()
        };
        let by = |wanted: Judgement| {
            let scopes = outcome.decision.scopes();
            scopes.filter(|(_, judged)| *judged == wanted).map(|(scope, _)| name(scope)).collect()
        };
        let mut remaining = BTreeMap::new();
        for judged in &outcome.decision.limits {
            let left = match judged.verdict {
                tollgate::limit::Verdict::Admitted { remaining, .. } => remaining,
                tollgate::limit::Verdict::Denied { .. } => 0,
            };
            let fewest = remaining.entry(name(judged.scope)).or_insert(left);
            *fewest = left.min(*fewest);
        }
        let decision = match (outcome.is_allowed(), outcome.decision.is_allowed()) {
            (true, _) => "allowed",
            (false, false) => "denied",
            (false, true) => "malformed",
        };
        Self {
            at: at.as_secs_f64(),
            decision,
            denied_by: by(Judgement::Denied),
            shadowed_by: by(Judgement::Shadowed),
            retry_after: outcome.retry_after().filter(|_| decision == "denied"),
            remaining,
        }
    }

    /// The same in a few words.
    pub(crate) fn words(&self) -> String {
        let by = |scopes: &[String]| {
            if scopes.is_empty() { String::new() } else { format!(" by {}", tell::and(scopes)) }
        };
        let shadowed = if self.shadowed_by.is_empty() {
            String::new()
        } else {
            format!(" (in shadow mode denied{})", by(&self.shadowed_by))
        };
        format!("{}{}{shadowed}", self.decision, by(&self.denied_by))
    }

    /// The scope with the fewest units left, and how many.
    fn nearest(&self) -> Option<(&str, u32)> {
        self.remaining.iter().min_by_key(|(_, left)| **left).map(|(scope, left)| (scope.as_str(), *left))
    }
}

/// Requests in a row, those that went alike in one line each.
pub(crate) fn table(verdicts: &[Verdict]) -> Vec<[String; 4]> {
    let mut rows = Vec::new();
    let alike = |one: &Verdict, other: &Verdict| one.words() == other.words() && near(one) == near(other);
    let mut number = 1;
    for run in verdicts.chunk_by(alike) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let until = number + run.len() - 1;
        let numbers = if run.len() == 1 { number.to_string() } else { format!("{number}–{until}") };
        let seconds = |at: f64| crate::span::show(Duration::try_from_secs_f64(at).unwrap_or_default());
        let times = from_to(&seconds(first.at), &seconds(last.at), " – ");
        let left = match (first.retry_after, first.nearest(), last.nearest()) {
            (Some(wait), ..) => {
                let last = last.retry_after.unwrap_or(wait);
                format!("Retry-After {}", from_to(&wait.to_string(), &last.to_string(), " → "))
            }
            (None, Some((scope, left)), Some((_, last))) => {
                format!("{scope}: {} left", from_to(&left.to_string(), &last.to_string(), " → "))
            }
            _ => "under no scope".to_owned(),
        };
        rows.push([numbers, times, first.words(), left]);
        number = until + 1;
    }
    rows
}

fn near(verdict: &Verdict) -> Option<&str> {
    verdict.nearest().map(|(scope, _)| scope).filter(|_| verdict.decision == "allowed")
}

fn from_to(first: &str, last: &str, arrow: &str) -> String {
    if first == last { first.to_owned() } else { format!("{first}{arrow}{last}") }
}

/// Writes rows in columns.
pub(crate) fn columns(head: [&str; 4], rows: &[[String; 4]], out: &mut String) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    let head = head.map(|text| if text.is_empty() { String::new() } else { tell::styled(tell::NAME, text) });
    for row in [&head].into_iter().chain(rows) {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| tell::padded(cell, widths.get(column).copied().unwrap_or(0)))
            .collect();
        tell::line(out, 0, cells.join("  ").trim_end());
    }
}
