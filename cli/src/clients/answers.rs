//! What the console answers. What it says beyond this is passed over.

use serde::Deserialize;

/// Of `GET /v1/policies`.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    pub(super) policies: Vec<Policy>,
    pub(super) table: Table,
    pub(super) redis: Option<Redis>,
    pub(super) blocked: Vec<Blocked>,
}

/// A policy in force.
#[derive(Debug, Deserialize)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) since: String,
    pub(super) workers: u64,
    /// `memory` or `redis`; nothing if there is a problem.
    pub(super) store: Option<String>,
    pub(super) requests: Requests,
    #[serde(default)]
    pub(super) scopes: Vec<Scope>,
    /// Why the console cannot read the policy, though the filter can.
    pub(super) problem: Option<String>,
}

/// Requests by what was decided, each once.
#[derive(Debug, Deserialize)]
pub(super) struct Requests {
    pub(super) allowed: u64,
    pub(super) denied: u64,
    pub(super) blocked: u64,
    pub(super) exempt: u64,
    pub(super) malformed: u64,
}

/// A scope in force.
#[derive(Debug, Deserialize)]
pub(super) struct Scope {
    pub(super) name: String,
    pub(super) enforced: bool,
    pub(super) words: String,
    pub(super) allowed: u64,
    pub(super) denied: u64,
    pub(super) shadowed: u64,
}

/// The table of counters in this Envoy.
#[derive(Debug, Deserialize)]
pub(super) struct Table {
    /// Nothing as long as no counter was needed.
    pub(super) capacity: Option<u64>,
    pub(super) clients: u64,
    pub(super) evicted: u64,
    pub(super) corrupt: u64,
    pub(super) contended: u64,
    pub(super) failed: u64,
}

/// The shared Redis.
#[derive(Debug, Deserialize)]
pub(super) struct Redis {
    pub(super) workers_without: u64,
    pub(super) evicts: bool,
    #[serde(default)]
    pub(super) failures: serde_json::Map<String, serde_json::Value>,
}

/// A client that is blocked; also what `block` answers. The span is in seconds.
#[derive(Debug, Deserialize)]
pub(super) struct Blocked {
    pub(super) client: String,
    pub(super) blocked_for: f64,
}

/// Of `GET /v1/clients`.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    pub(super) looked_at: u64,
    pub(super) complete: bool,
    /// Why some of it is not known.
    pub(super) problem: Option<String>,
    pub(super) clients: Vec<Row>,
}

/// A client, and one of its counters.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) client: String,
    #[serde(flatten)]
    pub(super) counter: Counter,
}

/// One client's counter under one limit. Spans are in seconds.
#[derive(Debug, Deserialize)]
pub(super) struct Counter {
    pub(super) policy: String,
    pub(super) scope: String,
    pub(super) rate: String,
    pub(super) limit: u64,
    pub(super) used: u64,
    pub(super) remaining: u64,
    /// Until one more request is admitted.
    pub(super) wait: f64,
    /// Until more units are there.
    pub(super) reset: f64,
}

/// Of `POST /v1/clients/find`.
#[derive(Debug, Deserialize)]
pub(super) struct Found {
    /// Why some of it is not known.
    pub(super) problem: Option<String>,
    pub(super) clients: Vec<Known>,
}

/// What is known of a client.
#[derive(Debug, Deserialize)]
pub(super) struct Known {
    pub(super) client: String,
    /// By what it was found: `address`, `credential` or `client`.
    pub(super) is: String,
    pub(super) proved_for: Option<f64>,
    pub(super) blocked_for: Option<f64>,
    pub(super) counters: Vec<Counter>,
}

impl Known {
    /// Whether anything is stored of it.
    pub(super) fn is_known(&self) -> bool {
        !self.counters.is_empty() || self.proved_for.is_some() || self.blocked_for.is_some()
    }
}

/// Of `…/pardon`.
#[derive(Debug, Deserialize)]
pub(super) struct Pardoned {
    pub(super) client: String,
    pub(super) pardoned: bool,
}

/// Of `…/unblock`.
#[derive(Debug, Deserialize)]
pub(super) struct Unblocked {
    pub(super) client: String,
    pub(super) unblocked: bool,
}

/// Of whatever was refused.
#[derive(Debug, Deserialize)]
pub(super) struct Refused {
    pub(super) error: String,
}
