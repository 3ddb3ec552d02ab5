//! What has to be known to read the numbers: what the log did not tell, and what was wrong with it.

use super::Outcome;
use super::needs::Need;
use crate::log::{Field, FileReport};
use crate::output::{count, number, share};

/// Each in a sentence or two.
pub(super) fn of(outcome: &Outcome) -> Vec<String> {
    let mut notes = Vec::new();
    unattributed(outcome, &mut notes);
    untold(outcome, &mut notes);
    addresses(outcome, &mut notes);
    clock(outcome, &mut notes);
    let Outcome { config, tally, judge, reports, .. } = outcome;
    let evicted = u64::from(judge.events.evicted);
    if evicted > 0 {
        notes.push(format!(
            "{} lost its counters to others since there was no room, as it would be in the proxy: raise `store.capacity` \
             ({}).",
            count(evicted, "client").replace("clients", "clients each"),
            config.capacity.clients()
        ));
    }
    if tally.logged_denied > 0 {
        notes.push(format!(
            "The log itself shows {} with the status 429; this policy denies {} of them.",
            count(tally.logged_denied, "request"),
            number(tally.denied_both)
        ));
    }
    for report in reports {
        files(report, &mut notes);
    }
    notes
}

fn unattributed(outcome: &Outcome, notes: &mut Vec<String>) {
    let tally = &outcome.tally;
    if tally.unattributed > 0 {
        notes.push(format!(
            "Unattributed are {} of the requests: the log does not tell whether they had a credential, which this policy minds. \
             They were judged as those of anonymous clients, by their address, so that scopes for those deny too much and scopes \
             by credential too little. docs/replay.md shows log formats that tell users apart.",
            share(tally.unattributed, tally.requests)
        ));
    }
}

/// What scopes look at and the log does not have.
fn untold(outcome: &Outcome, notes: &mut Vec<String>) {
    if outcome.tally.requests == 0 {
        return;
    }
    let formats: Vec<_> = outcome.reports.iter().filter_map(|report| report.format.as_ref()).collect();
    let tells = |is_it: &dyn Fn(&Field) -> bool| formats.iter().any(|format| format.tells(is_it));
    let all_headers = formats.iter().any(|format| format.tells_headers());
    let is_told = |need: &Need| match need {
        Need::Query => outcome.tally.has_query,
        Need::Host => tells(&|field| *field == Field::Host),
        Need::UserAgent => {
            all_headers || tells(&|field| matches!(field, Field::Header(name) if name == "user-agent"))
        }
        Need::Header(wanted) => {
            all_headers || tells(&|field| matches!(field, Field::Header(name) if name == wanted))
        }
        Need::Cookie(wanted) => tells(&|field| match field {
            Field::Cookie(name) => name == wanted,
            Field::Header(name) => name == "cookie",
            _ => false,
        }),
        Need::Claim => tells(&|field| matches!(field, Field::Credential | Field::User)),
    };
    let scopes = outcome.config.policy.scopes.iter().zip(&outcome.needs.of_scopes);
    for (scope, needs) in scopes {
        let missing: Vec<String> = needs.iter().filter(|need| !is_told(need)).map(Need::words).collect();
        if !missing.is_empty() {
            notes.push(format!(
                "The scope `{}` looks at {}, which the log does not tell: its numbers say little.",
                scope.name,
                missing.join(" and ")
            ));
        }
    }
}

fn addresses(outcome: &Outcome, notes: &mut Vec<String>) {
    let tally = &outcome.tally;
    if tally.nameless > 0 {
        notes.push(format!(
            "{} had no address in the log; all of these were judged as one client.",
            count(tally.nameless, "request")
        ));
    }
    if let Some(address) = tally.only_address() {
        notes.push(format!(
            "All requests come from {}: is that a proxy in front of the one that has written the log? Then say by --trusted-hops \
             how many there are, and log X-Forwarded-For.",
            String::from_utf8_lossy(address)
        ));
    }
}

/// A log of whole seconds is a coarse clock.
fn clock(outcome: &Outcome, notes: &mut Vec<String>) {
    const COARSE: [&str; 5] = ["nginx-main", "combined", "common", "vhost_combined", "traefik"];
    let formats = outcome.reports.iter().filter_map(|report| report.format.as_ref());
    let is_coarse = formats.into_iter().any(|format| COARSE.contains(&format.name()));
    let scopes = outcome.config.policy.scopes.iter();
    let short: Vec<&str> = scopes
        .filter(|scope| scope.limits.iter().any(|limit| limit.rate.window_secs() < 10))
        .map(|scope| scope.name.as_str())
        .collect();
    if is_coarse && !short.is_empty() {
        notes.push(format!(
            "The log tells whole seconds, and {} a window of less than ten: what is denied there is known roughly.",
            match short[..] {
                [one] => format!("the scope `{one}` has"),
                _ => format!("the scopes {} have", short.join(", ")),
            }
        ));
    }
}

fn files(report: &FileReport, notes: &mut Vec<String>) {
    let FileReport { name, format, lines, first_unreadable, late, broken, .. } = report;
    if let Some(reason) = broken {
        notes.push(format!(
            "{name} could not be read to its end ({reason}): the {} before that were used.",
            count(*lines, "line")
        ));
    }
    if let (Some((number, start)), Some(format)) = (first_unreadable, format) {
        notes.push(format!(
            "{name}: line {number} is the first that is not of the format `{}`: {start}",
            format.name()
        ));
    }
    if *late > 0 {
        notes.push(format!(
            "{name}: {} took longer than 30 s or stood out of order, and were judged up to so much later than they began.",
            count(*late, "request")
        ));
    }
    if *lines == 0 && broken.is_none() {
        notes.push(format!("{name} has no lines."));
    }
}
