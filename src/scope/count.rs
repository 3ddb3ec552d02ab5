//! Which requests count, once they have been answered.

use std::ops::RangeInclusive;

/// Whether a charge stays when the response comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Count {
    /// It always stays.
    #[default]
    All,
    /// It stays only if the response has one of these statuses, of either kind; or, if `negated`, only if it has none.
    Answers {
        /// HTTP statuses.
        statuses: Vec<RangeInclusive<u16>>,
        /// gRPC statuses.
        grpc: GrpcStatuses,
        /// Whether those that are listed do not count, and all others do.
        negated: bool,
    },
}

impl Count {
    /// Whether it can depend on a gRPC status.
    #[must_use]
    pub fn minds_grpc(&self) -> bool {
        matches!(self, Self::Answers { grpc, .. } if *grpc != GrpcStatuses::default())
    }

    /// Whether a request counts that was answered with this HTTP status and, if the answer is that of a gRPC call, with
    /// this gRPC status.
    #[must_use]
    pub fn counts(&self, status: u16, grpc: Option<u32>) -> bool {
        match self {
            Self::All => true,
            Self::Answers { statuses, grpc: listed, negated } => {
                let http = statuses.iter().any(|range| range.contains(&status));
                (http || grpc.is_some_and(|status| listed.contains(status))) != *negated
            }
        }
    }

    /// Whether any answer to a gRPC call counts. Its HTTP status is 200, whatever comes of it.
    #[must_use]
    pub fn counts_any_grpc(&self) -> bool {
        self.counts(200, None) || (0..=GrpcStatuses::LAST).any(|status| self.counts(200, Some(status)))
    }
}

/// Some of the gRPC statuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrpcStatuses(u32);

impl GrpcStatuses {
    /// The last one there is; the first is 0.
    pub const LAST: u32 = 16;

    /// The number of the status with this name, in any case.
    #[must_use]
    pub fn number(name: &str) -> Option<u32> {
        (0..).zip(NAMES).find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(number, _)| number)
    }

    /// These, and the status with this number; one beyond [`Self::LAST`] is left out.
    #[must_use]
    pub const fn with(self, status: u32) -> Self {
        if status <= Self::LAST { Self(self.0 | 1 << status) } else { self }
    }

    /// Whether the status with this number is one of these.
    #[must_use]
    pub const fn contains(self, status: u32) -> bool {
        status <= Self::LAST && self.0 >> status & 1 == 1
    }
}

/// The names of gRPC's statuses, in the order of their numbers.
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
