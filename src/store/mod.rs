//! The counters: where they are kept, and the one step that changes them.

mod cell;
mod denials;
mod fingerprint;
mod memory;
mod plan;
mod record;
pub mod redis;
mod shared;
mod table;

use std::fmt;

pub use cell::cell_with;
pub use denials::Denials;
pub use fingerprint::{Fingerprint, Fingerprinter, Secret};
pub use memory::MemoryCells;
pub use plan::{Acceptance, Charges, Plan, Proof, Settlement};
pub use shared::{Absence, SharedCells, SharedData};
pub use table::{Capacity, Opened, Table};

use crate::limit::{Limit, Verdict};
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

/// Which of a client's counters, whatever its limit is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterId(pub u32);

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
    /// The scope's place in the policy: the charges of one shadow scope stand or fall together.
    pub scope: usize,
    /// Whether a denial denies the request. If not, it only keeps its own scope from being charged.
    pub enforced: bool,
}

/// What became of a request's charges.
#[derive(Debug, Default)]
pub struct Charged {
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
        let Charge { client, counter, scope, cost, .. } = *charge;
        self.0.push(Taken { client, counter, scope, mark, cost });
    }

    /// Whether nothing was taken.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes that were charged, by their places in the policy.
    pub fn scopes(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|taken| taken.scope)
    }

    /// Whether this charge was taken.
    #[must_use]
    pub fn has(&self, charge: &Charge) -> bool {
        self.0.iter().any(|taken| taken.is_of(charge))
    }

    /// The part of it that these scopes were charged, and the rest.
    pub fn split(self, belongs: impl Fn(usize) -> bool) -> (Self, Self) {
        let (of_scopes, rest) = self.0.into_iter().partition(|taken| belongs(taken.scope));
        (Self(of_scopes), Self(rest))
    }

    /// The part of it that none of these charges stands for; the rest stays taken.
    pub fn without(mut self, charges: &[Charge]) -> Self {
        self.0.retain(|taken| !charges.iter().any(|charge| taken.is_of(charge)));
        self
    }
}

#[derive(Debug)]
struct Taken {
    client: Fingerprint,
    counter: CounterId,
    scope: usize,
    mark: Time,
    cost: u32,
}

impl Taken {
    fn is_of(&self, charge: &Charge) -> bool {
        self.client == charge.client && self.counter == charge.counter
    }
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
