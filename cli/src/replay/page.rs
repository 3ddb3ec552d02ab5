//! What came of a replay, as a page.

use tollgate::limit::Algorithm;
use tollgate::scope::Count;

use super::peaks::{OfLimit, Peaks};
use super::show::{mode, rates, reasons, skipped};
use super::tally::ScopeTally;
use super::{Outcome, notes};
use crate::log::time::shown;
use crate::output::{number, share, span};
use crate::report::{Cell, Chosen, Curve, MOST_ROWS, Report, Table, Tile, Tone};

/// The page of this replay.
pub(super) fn page(outcome: &Outcome, policy: &str, peaks: Peaks) -> Report {
    let limits = peaks.limits.iter().map(|it| chosen(outcome, it)).collect();
    Report {
        title: format!("What {policy} would have done"),
        about: about(outcome),
        tiles: tiles(outcome),
        first: Some(scopes(outcome)),
        limits,
        timeline: peaks.timeline,
        then: vec![clients(outcome)],
        policy: None,
        notes: notes::of(outcome),
    }
}

fn about(outcome: &Outcome) -> Vec<String> {
    let tally = &outcome.tally;
    let names: Vec<&str> = outcome.reports.iter().map(|report| report.name.as_str()).collect();
    let mut about = vec![format!("Read from {}", names.join(", "))];
    if let Some(first) = tally.first {
        let length = span(tally.last.saturating_sub(first));
        about.push(format!("{} to {} UTC, which is {length}", shown(first), shown(tally.last)));
    }
    about
}

fn tiles(outcome: &Outcome) -> Vec<Tile> {
    let Outcome { tally, needs, reports, .. } = outcome;
    let whole = tally.requests;
    let plain = |tone: Tone, part: u64| if part == 0 { Tone::Plain } else { tone };
    let part = |label, part, tone| Tile {
        label,
        value: share(part, whole),
        detail: format!("{} requests", number(part)),
        tone: plain(tone, part),
    };
    let clients = tally.clients_denied();
    let mut tiles = vec![
        Tile { label: "Requests", value: number(whole), detail: "in the log".into(), tone: Tone::Plain },
        part("Denied", tally.denied, Tone::Denied),
        part("Denied by shadows", tally.shadowed, Tone::Shadowed),
        Tile {
            label: "Clients hit",
            value: number(clients),
            detail: "by a scope, shadows among them".into(),
            tone: plain(Tone::Denied, clients),
        },
    ];
    if needs.credentials {
        tiles.push(part("Unattributed", tally.unattributed, Tone::Warning));
    }
    let lines = skipped(reports);
    if lines > 0 {
        let (value, detail) = (number(lines), reasons(reports));
        tiles.push(Tile { label: "Lines skipped", value, detail, tone: Tone::Warning });
    }
    tiles
}

fn scopes(outcome: &Outcome) -> Table {
    let scopes = outcome.config.policy.scopes.iter().zip(&outcome.tally.scopes);
    let row = |(scope, tally): (&tollgate::scope::Scope, &ScopeTally)| {
        vec![
            Cell::Text(scope.name.clone()),
            Cell::Text(rates(scope).join(", ")),
            Cell::Text(mode(scope).to_owned()),
            Cell::Number(tally.allowed),
            Cell::Number(tally.denied),
            Cell::Share(tally.denied, tally.allowed + tally.denied, !scope.enforced),
            Cell::Number(tally.clients),
            Cell::Number(tally.clients_denied()),
        ]
    };
    Table {
        title: "Verdicts by scope",
        caption: "What a scope in shadow denies is let through: it says what would be.".into(),
        headings: vec![
            "scope",
            "rate",
            "mode",
            " allowed",
            " denied",
            " of its requests",
            " clients",
            " of them denied",
        ],
        rows: scopes.map(row).collect(),
        more: 0,
    }
}

fn clients(outcome: &Outcome) -> Table {
    let offenders = outcome.tally.offenders(MOST_ROWS);
    let all: u64 = outcome.tally.scopes.iter().map(ScopeTally::clients_denied).sum();
    let rows: Vec<Vec<Cell>> = offenders
        .iter()
        .map(|(place, offender, requests)| {
            let scope = outcome.config.policy.scopes.get(*place);
            vec![
                Cell::Text(offender.name.clone()),
                Cell::Text(scope.map_or_else(String::new, |scope| scope.name.clone())),
                Cell::Number(*requests),
                Cell::Number(offender.denied),
                Cell::Share(offender.denied, *requests, scope.is_some_and(|scope| !scope.enforced)),
                Cell::Text(shown(offender.first)),
                Cell::Text(shown(offender.last)),
                Cell::Text(span(offender.locked_out)),
            ]
        })
        .collect();
    let caption = if all == 0 {
        "None."
    } else {
        "Whom each scope denied, or would have: the most first. Times are UTC."
    };
    Table {
        title: "Clients hit",
        caption: caption.into(),
        headings: vec![
            "client",
            "scope",
            " requests",
            " denied",
            " share",
            "first denied",
            "last denied",
            "locked out",
        ],
        more: all - rows.len() as u64,
        rows,
    }
}

/// A limit with its curve.
fn chosen(outcome: &Outcome, of_limit: &OfLimit) -> Chosen {
    let rate = of_limit.limit.rate.to_string();
    let (_, window) = rate.split_once('/').unwrap_or_default();
    // What a bucket lets through in a window at the most.
    let (limit, mut remark) = match of_limit.limit.algorithm {
        Algorithm::SlidingWindow => (of_limit.limit.rate.quota(), String::new()),
        Algorithm::TokenBucket { burst } => {
            let all = of_limit.limit.rate.quota().saturating_add(burst);
            (all, format!("A token bucket: {rate} and a burst of {}. ", number(burst.into())))
        }
    };
    let scope = outcome.config.policy.scopes.get(of_limit.scope);
    if scope.is_some_and(|scope| scope.count != Count::All) {
        remark.push_str("Only requests whose answers count, in any window");
    }
    Chosen {
        scope: scope.map_or_else(String::new, |scope| scope.name.clone()),
        limit,
        window: window.to_owned(),
        remark,
        curve: Curve::of(of_limit.peaks(), limit),
    }
}
