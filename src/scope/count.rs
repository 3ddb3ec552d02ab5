//! Which requests count, once they have been answered.

use std::ops::RangeInclusive;

/// Whether a charge stays when the response comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Count {
    /// It always stays.
    #[default]
    All,
    /// It stays only if the response's status is one of these.
    Status(Vec<RangeInclusive<u16>>),
}

impl Count {
    /// Whether it can depend on a gRPC status.
    #[must_use]
    pub const fn minds_grpc(&self) -> bool {
        false
    }

    /// Whether a request that was answered with this status counts.
    #[must_use]
    pub fn counts(&self, status: u16, _grpc: Option<u32>) -> bool {
        match self {
            Self::All => true,
            Self::Status(ranges) => ranges.iter().any(|range| range.contains(&status)),
        }
    }
}
