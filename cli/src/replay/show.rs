//! What came of a replay, for people and for programs.

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::SerializeMap;
use tollgate::scope::Scope;

use super::Outcome;
use super::notes;
use super::tally::ScopeTally;
use crate::log::time::{rfc3339, shown};
use crate::log::{FileReport, Skip};
use crate::output::{count, if_any, number, share, span, table};
use crate::style::{BAD, GOOD, MIND, NAME, styled};

/// For people.
pub(super) fn text(outcome: &Outcome) -> io::Result<()> {
    let Outcome { config, tally, .. } = outcome;
    let mut out = anstream::stdout().lock();
    write!(out, "{}", count(tally.requests, "request"))?;
    if let Some(first) = tally.first {
        let length = span(tally.last.saturating_sub(first));
        write!(out, " in {length}, {} to {} UTC", shown(first), shown(tally.last))?;
    }
    writeln!(out)?;
    let whole = tally.requests;
    let style = if tally.denied > 0 { BAD } else { GOOD };
    write!(
        out,
        "{} ({})",
        styled(style, format_args!("{} denied", number(tally.denied))),
        share(tally.denied, whole)
    )?;
    if tally.shadowed > 0 {
        write!(out, "; {} more would be if no scope were in shadow", if_any(MIND, tally.shadowed))?;
    }
    writeln!(out)?;
    if outcome.needs.credentials {
        writeln!(
            out,
            "{} unattributed ({})",
            if_any(MIND, tally.unattributed),
            share(tally.unattributed, whole)
        )?;
    }
    let skipped = skipped(&outcome.reports);
    if skipped > 0 {
        writeln!(out, "{} skipped: {}", styled(MIND, count(skipped, "line")), reasons(&outcome.reports))?;
    }
    writeln!(out)?;

    let scopes = config.policy.scopes.iter().zip(&tally.scopes);
    let rows: Vec<Vec<String>> = scopes.map(|(scope, tally)| scope_row(scope, tally)).collect();
    let headings = ["scope", "rate", "mode", " allowed", " denied", " clients", " of them denied"];
    write!(out, "{}", table(&headings, &rows))?;

    let offenders = tally.offenders(outcome.top);
    if !offenders.is_empty() {
        let all: u64 = tally.scopes.iter().map(ScopeTally::clients_denied).sum();
        writeln!(out)?;
        let rows: Vec<Vec<String>> = offenders
            .iter()
            .map(|(scope, offender, requests)| {
                let name = config.policy.scopes.get(*scope).map_or("", |scope| scope.name.as_str());
                vec![
                    offender.name.clone(),
                    name.to_owned(),
                    number(*requests),
                    styled(BAD, number(offender.denied)),
                    shown(offender.first),
                    shown(offender.last),
                    span(offender.locked_out),
                ]
            })
            .collect();
        let headings = [
            "denied most",
            "scope",
            " requests",
            " denied",
            "first denied, UTC",
            "last denied",
            " locked out",
        ];
        write!(out, "{}", table(&headings, &rows))?;
        let more = all - offenders.len() as u64;
        if more > 0 {
            writeln!(out, "… and {} more (--top)", number(more))?;
        }
    }
    for note in notes::of(outcome) {
        writeln!(out, "\n{note}")?;
    }
    out.flush()
}

fn scope_row(scope: &Scope, tally: &ScopeTally) -> Vec<String> {
    vec![
        styled(NAME, &scope.name),
        rates(scope).join(", "),
        if scope.enforced { mode(scope).to_owned() } else { styled(MIND, mode(scope)) },
        number(tally.allowed),
        if_any(BAD, tally.denied),
        number(tally.clients),
        if_any(BAD, tally.clients_denied()),
    ]
}

pub(super) fn rates(scope: &Scope) -> Vec<String> {
    scope.limits.iter().map(|limit| limit.rate.to_string()).collect()
}

pub(super) const fn mode(scope: &Scope) -> &'static str {
    if scope.enforced { "enforce" } else { "shadow" }
}

pub(super) fn skipped(reports: &[FileReport]) -> u64 {
    reports.iter().flat_map(|report| report.skipped).sum()
}

/// How many lines were skipped for this reason.
fn skipped_by(reports: &[FileReport], skip: Skip) -> u64 {
    reports.iter().map(|report| report.skipped[skip as usize]).sum()
}

pub(super) fn reasons(reports: &[FileReport]) -> String {
    let counts = Skip::ALL.map(|skip| (skipped_by(reports, skip), skip));
    let words = counts.iter().filter(|(count, _)| *count > 0);
    words.map(|(count, skip)| format!("{} {}", number(*count), skip.words())).collect::<Vec<_>>().join(", ")
}

// -- JSON ----------------------------------------------------------------------------------------------------------------

#[derive(Serialize)]
struct Report<'a> {
    requests: u64,
    unattributed: u64,
    skipped: u64,
    denied: u64,
    shadowed: u64,
    first: Option<String>,
    last: Option<String>,
    logged_denied: u64,
    denied_both: u64,
    late: u64,
    evicted: u32,
    credentials_proved: u64,
    skipped_by: InOrder<u64>,
    scopes: InOrder<ScopeReport>,
    clients: Vec<ClientReport<'a>>,
    files: Vec<FileLine<'a>>,
    notes: Vec<String>,
}

/// An object whose fields keep their order.
struct InOrder<T>(Vec<(String, T)>);

impl<T: Serialize> Serialize for InOrder<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct ScopeReport {
    rate: Vec<String>,
    mode: &'static str,
    allowed: u64,
    denied: u64,
    clients: u64,
    clients_denied: u64,
}

#[derive(Serialize)]
struct ClientReport<'a> {
    client: &'a str,
    scope: &'a str,
    requests: u64,
    denied: u64,
    first_denied: String,
    last_denied: String,
    locked_out_seconds: u64,
}

#[derive(Serialize)]
struct FileLine<'a> {
    name: &'a str,
    format: Option<&'static str>,
    lines: u64,
    broken: Option<&'a str>,
}

/// For programs: one object on one line.
pub(super) fn json(outcome: &Outcome) -> io::Result<()> {
    let Outcome { config, tally, judge, reports, .. } = outcome;
    let scopes = config.policy.scopes.iter().zip(&tally.scopes).map(|(scope, tally)| {
        let report = ScopeReport {
            rate: rates(scope),
            mode: mode(scope),
            allowed: tally.allowed,
            denied: tally.denied,
            clients: tally.clients,
            clients_denied: tally.clients_denied(),
        };
        (scope.name.clone(), report)
    });
    let offenders = tally.offenders(outcome.top);
    let clients = offenders.iter().map(|(scope, offender, requests)| ClientReport {
        client: &offender.name,
        scope: config.policy.scopes.get(*scope).map_or("", |scope| scope.name.as_str()),
        requests: *requests,
        denied: offender.denied,
        first_denied: rfc3339(offender.first),
        last_denied: rfc3339(offender.last),
        locked_out_seconds: offender.locked_out.div_ceil(1_000_000),
    });
    let files = reports.iter().map(|report| FileLine {
        name: &report.name,
        format: report.format.as_ref().map(crate::log::Format::name),
        lines: report.lines,
        broken: report.broken.as_deref(),
    });
    let report = Report {
        requests: tally.requests,
        unattributed: tally.unattributed,
        skipped: skipped(reports),
        denied: tally.denied,
        shadowed: tally.shadowed,
        first: tally.first.map(rfc3339),
        last: tally.first.map(|_| rfc3339(tally.last)),
        logged_denied: tally.logged_denied,
        denied_both: tally.denied_both,
        late: reports.iter().map(|report| report.late).sum(),
        evicted: judge.events.evicted,
        credentials_proved: judge.proved,
        skipped_by: InOrder(
            Skip::ALL.iter().map(|skip| (skip.name().to_owned(), skipped_by(reports, *skip))).collect(),
        ),
        scopes: InOrder(scopes.collect()),
        clients: clients.collect(),
        files: files.collect(),
        notes: notes::of(outcome),
    };
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &report)?;
    out.write_all(b"\n")?;
    out.flush()
}
