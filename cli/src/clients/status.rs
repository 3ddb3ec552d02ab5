//! What is in force, for people.

use super::answers::{Policy, Redis, Scope, Status, Table};
use super::show::seconds;
use crate::tell::{self, BAD, MIND, NAME};
use tollgate_cli::{count, number};

const INDENT: usize = 10;

/// What the console says of the whole.
pub(super) fn show(all: &Status) -> String {
    let mut out = String::new();
    for policy in &all.policies {
        show_policy(policy, &mut out);
        out.push('\n');
    }
    row(&mut out, "table", &table(&all.table));
    if let Some(redis) = &all.redis {
        row(&mut out, "Redis", &of_redis(redis));
    }
    for blocked in &all.blocked {
        let words = format!("{} for another {}", tell::clean(&blocked.client), seconds(blocked.blocked_for));
        row(&mut out, "blocked", &words);
    }
    if all.blocked.is_empty() {
        row(&mut out, "blocked", "nobody");
    }
    out
}

fn row(out: &mut String, head: &str, words: &str) {
    tell::wrapped(out, INDENT, &tell::styled(NAME, head), words);
}

fn show_policy(policy: &Policy, out: &mut String) {
    let store = match policy.store.as_deref() {
        None => String::new(),
        Some("memory") => ", counters in this Envoy".to_owned(),
        Some("redis") => ", counters in Redis".to_owned(),
        Some(other) => format!(", counters in {}", tell::clean(other)),
    };
    let since = tell::clean(&policy.since);
    tell::line(
        out,
        0,
        format_args!(
            "{}: in force since {since}, in {}{store}",
            tell::styled(NAME, tell::clean(&policy.name)),
            count(policy.workers, "worker"),
        ),
    );
    let requests = &policy.requests;
    let decided = [
        ("allowed", requests.allowed),
        ("denied", requests.denied),
        ("blocked", requests.blocked),
        ("exempt", requests.exempt),
        ("malformed", requests.malformed),
    ];
    let decided: Vec<String> =
        decided.iter().map(|(name, many)| format!("{} {name}", number(*many))).collect();
    row(out, "  decided", &tell::and(&decided));
    if let Some(problem) = &policy.problem {
        row(out, "  problem", &tell::styled(BAD, tell::clean(problem)));
    }
    for scope in &policy.scopes {
        show_scope(scope, out);
    }
}

fn show_scope(scope: &Scope, out: &mut String) {
    let mode = if scope.enforced { String::new() } else { tell::styled(MIND, " (shadow)") };
    let decided = if scope.enforced {
        format!("{} allowed, {} denied", number(scope.allowed), number(scope.denied))
    } else {
        format!("{} allowed, {} would have been denied", number(scope.allowed), number(scope.shadowed))
    };
    tell::line(out, 2, format_args!("{}{mode}: {decided}", tell::styled(NAME, tell::clean(&scope.name))));
    tell::wrapped(out, 4, "", &tell::clean(&scope.words));
}

fn table(table: &Table) -> String {
    let Table { capacity, clients, evicted, corrupt, contended, failed } = table;
    let mut words = count(*clients, "client");
    if let Some(capacity) = capacity {
        words.push_str(" of ");
        words.push_str(&number(*capacity));
    }
    for (name, many) in
        [("evicted", evicted), ("corrupt", corrupt), ("contended", contended), ("failed", failed)]
    {
        if *many > 0 {
            words.push_str(", ");
            words.push_str(&tell::styled(MIND, format_args!("{} {name}", number(*many))));
        }
    }
    words
}

fn of_redis(redis: &Redis) -> String {
    let mut words = match redis.workers_without {
        0 => "every worker has it".to_owned(),
        many => tell::styled(BAD, format_args!("{} without it", count(many, "worker"))),
    };
    if redis.evicts {
        words.push_str("; ");
        words.push_str(&tell::styled(MIND, "it evicts keys, and with them counters"));
    }
    let failures: Vec<String> = redis
        .failures
        .iter()
        .map(|(cause, many)| format!("{} {}", tell::clean(&many.to_string()), tell::clean(cause)))
        .collect();
    if !failures.is_empty() {
        words.push_str("; failures: ");
        words.push_str(&tell::and(&failures));
    }
    words
}
