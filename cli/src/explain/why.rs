//! Why a match holds or does not: each of its conditions, judged by itself.

use serde::Serialize;
use tollgate::client::Client;
use tollgate::scope::{Condition, Matcher, Reading};
use tollgate::words;

use crate::tell;

/// One condition, and whether it holds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    /// The condition in words.
    pub(crate) condition: String,
    /// Whether it holds.
    pub(crate) holds: bool,
    /// Whether that depends on how the request is read: it holds in one reading, and not in another.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) depends_on_reading: bool,
    /// What is said in front of what it is made of.
    #[serde(skip)]
    head: &'static str,
    /// What it is made of: of `any` each alternative, of `not` what must not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) of: Vec<Step>,
}

/// Each condition of a match, judged for this client's request.
pub(crate) fn steps(matched: &Matcher, client: &Client, reading: Reading) -> Vec<Step> {
    let step = |condition: &Condition| {
        let alone = Matcher(vec![condition.clone()]);
        let of = match condition {
            Condition::Any(alternatives) => alternatives
                .iter()
                .map(|matched| {
                    let of = steps(matched, client, reading);
                    let holds = of.iter().all(|step| step.holds);
                    let of = if of.len() > 1 { of } else { Vec::new() };
                    Step {
                        condition: words::matcher(matched),
                        holds,
                        depends_on_reading: false,
                        head: "all of these hold:",
                        of,
                    }
                })
                .collect(),
            Condition::Not(matched) if matched.0.len() > 1 => steps(matched, client, negated(reading)),
            _ => Vec::new(),
        };
        let holds = alone.matches(client, reading);
        let depends_on_reading = holds != alone.matches(client, negated(reading));
        let head = match condition {
            Condition::Not(_) => "not all of these hold:",
            _ => "one of these holds:",
        };
        Step { condition: words::condition(condition), holds, depends_on_reading, head, of }
    };
    matched.0.iter().map(step).collect()
}

const fn negated(reading: Reading) -> Reading {
    match reading {
        Reading::Possible => Reading::Certain,
        Reading::Certain => Reading::Possible,
    }
}

/// Whether all hold.
pub(crate) fn hold(steps: &[Step]) -> bool {
    steps.iter().all(|step| step.holds)
}

/// Writes the steps for people, those first that decide.
pub(crate) fn show(steps: &[Step], indent: usize, out: &mut String) {
    for step in steps {
        let mark = if step.holds { tell::styled(tell::GOOD, "✓") } else { tell::styled(tell::BAD, "✗") };
        let reading = if step.depends_on_reading { " (in one reading of several)" } else { "" };
        let has_parts = step.of.len() > 1 || step.of.iter().any(|step| !step.of.is_empty());
        let words = if has_parts { step.head } else { &step.condition };
        tell::wrapped(out, indent + 2, &format!("{:indent$}{mark}", ""), &format!("{words}{reading}"));
        if has_parts {
            show(&step.of, indent + 2, out);
        }
    }
}
