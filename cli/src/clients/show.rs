//! Clients and what has become of them, for people.

use std::time::Duration;

use super::answers::{Blocked, Counter, Found, Known, Listed, Pardoned, Unblocked};
use crate::span;
use crate::tell::{self, BAD, GOOD, MIND, NAME};

/// Seconds as people read them. They are rounded up, so that who has waited so long has waited long enough.
pub(super) fn seconds(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.ceil().max(0.0));
    whole.map_or_else(|_| "longer than can be said".to_owned(), span::show)
}

/// The clients of a list.
pub(super) fn listed(listed: &Listed) -> String {
    let mut out = String::new();
    let all = tollgate_cli::count(listed.looked_at, "client");
    if listed.clients.is_empty() {
        let words = match listed.looked_at {
            0 => "No client has counters now.".to_owned(),
            _ => format!("Of {all} with counters none has such ones."),
        };
        tell::line(&mut out, 0, words);
    } else {
        let has_policies = several(listed.clients.iter().map(|row| row.counter.policy.as_str()));
        let mut rows = vec![heading(has_policies, &["client"])];
        for row in &listed.clients {
            let client = tell::styled(NAME, tell::clean(&row.client));
            rows.push(counter(&row.counter, has_policies, vec![client]));
        }
        table(&mut out, 0, &rows);
        let counters = tollgate_cli::count(listed.clients.len() as u64, "counter");
        tell::line(&mut out, 0, format_args!("\n{counters}, the fullest first, of {all}."));
    }
    if !listed.complete {
        let words = "Not all of them could be looked at: there may be fuller ones.";
        tell::line(&mut out, 0, tell::styled(MIND, words));
    }
    unknown(listed.problem.as_deref(), &mut out);
    out
}

/// That some of it is not known, and why.
fn unknown(problem: Option<&str>, out: &mut String) {
    if let Some(problem) = problem {
        let words = format!("Some of it is not known: {}", tell::clean(problem));
        tell::line(out, 0, tell::styled(BAD, words));
    }
}

/// What is known of the clients that were looked for.
pub(super) fn found(found: &Found) -> String {
    let mut out = String::new();
    if found.clients.is_empty() {
        tell::line(&mut out, 0, "No policy in force counts such a client.");
    }
    for client in &found.clients {
        if !out.is_empty() {
            out.push('\n');
        }
        known(client, &mut out);
    }
    unknown(found.problem.as_deref(), &mut out);
    out
}

fn known(client: &Known, out: &mut String) {
    const INDENT: usize = 10;
    let mut row = |head: &str, words: &str| tell::wrapped(out, INDENT, &tell::styled(NAME, head), words);
    let by = match client.is.as_str() {
        "address" => ", that of the address",
        "credential" => ", that of the credential",
        _ => "",
    };
    row("client", &format!("{}{by}", tell::clean(&client.client)));
    if let Some(lasts) = client.blocked_for {
        row("blocked", &tell::styled(BAD, format_args!("for another {}", seconds(lasts))));
    }
    match (client.proved_for, client.is.as_str()) {
        (Some(lasts), _) => row("proved", &format!("for another {}", seconds(lasts))),
        (None, "credential") => row(
            "proved",
            "no: as long as the application has not accepted the credential, it counts as an anonymous client's",
        ),
        (None, _) => {}
    }
    if client.counters.is_empty() {
        row("counters", "none: nothing of it counts now");
        return;
    }
    let has_policies = several(client.counters.iter().map(|counter| counter.policy.as_str()));
    let mut rows = vec![heading(has_policies, &[])];
    rows.extend(client.counters.iter().map(|found| counter(found, has_policies, Vec::new())));
    table(out, INDENT, &rows);
}

/// Whether there is more than one among these.
fn several<'t>(mut texts: impl Iterator<Item = &'t str>) -> bool {
    let first = texts.next();
    texts.any(|text| Some(text) != first)
}

fn heading(has_policies: bool, first: &[&str]) -> Vec<String> {
    let policy = if has_policies { &["policy"][..] } else { &[] };
    let all = first.iter().chain(policy).chain(&["scope", "rate", "used", "next request", "more units"]);
    all.map(|text| tell::styled(tell::FAINT, text)).collect()
}

/// A counter as cells behind others.
fn counter(counter: &Counter, has_policies: bool, mut cells: Vec<String>) -> Vec<String> {
    let Counter { policy, scope, rate, limit, used, remaining, wait, reset } = counter;
    if has_policies {
        cells.push(tell::clean(policy));
    }
    cells.extend([tell::clean(scope), tell::clean(rate)]);
    let style = if *wait > 0.0 {
        BAD
    } else if *remaining * 5 <= *limit {
        MIND
    } else {
        GOOD
    };
    cells.push(tell::styled(style, format_args!("{used} of {limit}")));
    cells.push(if *wait > 0.0 {
        tell::styled(BAD, format_args!("in {}", seconds(*wait)))
    } else {
        "now".to_owned()
    });
    cells.push(if *reset > 0.0 { format!("in {}", seconds(*reset)) } else { "all there".to_owned() });
    cells
}

/// Rows in columns, behind so many spaces.
fn table(out: &mut String, indent: usize, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| tell::width(cell)).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&tell::padded(cell, width + 2));
        }
        tell::line(out, indent, line.trim_end());
    }
}

/// What a pardon has done: whether anything, and the words.
pub(super) fn pardoned(answer: &Pardoned) -> (bool, String) {
    let words = if answer.pardoned {
        "pardoned: its counters and its proof are forgotten"
    } else {
        "there was nothing to forget"
    };
    (answer.pardoned, done(&answer.client, answer.pardoned, words))
}

/// What a block has done.
pub(super) fn blocked(answer: &Blocked) -> (bool, String) {
    (true, done(&answer.client, true, &format!("blocked for {}", seconds(answer.blocked_for))))
}

/// What the end of a block has done.
pub(super) fn unblocked(answer: &Unblocked) -> (bool, String) {
    let words = if answer.unblocked { "no longer blocked" } else { "it was not blocked" };
    (answer.unblocked, done(&answer.client, answer.unblocked, words))
}

fn done(client: &str, is_done: bool, words: &str) -> String {
    let style = if is_done { GOOD } else { MIND };
    format!("{}  {}\n", tell::clean(client), tell::styled(style, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_never_too_few() {
        for (given, shown) in [(0.0, "0 s"), (0.001, "1 s"), (12.3, "13 s"), (899.5, "15 min"), (-3.0, "0 s")]
        {
            assert_eq!(seconds(given), shown);
        }
        assert_eq!(seconds(f64::MAX), "longer than can be said");
        assert_eq!(seconds(f64::NAN), "0 s");
    }
}
