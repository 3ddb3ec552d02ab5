//! What is suggested, as a page.

use super::Suggestion;
use super::peaks::NAMES;
use super::propose::{Proposal, confidence};
use super::survey::Survey;
use crate::log::FileReport;
use crate::log::time::shown;
use crate::output::{number, share, span};
use crate::report::{Cell, Chosen, MOST_ROWS, Report, Table, Tile, Timeline, Tone};

/// The page of this suggestion.
pub(super) fn page(
    survey: &Survey,
    suggestion: &Suggestion,
    timeline: Timeline,
    reports: &[FileReport],
    notes: Vec<String>,
) -> Report {
    let names: Vec<&str> = reports.iter().map(|report| report.name.as_str()).collect();
    let first = survey.first.unwrap_or(survey.last);
    let length = span(survey.last - first);
    Report {
        title: "A policy to begin with".into(),
        about: vec![
            format!("Read from {}", names.join(", ")),
            format!("{} to {} UTC, which is {length}", shown(first), shown(survey.last)),
        ],
        tiles: tiles(survey, &suggestion.proposals),
        first: Some(scopes(&suggestion.proposals)),
        limits: suggestion.proposals.iter().flat_map(chosen).collect(),
        timeline,
        then: vec![clients(&suggestion.proposals)],
        policy: Some(suggestion.policy.to_string()),
        notes,
    }
}

fn tiles(survey: &Survey, proposals: &[Proposal]) -> Vec<Tile> {
    let tile = |label, value, detail: &str, tone| Tile { label, value, detail: detail.into(), tone };
    let unattributed = survey.unattributed;
    let tone = if unattributed == 0 { Tone::Plain } else { Tone::Warning };
    let requests = format!("{} requests", number(unattributed));
    vec![
        tile("Requests", number(survey.requests), "in the log", Tone::Plain),
        tile("Clients", number(survey.by_client.clients.len() as u64), "users, else addresses", Tone::Plain),
        tile("Unattributed", share(unattributed, survey.requests), &requests, tone),
        tile(
            "Scopes suggested",
            number(proposals.len() as u64),
            "all in shadow: they deny nothing",
            Tone::Plain,
        ),
    ]
}

fn scopes(proposals: &[Proposal]) -> Table {
    let row = |proposal: &Proposal| {
        let mut row = vec![Cell::Text(proposal.name.clone()), Cell::Text(proposal.rates.join(", "))];
        let clients = format!("{} ({})", number(proposal.clients as u64), confidence(proposal.clients));
        row.push(Cell::Text(clients));
        row.extend(proposal.ranks[1].map(|rank| Cell::Number(rank.into())));
        row.push(Cell::Number(proposal.hit.len() as u64));
        row.push(Cell::Text(proposal.comment.clone()));
        row
    };
    Table {
        title: "Suggested limits",
        caption: "Of each client its busiest minute: p99 is what all but one in a hundred clients never went beyond. Confidence is how much \
                  that number of clients says."
            .into(),
        headings: vec![
            "scope",
            "suggested",
            "clients (confidence)",
            " p50",
            " p90",
            " p99",
            " most",
            " would be hit",
            "what it is for",
        ],
        rows: proposals.iter().map(row).collect(),
        more: 0,
    }
}

fn clients(proposals: &[Proposal]) -> Table {
    let all: usize = proposals.iter().map(|proposal| proposal.hit.len()).sum();
    let row = |(name, scope): (&String, &String)| vec![Cell::Text(name.clone()), Cell::Text(scope.clone())];
    let hit =
        proposals.iter().flat_map(|proposal| proposal.hit.iter().map(move |name| (name, &proposal.name)));
    let rows: Vec<Vec<Cell>> = hit.take(MOST_ROWS).map(row).collect();
    Table {
        title: "Clients that the limits would have hit",
        caption: if all == 0 { "None.".into() } else { "The busiest of each scope first.".to_owned() },
        headings: vec!["client", "scope"],
        more: (all - rows.len()) as u64,
        rows,
    }
}

/// The limits of one scope with their curves. One that counts only some answers has none: its clients' rates are not these.
fn chosen(proposal: &Proposal) -> Vec<Chosen> {
    let limit = |rate: &String| {
        let (limit, window) = rate.split_once('/')?;
        let curve = proposal.curves.get(NAMES.iter().position(|name| *name == window)?)?;
        Some(Chosen {
            scope: proposal.name.clone(),
            limit: limit.parse().ok()?,
            window: window.to_owned(),
            remark: String::new(),
            curve: curve.clone(),
        })
    };
    proposal.rates.iter().filter_map(limit).collect()
}
