//! A request on its way: let through, or still waiting for that.

use std::cell::RefCell;

use crate::decision::Decision;
use crate::gate::Pending;

/// A request that was let through and has not been answered.
pub(super) struct Passed {
    /// What it was charged.
    pub(super) pending: Pending,
    /// By which counters.
    pub(super) counters: Counters,
    /// What its client is to be told of its quota, if that is told at all.
    pub(super) told: Option<Decision>,
    /// What the proxy that asks about it is to be told for its log.
    pub(super) note: Option<String>,
}

/// Where a request was charged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Counters {
    Here,
    InRedis,
}

/// Where a stream finds what has become of its request: nobody else can reach into it.
pub(super) type Slot = RefCell<State>;

/// What has become of a request that had to wait.
#[derive(Default)]
pub(super) enum State {
    /// Nothing yet.
    #[default]
    Waiting,
    /// It was let through.
    Passed(Passed),
    /// It was denied, or nobody waits any more.
    Over,
}
