//! The counters: where they are kept, and the one step that changes them.

mod acts;
mod capacity;
mod cell;
mod census;
mod checksum;
mod counters;
mod fingerprint;
mod memory;
mod name;
mod numbers;
mod plan;
mod record;
mod rules;
mod seen;
mod shared;
mod table;

use std::fmt;

pub use acts::{Acts, Keeper, MOST_BLOCKED, TooMany};
pub use capacity::Capacity;
pub use cell::cell_with;
pub use census::Census;
pub use counters::Counters;
pub use fingerprint::{Fingerprint, Fingerprinter, NoFingerprint, Secret};
pub use memory::{Known, MemoryCells, MemoryTable};
pub use name::TableName;
pub use plan::{Acceptance, Plan, Proof, Proves, Settlement};
pub use seen::{Seen, Watched};
pub use shared::{Absence, CAPACITY, SharedCells, SharedData, Topic};
pub use table::{Loaded, Table};

use crate::limit::{Algorithm, Limit, Verdict};
use crate::time::Time;

/// Numbered places for bytes that several workers share, each written by compare-and-set.
pub trait Cells {
    /// Tells one state of a cell from every later one.
    type Version;

    /// The bytes in a cell (none if it was never written) and their version.
    ///
    /// # Errors
    /// If the place cannot be read.
    fn read(&self, cell: u32) -> Result<(Vec<u8>, Self::Version), Unavailable>;

    /// Replaces the bytes of a cell if it is still at `version`. Returns whether it was.
    ///
    /// # Errors
    /// If the place cannot be written.
    fn write(&self, cell: u32, bytes: &[u8], version: &Self::Version) -> Result<bool, Unavailable>;
}

/// The cells cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// Which of a client's counters: that of a scope's limits of one algorithm and window, whatever their quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterId(pub u32);

impl CounterId {
    /// The counter of this limit of the scope with this name. Neither the limit's quota and burst nor its place among
    /// the scope's limits matter, nor what else the policy says: so a counter outlives all that may change about it.
    #[must_use]
    pub fn of(scope: &str, limit: Limit) -> Self {
        let algorithm: u64 = match limit.algorithm {
            Algorithm::SlidingWindow => 0,
            Algorithm::TokenBucket { .. } => 1,
        };
        let mut name = Fingerprinter::new(&Secret::new(*b"tollgate.counter"));
        name.piece(0, scope.as_bytes());
        name.piece(1, &algorithm.to_le_bytes());
        name.piece(2, &u64::from(limit.rate.window_secs()).to_le_bytes());
        let [a, b, c, d, ..] = name.finish().to_bytes();
        Self(u32::from_le_bytes([a, b, c, d]))
    }
}

/// Stands in a charge for the place of its scope if it belongs to none. No policy has so many.
pub const NO_SCOPE: usize = u16::MAX as usize;

/// A planned taking of units from one counter of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Whose counter.
    pub client: Fingerprint,
    /// Which of the client's counters.
    pub counter: CounterId,
    /// What the counter may reach.
    pub limit: Limit,
    /// Units to take.
    pub cost: u32,
    /// The scope's place in the policy, or [`NO_SCOPE`]: the charges of one shadow scope stand or fall together.
    pub scope: usize,
    /// Whether a denial denies the request. If not, it only keeps its own scope from being charged.
    pub enforced: bool,
    /// Whether it stays once it is known what the request's credential is worth.
    pub stays: Stays,
}

/// Whether a charge stays once it is known what the request's credential is worth.
///
/// A request whose credential is not proved could be its bearer's or anybody's: it is charged for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stays {
    /// Either way.
    Always,
    /// If the application accepts the credential: it is its bearer's.
    IfAccepted,
    /// Unless the application accepts the credential: it is an anonymous client's.
    UnlessAccepted,
    /// If the application accepts the credential, and was not known to by then: it is of the limit on new credentials.
    IfNew,
}

/// What an answer says about the credential of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// The application has accepted it.
    Yes,
    /// Nobody has accepted it.
    No,
    /// That it was accepted, or that everybody is answered so.
    Perhaps,
}

impl Stays {
    /// Whether the charge stays, now that the request is answered. Where nobody knows whose it was, all charges stay.
    /// [`Self::IfNew`] does not, but if a proof is noted that is new: see [`Settlement`].
    #[must_use]
    pub fn stays(self, accepted: Accepted) -> bool {
        match self {
            Self::Always => true,
            Self::IfAccepted => accepted != Accepted::No,
            Self::UnlessAccepted => accepted != Accepted::Yes,
            Self::IfNew => false,
        }
    }
}

/// What became of a request's charges.
#[derive(Debug, Default)]
pub struct Outcome {
    /// One for each charge, in the same order.
    pub verdicts: Vec<Verdict>,
    /// What was taken, by which it can be given back: everything, but for shadow scopes that are over their
    /// limit; nothing at all if a charge of an enforced scope was denied.
    pub receipt: Receipt,
    /// What else happened.
    pub events: Events,
}

/// What was taken. Handing it in gives it back; once, since it is consumed.
#[derive(Debug, Default)]
#[must_use = "drop it explicitly if the charge is to stay"]
pub struct Receipt(Vec<Taken>);

impl Receipt {
    /// One more charge was taken, with this mark.
    pub(crate) fn add(&mut self, charge: &Charge, mark: Time) {
        let Charge { client, counter, scope, cost, stays, .. } = *charge;
        self.0.push(Taken { client, counter, scope, mark, cost, stays });
    }

    /// Whether nothing was taken.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was taken, charge by charge.
    pub fn iter(&self) -> impl Iterator<Item = &Taken> {
        self.0.iter()
    }

    /// Whether a charge of the limit on new credentials was taken: if the application accepts the credential, it may be noted.
    #[must_use]
    pub fn admits_new(&self) -> bool {
        self.0.iter().any(|taken| taken.stays == Stays::IfNew)
    }

    /// Whether this charge was taken.
    #[must_use]
    pub fn has(&self, charge: &Charge) -> bool {
        self.0.iter().any(|taken| taken.client == charge.client && taken.counter == charge.counter)
    }

    /// The same once more, for tests that keep the same counters in two tables.
    #[doc(hidden)]
    pub fn again(&self) -> Self {
        Self(self.0.clone())
    }

    /// The part of it that is to be given back; the rest stays taken.
    pub fn only(mut self, goes: impl Fn(&Taken) -> bool) -> Self {
        self.0.retain(goes);
        self
    }

    /// What is to be given back, and the rest.
    pub(crate) fn split(mut self, goes: impl Fn(&Taken) -> bool) -> (Self, Self) {
        let kept = self.0.extract_if(.., |taken| !goes(taken)).collect();
        (self, Self(kept))
    }

    /// Both receipts as one, what was taken of one client together.
    pub fn and(mut self, more: Self) -> Self {
        for taken in more.0 {
            let behind = self.0.iter().rposition(|other| other.client == taken.client);
            self.0.insert(behind.map_or(self.0.len(), |last| last + 1), taken);
        }
        self
    }
}

/// One charge that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub(crate) client: Fingerprint,
    pub(crate) counter: CounterId,
    /// The scope's place in the policy.
    pub scope: usize,
    pub(crate) mark: Time,
    pub(crate) cost: u32,
    /// Whether it stays once it is known what the request's credential is worth.
    pub stays: Stays,
}

/// Things that are no error but worth counting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Another worker was faster, and the step was done again.
    pub lost_races: u32,
    /// Clients whose counters had to give way, still in use, to another client's.
    pub evicted: u32,
    /// Cells whose bytes could not be read; what they counted is lost.
    pub corrupt: u32,
    /// Requests that can prove nothing, since too many new credentials have come from their address.
    pub held_back: u32,
    /// Settlements that failed: what they would have given back stays taken until its window is over.
    pub unsettled: u32,
}

/// Why a charge could not be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The cells cannot be reached.
    Unavailable,
    /// Other workers were faster so many times in a row that the step was given up. Nothing was taken.
    Contended,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "the counters cannot be reached",
            Self::Contended => "other workers were faster too many times in a row",
        })
    }
}

impl std::error::Error for StoreError {}

impl From<Unavailable> for StoreError {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl std::ops::AddAssign for Events {
    fn add_assign(&mut self, more: Self) {
        self.lost_races += more.lost_races;
        self.evicted += more.evicted;
        self.corrupt += more.corrupt;
        self.held_back += more.held_back;
        self.unsettled += more.unsettled;
    }
}

impl<C: Cells> Cells for &C {
    type Version = C::Version;

    fn read(&self, cell: u32) -> Result<(Vec<u8>, Self::Version), Unavailable> {
        (**self).read(cell)
    }

    fn write(&self, cell: u32, bytes: &[u8], version: &Self::Version) -> Result<bool, Unavailable> {
        (**self).write(cell, bytes, version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was taken of these clients' counters, in this order.
    fn receipt(taken: &[(u8, u32)]) -> Receipt {
        let taken = taken.iter().map(|(client, counter)| Taken {
            client: Fingerprint::from_bytes([*client; Fingerprint::SIZE]),
            counter: CounterId(*counter),
            scope: 0,
            mark: Time::default(),
            cost: 1,
            stays: Stays::Always,
        });
        Receipt(taken.collect())
    }

    #[test]
    fn events_add_up() {
        let mut sum = Events { lost_races: 1, evicted: 2, corrupt: 3, held_back: 4, unsettled: 5 };
        sum += Events { lost_races: 10, evicted: 20, corrupt: 30, held_back: 40, unsettled: 50 };
        let both = Events { lost_races: 11, evicted: 22, corrupt: 33, held_back: 44, unsettled: 55 };
        assert_eq!(sum, both);
    }

    #[test]
    fn in_one_receipt_of_two_what_was_taken_of_one_client_stands_together() {
        let one = receipt(&[(1, 10), (2, 20), (2, 21), (3, 30)]);
        let more = receipt(&[(4, 40), (3, 31), (2, 22), (1, 11), (4, 41)]);
        let both =
            receipt(&[(1, 10), (1, 11), (2, 20), (2, 21), (2, 22), (3, 30), (3, 31), (4, 40), (4, 41)]);
        assert_eq!(one.and(more).0, both.0);
    }
}
