//! What the worker is told: what happens to a request, what is to be done with the connection, and what is worth counting.

use std::time::Duration;

use super::answer::Answer;
use super::failure::{Failure, Refusal};
use crate::store::{Events, Fingerprint, Outcome, Plan};

/// What happens to a request that is to be charged.
#[derive(Debug)]
pub enum Asked<W> {
    /// It waits.
    Waits,
    /// It is known already what becomes of it, and for how long its proof counts, if it does.
    Known(W, Plan, Option<Duration>, Outcome),
    /// Redis cannot be asked.
    Refused(W, Plan, Failure),
}

/// A request that Redis, or its failure, has decided about.
#[derive(Debug)]
pub struct Decided<W> {
    /// Its ticket.
    pub ticket: u32,
    /// What the worker needs to go on with it.
    pub waiter: W,
    /// What it was to be charged.
    pub plan: Plan,
    /// What became of it.
    pub outcome: Result<Answer, Failure>,
}

/// What is to be done with the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Open one; then [`opened`](super::Store::opened), or [`closed`](super::Store::closed) if that fails.
    Open,
    /// Send these bytes, which ask about so many requests. If that fails, [`closed`](super::Store::closed).
    Send {
        /// What is sent.
        commands: Vec<u8>,
        /// How many requests it is about.
        requests: usize,
    },
    /// Close it. Nothing that still comes from it matters.
    Close,
}

/// What is worth counting and telling since the last report.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The failure since which Redis is not asked any more.
    pub gave_up: Option<Failure>,
    /// Whether Redis is asked again.
    pub has_recovered: bool,
    /// What Redis said when it refused, once for each kind.
    pub refusals: Vec<Refusal>,
    /// Whether Redis drops keys that have not expired, if it has said so.
    pub evicts: Option<bool>,
    /// What operators have done there, if Redis has said so.
    pub acts: Option<Acts>,
    /// How many settlements were lost: what they would have given back stays taken until its window is over.
    pub unsettled: u32,
    /// What else happened.
    pub events: Events,
}

/// What operators have done in Redis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acts {
    /// How often anything was done.
    pub number: u64,
    /// Who is blocked, and for how long yet.
    pub blocked: Vec<(Fingerprint, Duration)>,
}

impl Report {
    /// Notes what Redis said, if it has not yet.
    pub(super) fn note(&mut self, refusal: Option<&Refusal>) {
        if let Some(refusal) = refusal
            && self.refusals.iter().all(|other| other.failure != refusal.failure)
        {
            self.refusals.push(refusal.clone());
        }
    }
}
