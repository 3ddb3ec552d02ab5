//! A request that was let through.

use crate::decision::Decision;
use crate::gate::Pending;

/// A request that was let through and has not been answered.
pub struct Passed {
    /// What it was charged.
    pub(super) pending: Pending,
    /// By which counters.
    pub(super) counters: Kept,
    /// What its client is to be told of its quota, if that is told at all.
    pub(super) told: Option<Decision>,
    /// What the proxy that asks about it is to be told for its log.
    pub(super) note: Option<String>,
}

impl Passed {
    /// What it was charged, for the target that the proxy has redirected it to.
    pub(super) fn charged(self) -> Pending {
        self.pending.of_redirected(self.told)
    }
}

/// Where a request was charged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Here,
    InRedis,
}
