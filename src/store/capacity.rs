//! How many clients there is room for.

use super::cell::WAYS;

/// How many clients a table keeps counters for at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity(u32);

impl Capacity {
    /// The smallest capacity.
    pub const MIN: u32 = 64;
    /// The largest capacity.
    pub const MAX: u32 = 1 << 24;

    /// A capacity of `clients`; `None` unless within [`Self::MIN`]`..=`[`Self::MAX`].
    #[must_use]
    pub const fn new(clients: u32) -> Option<Self> {
        if clients < Self::MIN || clients > Self::MAX { None } else { Some(Self(clients)) }
    }

    /// The most clients.
    #[must_use]
    pub const fn clients(self) -> u32 {
        self.0
    }

    /// In how many cells they stand, besides everybody's.
    pub(super) const fn cells(self) -> u32 {
        self.0.div_ceil(WAYS)
    }
}

impl Default for Capacity {
    fn default() -> Self {
        Self(65_536)
    }
}
