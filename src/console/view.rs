//! The console's answers, in JSON. Spans are in seconds.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Act, Book, InForce, Listed, Ranking};
use crate::decision::{Judgement, Ruling};
use crate::store::{Capacity, Fingerprint};
use crate::time::date_and_time;
use crate::words;

/// How far the metrics of one policy have come.
pub trait Counts {
    /// Requests that were ruled on so.
    fn requests(&self, ruling: Ruling) -> u64;
    /// Requests that the scope at this place has judged so.
    fn scope(&self, scope: usize, judgement: Judgement) -> u64;
}

/// The state of the table of counters.
#[derive(Clone, Copy, Debug, Default)]
pub struct TableState {
    /// For how many clients there is room.
    pub capacity: Option<Capacity>,
    /// How many clients' counters matter.
    pub clients: u64,
    /// Clients that had to give way.
    pub evicted: u64,
    /// What could not be read.
    pub corrupt: u64,
    /// Requests that were denied since other workers were faster.
    pub contended: u64,
    /// Requests that were let through since the counters could not be reached.
    pub failed: u64,
}

/// The state of Redis, as this proxy sees it.
#[derive(Clone, Debug, Default)]
pub struct RedisState {
    /// Workers that do not ask it for the moment.
    pub workers_without: u64,
    /// Whether it drops keys.
    pub evicts: bool,
    /// Requests that it has not decided, by cause.
    pub failures: Vec<(&'static str, u64)>,
}

/// What is in force, with what each policy has counted.
#[must_use]
pub fn policies(
    book: &Book,
    counts: &[&dyn Counts],
    table: TableState,
    redis: Option<&RedisState>,
    blocked: &[(Fingerprint, Duration)],
    unix: u64,
) -> Value {
    let policies: Vec<Value> =
        book.policies().iter().zip(counts).map(|(policy, counts)| of_policy(policy, *counts)).collect();
    let blocked = blocked
        .iter()
        .map(|(client, left)| json!({ "client": client.to_string(), "blocked_for": seconds(*left) }));
    json!({
        "time": date_and_time(unix),
        "policies": policies,
        "table": {
            "capacity": table.capacity.map(Capacity::clients),
            "clients": table.clients,
            "evicted": table.evicted,
            "corrupt": table.corrupt,
            "contended": table.contended,
            "failed": table.failed,
        },
        "redis": redis.map(|redis| json!({
            "workers_without": redis.workers_without,
            "evicts": redis.evicts,
            "failures": redis.failures.iter().filter(|(_, count)| *count > 0).map(|(cause, count)| ((*cause).to_owned(), json!(count))).collect::<Map<_, _>>(),
        })),
        "blocked": blocked.collect::<Vec<_>>(),
    })
}

fn of_policy(policy: &InForce, counts: &dyn Counts) -> Value {
    let requests: Map<String, Value> = Ruling::ALL
        .iter()
        .map(|ruling| (ruling.name().to_owned(), json!(counts.requests(*ruling))))
        .collect();
    let mut value = json!({
        "name": policy.name,
        "since": date_and_time(policy.since),
        "workers": policy.workers,
        "requests": requests,
    });
    match &policy.config {
        Err(problem) => value["problem"] = json!(problem),
        Ok(config) => {
            value["store"] = json!(if config.redis.is_some() { "redis" } else { "memory" });
            let scopes = config.policy.scopes.iter().enumerate().map(|(place, scope)| {
                let rates: Vec<String> = scope.limits.iter().map(|limit| limit.rate.to_string()).collect();
                json!({
                    "name": scope.name,
                    "enforced": scope.enforced,
                    "rates": rates,
                    "words": words::scope(config, scope),
                    "allowed": counts.scope(place, Judgement::Allowed),
                    "denied": counts.scope(place, Judgement::Denied),
                    "shadowed": counts.scope(place, Judgement::Shadowed),
                })
            });
            value["scopes"] = scopes.collect();
        }
    }
    value
}

/// The clients that are closest to the limits that are wanted.
#[must_use]
pub fn clients(
    book: &Book,
    ranking: &Ranking,
    wanted: (Option<&str>, Option<&str>),
    limit: usize,
    complete: bool,
    problem: Option<&str>,
    unix: u64,
) -> Value {
    let (scope_name, policy_name) = wanted;
    let is_wanted = |known| {
        book.scope(known).is_some_and(|(policy, scope, _)| {
            scope_name.is_none_or(|name| name == scope.name)
                && policy_name.is_none_or(|name| name == policy.name)
        })
    };
    let first = ranking.first(limit, is_wanted);
    let rows = each_once(book, &first).into_iter().filter_map(|listed| {
        let mut row = counter(book, listed)?;
        row["client"] = json!(listed.client.to_string());
        Some(row)
    });
    json!({
        "time": date_and_time(unix),
        "looked_at": ranking.looked_at(),
        "complete": complete,
        "problem": problem,
        "clients": rows.collect::<Vec<_>>(),
    })
}

/// A policy that goes while its connections are drained has counters with the one that comes: they would stand there twice.
fn each_once<'l>(book: &Book, listed: &'l [Listed]) -> Vec<&'l Listed> {
    let mut seen = BTreeSet::new();
    let is_new = |listed: &&Listed| {
        book.scope(listed.known).is_some_and(|(policy, scope, limit)| {
            let limit = (limit.most_at_once(), limit.rate.window_secs());
            seen.insert((listed.client, &policy.name, &scope.name, limit))
        })
    };
    listed.iter().filter(is_new).collect()
}

/// What is known of one client.
#[derive(Clone, Debug)]
pub struct Found {
    /// Who.
    pub client: Fingerprint,
    /// For how long the application's acceptance of it counts yet.
    pub proved_for: Option<Duration>,
    /// For how long it is blocked yet.
    pub blocked_for: Option<Duration>,
    /// The limits that count it.
    pub listed: Vec<Listed>,
}

/// The clients that were sought; `is` says as what. With a problem, some of it is not known.
#[must_use]
pub fn found(book: &Book, is: &str, found: &[Found], problem: Option<&str>, unix: u64) -> Value {
    let clients = found.iter().map(|Found { client, proved_for, blocked_for, listed }| {
        json!({
            "client": client.to_string(),
            "is": is,
            "proved_for": proved_for.map(seconds),
            "blocked_for": blocked_for.map(seconds),
            "counters": each_once(book, listed).into_iter().filter_map(|listed| counter(book, listed)).collect::<Vec<_>>(),
        })
    });
    json!({ "time": date_and_time(unix), "problem": problem, "clients": clients.collect::<Vec<_>>() })
}

/// That something was done, and whether it changed anything.
#[must_use]
pub fn done(client: Fingerprint, act: Act, changed: bool) -> Value {
    let client = client.to_string();
    match act {
        Act::Pardon => json!({ "client": client, "pardoned": changed }),
        Act::Block(span) => json!({ "client": client, "blocked_for": seconds(span) }),
        Act::Unblock => json!({ "client": client, "unblocked": changed }),
    }
}

fn counter(book: &Book, listed: &Listed) -> Option<Value> {
    let (policy, scope, limit) = book.scope(listed.known)?;
    let ((used, remaining), (wait, reset)) = (listed.units(limit), listed.times());
    Some(json!({
        "policy": policy.name,
        "scope": scope.name,
        "rate": limit.rate.to_string(),
        "limit": limit.most_at_once(),
        "used": used,
        "remaining": remaining,
        "wait": seconds(wait),
        "reset": seconds(reset),
    }))
}

/// In milliseconds at the finest, never less than there is.
fn seconds(span: Duration) -> f64 {
    let millis = span.as_micros().div_ceil(1000);
    f64::from(u32::try_from(millis).unwrap_or(u32::MAX)) / 1000.0
}
