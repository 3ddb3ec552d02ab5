//! What goes to Redis together, and what comes of it.

use std::time::Duration;

use super::answer::Answer;
use super::failure::Failure;
use super::resp::{Reply, RespError, read_reply};
use crate::store::{Events, Fingerprint, Plan};

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

/// An exchange to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What is sent to Redis.
    pub commands: Vec<u8>,
    /// How long it may take.
    pub timeout: Duration,
}

/// What an exchange has led to, apart from the requests that it decided.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many requests it carried.
    pub requests: usize,
    /// Whether Redis has failed in any of it.
    pub has_failed: bool,
    /// That failure, if since then Redis is not asked any more.
    pub gave_up: Option<Failure>,
    /// Whether Redis is asked again.
    pub has_recovered: bool,
    /// How many settlements were lost: what they would have given back stays taken until its window is over.
    pub unsettled: u32,
    /// The proofs that were noted, and for how long they count.
    pub proofs: Vec<(Fingerprint, Duration)>,
    /// What else happened.
    pub events: Events,
}

/// The replies of one exchange, one after the other.
pub(super) struct Replies<'a> {
    bytes: &'a [u8],
    /// What the last error said: if the connection ends after one, it is the reason.
    failure: Option<Failure>,
}

impl<'a> Replies<'a> {
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, failure: None }
    }

    pub(super) fn next(&mut self) -> Result<Reply<'a>, Failure> {
        match read_reply(&mut self.bytes) {
            Ok(reply) => {
                if let Reply::Error(message) = reply {
                    self.failure = Some(Failure::of_error(message));
                }
                Ok(reply)
            }
            Err(RespError::CutShort) => Err(self.failure.unwrap_or(Failure::Reply)),
            Err(RespError::Malformed) => {
                // Nobody knows where the next one begins.
                self.bytes = &[];
                self.failure = None;
                Err(Failure::Reply)
            }
        }
    }

    /// Reads a reply that should say no more than that all is well. Returns the failure if not.
    pub(super) fn skip(&mut self) -> Option<Failure> {
        match self.next() {
            Ok(Reply::Error(message)) => Some(Failure::of_error(message)),
            Ok(_) => None,
            Err(failure) => Some(failure),
        }
    }
}
