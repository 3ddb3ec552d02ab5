//! What one limit says to a charge.

use std::time::Duration;

/// One limit's answer to a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is room.
    Admitted {
        /// Whole units left once this charge is taken.
        remaining: u32,
        /// How long until there are more units than `remaining`.
        reset: Duration,
    },
    /// There is no room.
    Denied {
        /// How long until the same charge would be admitted if nobody else takes units meanwhile. A
        /// charge that can never be admitted (the quota is 0) is told to wait one window, as DRF does.
        wait: Duration,
    },
}

impl Verdict {
    /// Whether there is room.
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        matches!(self, Self::Admitted { .. })
    }
}
