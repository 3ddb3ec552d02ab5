//! The gate at work on a log: a request is judged when it began, and settled when it ended.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use tollgate::client::Client;
use tollgate::config::Config;
use tollgate::decision::Decision;
use tollgate::gate::{Gate, Passage, Pending};
use tollgate::request::Request;
use tollgate::response::Response;
use tollgate::store::{Events, MemoryTable, Secret};
use tollgate::time::Time;

use super::request::Entry;

/// Under which clients' fingerprints are made. Nobody sees them but this process.
pub(crate) const SECRET: Secret = Secret::new(*b"tollgate.replay.");

/// So many requests are under way at the most. More than that is a log whose durations are wrong.
const MOST_PENDING: usize = 1 << 20;

/// A policy at work on a log's clock.
pub(crate) struct Judge {
    gate: Gate<MemoryTable>,
    /// What was let through, and is not yet answered.
    pending: BinaryHeap<Reverse<Due>>,
    serial: u64,
    /// What else happened.
    pub(crate) events: Events,
    /// Credentials that the application has accepted.
    pub(crate) proved: u64,
}

/// An answer that is yet to come.
struct Due {
    end: u64,
    serial: u64,
    pending: Pending,
    /// `None` if nobody has waited for it.
    response: Option<Response>,
}

impl Judge {
    pub(crate) fn new(config: Config) -> Self {
        let table = MemoryTable::new(config.capacity);
        Self {
            gate: Gate::new(config, SECRET, table),
            pending: BinaryHeap::new(),
            serial: 0,
            events: Events::default(),
            proved: 0,
        }
    }

    /// Decides about a request that began at `start`, in microseconds since 1970, and which is not before any that was judged.
    /// Answers that came until then come first. `look` sees the decision, and whose it is.
    pub(crate) fn judge<T>(
        &mut self,
        start: u64,
        entry: &Entry,
        look: impl FnOnce(&Decision, &Client) -> T,
    ) -> T {
        self.settle_until(start);
        let request = Request::new(entry.headers(), entry);
        let client = Client::identify(&self.gate.config().policy.client, &request);
        let passage = self.gate.admit(&client, Pending::default(), Time::from_micros(start));
        let Passage { decision, events, pending, .. } = passage;
        self.events += events;
        let seen = look(&decision, &client);
        if decision.is_allowed() {
            self.await_answer(start, entry, pending);
        }
        seen
    }

    /// All answers are there.
    pub(crate) fn finish(&mut self) {
        self.settle_until(u64::MAX);
    }

    fn await_answer(&mut self, start: u64, entry: &Entry, pending: Pending) {
        if !self.gate.awaits(&pending) {
            return;
        }
        let Entry { status, grpc, origin, .. } = *entry;
        let response = (status != 0).then_some(Response { status, grpc, origin });
        if response.is_some() && !self.gate.matters(&pending, status) {
            return;
        }
        self.serial += 1;
        self.pending.push(Reverse(Due { end: entry.end.max(start), serial: self.serial, pending, response }));
        if self.pending.len() > MOST_PENDING {
            self.settle_first();
        }
    }

    fn settle_until(&mut self, moment: u64) {
        while let Some(Reverse(due)) = self.pending.peek() {
            if due.end > moment {
                return;
            }
            self.settle_first();
        }
    }

    fn settle_first(&mut self) {
        let Some(Reverse(Due { end, pending, response, .. })) = self.pending.pop() else { return };
        let settlement = match response {
            Some(response) => self.gate.settlement(pending, response),
            None => self.gate.abandoned(pending),
        };
        if settlement.is_empty() {
            return;
        }
        self.proved += u64::from(settlement.proof.is_some());
        // Memory is always there, and nobody else is faster.
        self.events += self.gate.settle(settlement, Time::from_micros(end)).unwrap_or_default();
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.end, self.serial).cmp(&(other.end, other.serial))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}
