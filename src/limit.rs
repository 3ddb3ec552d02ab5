//! One limit and its counter, whichever algorithm it uses.

use std::time::Duration;

use crate::bucket::Bucket;
use crate::rate::Rate;
use crate::time::Time;
use crate::window::Window;

/// How units are counted against a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// At most the quota in any window that ends now: DRF's log of requests. See [`Window`].
    SlidingWindow,
    /// Units flow in evenly at the rate, up to `burst`. See [`Bucket`].
    TokenBucket {
        /// The most units admitted back to back, at least 1.
        burst: u32,
    },
}

/// A rate and how it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Units per window.
    pub rate: Rate,
    /// How they are counted.
    pub algorithm: Algorithm,
}

impl Limit {
    /// A sliding window of this rate.
    #[must_use]
    pub const fn sliding_window(rate: Rate) -> Self {
        Self { rate, algorithm: Algorithm::SlidingWindow }
    }

    /// The most units that can ever be admitted at once; a request that costs more never passes.
    #[must_use]
    pub const fn most_at_once(&self) -> u32 {
        match self.algorithm {
            Algorithm::SlidingWindow => self.rate.quota(),
            Algorithm::TokenBucket { burst } => burst,
        }
    }
}

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

/// A limit together with what was counted against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    Window { rate: Rate, window: Window },
    Bucket { rate: Rate, burst: u32, bucket: Bucket },
}

impl Counter {
    pub(crate) fn new(Limit { rate, algorithm }: Limit) -> Self {
        match algorithm {
            Algorithm::SlidingWindow => Self::Window { rate, window: Window::default() },
            Algorithm::TokenBucket { burst } => Self::Bucket { rate, burst, bucket: Bucket::default() },
        }
    }

    /// Goes on counting under another limit, after a new configuration. What was counted stays, unless
    /// the algorithm is another one: a log and a bucket cannot be turned into each other exactly.
    pub(crate) fn adopt(&mut self, limit: Limit, now: Time) {
        match (&mut *self, limit.algorithm) {
            (Self::Window { rate, window }, Algorithm::SlidingWindow) => {
                if *rate != limit.rate {
                    window.adopt(limit.rate, now);
                    *rate = limit.rate;
                }
            }
            (Self::Bucket { rate, burst, bucket }, Algorithm::TokenBucket { burst: new_burst }) => {
                bucket.rescale(*rate, limit.rate);
                (*rate, *burst) = (limit.rate, new_burst);
            }
            _ => *self = Self::new(limit),
        }
    }

    /// What a charge of `cost` units would be answered. Nothing is taken.
    pub(crate) fn check(&self, now: Time, cost: u32) -> Verdict {
        match self {
            Self::Window { rate, window } => window.check(*rate, now, cost),
            Self::Bucket { rate, burst, bucket } => bucket.check(*rate, *burst, now, cost),
        }
    }

    /// Takes `cost` units. The mark that comes back is what [`Self::give_back`] needs.
    pub(crate) fn take(&mut self, now: Time, cost: u32) -> Time {
        match self {
            Self::Window { rate, window } => window.take(*rate, now, cost),
            Self::Bucket { rate, bucket, .. } => bucket.take(*rate, now, cost),
        }
    }

    /// Gives `cost` units back that were taken with this mark: what time has not given back already.
    pub(crate) fn give_back(&mut self, mark: Time, now: Time, cost: u32) {
        match self {
            Self::Window { window, .. } => window.give_back(mark, cost),
            Self::Bucket { rate, bucket, .. } => bucket.give_back(*rate, mark, now, cost),
        }
    }

    /// How much of the limit is used, in millionths; 0 when nothing that was counted matters any more.
    pub(crate) fn fill(&self, now: Time) -> u32 {
        match self {
            Self::Window { rate, window } => millionths(window.used(*rate, now).into(), rate.quota().into()),
            Self::Bucket { rate, burst, bucket } => bucket.fill(*rate, *burst, now),
        }
    }
}

/// `part` of `whole` in millionths, at least 1 if there is any part at all.
pub(crate) fn millionths(part: u128, whole: u128) -> u32 {
    if part == 0 {
        return 0;
    }
    let share = part.saturating_mul(1_000_000) / whole.max(1);
    u32::try_from(share).unwrap_or(u32::MAX).max(1)
}
