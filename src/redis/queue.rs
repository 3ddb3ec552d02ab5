//! Who waits for Redis.

use std::collections::VecDeque;

use crate::store::{Plan, Settlement};
use crate::time::Time;

/// The most requests that go to Redis together, and the most settlements that go with them.
pub const BATCH: usize = 128;
/// The most requests, and the most settlements, that wait for their turn.
pub const WAITING: usize = 1_024;

/// Requests and settlements of one worker that have not been sent yet.
#[derive(Debug)]
pub(super) struct Queue<W> {
    requests: VecDeque<Request<W>>,
    settlements: VecDeque<Settling>,
}

/// A request that is to be charged.
#[derive(Debug)]
pub(super) struct Request<W> {
    pub(super) ticket: u32,
    /// None if its client has gone away.
    pub(super) waiter: Option<W>,
    pub(super) plan: Plan,
    /// When it has waited as long as it may.
    pub(super) deadline: Time,
    pub(super) is_retried: bool,
}

/// What is left to do once a request is answered.
#[derive(Debug)]
pub(super) struct Settling {
    pub(super) settlement: Settlement,
    pub(super) is_retried: bool,
}

/// What goes to Redis together.
#[derive(Debug)]
pub(super) struct Batch<W> {
    /// First what answered requests give back, of which those that come after them may be in need.
    pub(super) settlements: Vec<Settling>,
    pub(super) requests: Vec<Request<W>>,
}

impl<W> Default for Batch<W> {
    fn default() -> Self {
        Self { settlements: Vec::new(), requests: Vec::new() }
    }
}

impl<W> Queue<W> {
    pub(super) const fn new() -> Self {
        Self { requests: VecDeque::new(), settlements: VecDeque::new() }
    }

    pub(super) fn has_room(&self) -> bool {
        self.requests.len() < WAITING
    }

    /// One more request, behind all others.
    pub(super) fn push(&mut self, request: Request<W>) {
        self.requests.push_back(request);
    }

    /// One more settlement, behind all others. Returns whether there was room for it.
    pub(super) fn put(&mut self, settlement: Settlement) -> bool {
        let has_room = self.settlements.len() < WAITING;
        if has_room {
            self.settlements.push_back(Settling { settlement, is_retried: false });
        }
        has_room
    }

    /// What has to be sent once more goes before all that came after it.
    pub(super) fn put_back(&mut self, batch: Batch<W>) {
        for request in batch.requests {
            // Before it are those that were put back and came earlier.
            let is_before = |other: &Request<W>| other.is_retried && other.deadline <= request.deadline;
            self.requests.insert(self.requests.partition_point(is_before), request);
        }
        for settling in batch.settlements.into_iter().rev() {
            self.settlements.push_front(settling);
        }
    }

    /// Takes out the request with this ticket. Returns whether it was there.
    pub(super) fn remove(&mut self, ticket: u32) -> bool {
        let before = self.requests.len();
        self.requests.retain(|request| request.ticket != ticket);
        self.requests.len() < before
    }

    /// Takes out the first request if its time is over. Those behind it have come later.
    pub(super) fn expired(&mut self, now: Time) -> Option<Request<W>> {
        if self.requests.front()?.deadline <= now { self.requests.pop_front() } else { None }
    }

    /// Takes out what goes next.
    pub(super) fn next_batch(&mut self) -> Batch<W> {
        let settlements = self.settlements.drain(..self.settlements.len().min(BATCH)).collect();
        let requests = self.requests.drain(..self.requests.len().min(BATCH)).collect();
        Batch { settlements, requests }
    }

    /// Takes out all requests, and drops all settlements. Returns how many of these there were.
    pub(super) fn clear(&mut self) -> (VecDeque<Request<W>>, usize) {
        let settlements = std::mem::take(&mut self.settlements).len();
        (std::mem::take(&mut self.requests), settlements)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.settlements.is_empty()
    }
}
