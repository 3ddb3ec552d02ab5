//! How much in how long: one limit, and what was counted against it.
//!
//! What a limit *is* are its algorithm and its window: they name its counter. Quota and burst are only how much of
//! what was counted it admits. So limits that differ in these alone judge one counter, each by its own quota: one
//! after the other when a quota is changed, or side by side when several policies stand on the same counters.

mod bucket;
mod marks;
mod rate;
mod verdict;
mod window;

pub use bucket::{Bucket, MAX_LEVELS};
pub(crate) use marks::{Mark, Marks};
pub use rate::{MAX_WINDOW, Rate, RateError, parse_window};
pub use verdict::Verdict;
pub use window::{EXACT_QUOTA, Window};

use std::time::Duration;

use crate::time::Time;

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

    /// How long what is charged now can matter: a window, or until an empty bucket is full; 31 days at the most.
    #[must_use]
    pub fn memory(&self) -> Duration {
        let longest = Duration::from_secs(MAX_WINDOW.into());
        match self.algorithm {
            Algorithm::SlidingWindow => self.rate.window(),
            Algorithm::TokenBucket { burst } => {
                let seconds = u64::from(burst) * u64::from(self.rate.window_secs());
                Duration::from_secs(seconds.div_ceil(self.rate.quota().max(1).into())).min(longest)
            }
        }
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

/// What was counted against limits of one algorithm and window, whatever their quota.
///
/// Beside it stands the limit by which it was last charged: by that alone an observer tells how full it is.
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

    /// Whether this is the counter of such a limit. If so, it is judged by this one's quota from now on.
    pub(crate) fn goes_under(&mut self, limit: Limit) -> bool {
        let known = match self {
            Self::Window { rate, .. } | Self::Bucket { rate, .. } => rate,
        };
        if !known.is_as_long_as(limit.rate) {
            return false;
        }
        match (self, limit.algorithm) {
            (Self::Window { rate, .. }, Algorithm::SlidingWindow) => *rate = limit.rate,
            (Self::Bucket { rate, burst, .. }, Algorithm::TokenBucket { burst: new_burst }) => {
                (*rate, *burst) = (limit.rate, new_burst);
            }
            _ => return false,
        }
        true
    }

    /// What a charge of `cost` units would be answered under this limit; `None` if this is no counter of such a limit.
    /// Nothing is taken, and it goes on to be judged by the limit that it is judged by.
    pub(crate) fn check(&self, limit: Limit, now: Time, cost: u32) -> Option<Verdict> {
        match (self, limit.algorithm) {
            (Self::Window { rate, window }, Algorithm::SlidingWindow) if rate.is_as_long_as(limit.rate) => {
                Some(window.check(limit.rate, now, cost))
            }
            (Self::Bucket { rate, bucket, .. }, Algorithm::TokenBucket { burst })
                if rate.is_as_long_as(limit.rate) =>
            {
                Some(bucket.check(limit.rate, burst, now, cost))
            }
            _ => None,
        }
    }

    /// What the first charge of a new counter would be answered.
    pub(crate) fn check_new(Limit { rate, algorithm }: Limit, now: Time, cost: u32) -> Verdict {
        match algorithm {
            Algorithm::SlidingWindow => Window::default().check(rate, now, cost),
            Algorithm::TokenBucket { burst } => Bucket::default().check(rate, burst, now, cost),
        }
    }

    /// Takes `cost` units. The mark that comes back is what [`Self::give_back`] needs.
    pub(crate) fn take(&mut self, now: Time, cost: u32) -> Time {
        match self {
            Self::Window { rate, window } => window.take(*rate, now, cost),
            Self::Bucket { rate, burst, bucket } => bucket.take(*rate, *burst, now, cost),
        }
    }

    /// Gives `cost` units back that were taken with this mark: what time has not given back already. Returns whether that
    /// changed anything.
    pub(crate) fn give_back(&mut self, mark: Time, now: Time, cost: u32) -> bool {
        match self {
            Self::Window { window, .. } => window.give_back(mark, cost),
            Self::Bucket { rate, bucket, .. } => bucket.give_back(*rate, mark, now, cost),
        }
    }

    /// Whether anything that was counted matters yet.
    pub(crate) fn matters(&self, now: Time) -> bool {
        match self {
            Self::Window { rate, window } => window.is_used(*rate, now),
            Self::Bucket { rate, bucket, .. } => bucket.is_used(*rate, now),
        }
    }

    /// How much of the limit is used, in millionths; 0 when nothing that was counted matters any more.
    pub(crate) fn fill(&self, now: Time) -> u32 {
        match self {
            Self::Window { rate, window } => millionths(window.used(*rate, now).into(), rate.quota().into()),
            Self::Bucket { rate, bucket, .. } => bucket.fill(*rate, now),
        }
    }
}

/// `part` of `whole` in millionths, at least 1 if there is any part at all.
fn millionths(part: u128, whole: u128) -> u32 {
    if part == 0 {
        return 0;
    }
    let share = part.saturating_mul(1_000_000) / whole.max(1);
    u32::try_from(share).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(rate: &str) -> Limit {
        Limit::sliding_window(rate.parse().expect(rate))
    }

    fn bucket(rate: &str, burst: u32) -> Limit {
        Limit { algorithm: Algorithm::TokenBucket { burst }, ..window(rate) }
    }

    #[test]
    fn how_full_a_counter_is() {
        for (limit, cost, millis, fill) in [
            (window("10/s"), 5, 999, 500_000),
            (window("10/s"), 5, 1_000, 0),
            (window("10/s"), 25, 0, 2_500_000),
            (window("4294967295/s"), 1, 0, 1),
            (window("0/s"), 1, 0, 1_000_000),
            (bucket("2/s", 8), 2, 0, 250_000),
            (bucket("2/s", 8), 2, 250, 187_500),
            (bucket("2/s", 8), 2, 999, 250),
            (bucket("2/s", 8), 2, 1_000, 0),
            (bucket("1/s", 4_294_967_295), 1, 0, 1),
        ] {
            let mut counter = Counter::new(limit);
            assert_eq!(counter.fill(Time::default()), 0, "{limit:?}");
            assert!(!counter.matters(Time::default()), "{limit:?}");
            counter.take(Time::default(), cost);
            let now = Time::from_micros(millis * 1_000);
            assert_eq!(counter.fill(now), fill, "{limit:?} {cost} {millis}");
            assert_eq!(counter.matters(now), fill > 0, "{limit:?} {cost} {millis}");
        }
    }

    #[test]
    fn of_several_rates_of_a_bucket_the_one_with_most_of_it_used_counts() {
        for limits in [[bucket("1/s", 2), bucket("9/s", 10)], [bucket("9/s", 10), bucket("1/s", 2)]] {
            let mut counter = Counter::new(limits[0]);
            counter.take(Time::default(), 1);
            assert!(counter.goes_under(limits[1]));
            counter.take(Time::default(), 0);
            assert_eq!(counter.fill(Time::default()), 500_000, "{limits:?}");
        }
    }

    #[test]
    fn a_counter_is_of_one_algorithm_and_window_and_goes_under_any_quota() {
        let limits = [window("5/s"), window("5/min"), bucket("5/s", 2), bucket("5/min", 2)];
        for one in limits {
            for other in limits {
                let rate = Rate::new(3, other.rate.window_secs()).expect("a rate");
                let algorithm = match other.algorithm {
                    Algorithm::SlidingWindow => Algorithm::SlidingWindow,
                    Algorithm::TokenBucket { .. } => Algorithm::TokenBucket { burst: 3 },
                };
                let other_quota = Limit { rate, algorithm };
                let mut counter = Counter::new(one);
                let admits = |counter: &Counter, cost| {
                    counter.check(other_quota, Time::default(), cost).map(|verdict| verdict.is_admitted())
                };
                let most = other_quota.most_at_once();
                let expected = if one == other { [Some(true), Some(false)] } else { [None; 2] };
                assert_eq!(
                    [most, most + 1].map(|cost| admits(&counter, cost)),
                    expected,
                    "{one:?} {other:?}"
                );
                assert_eq!(counter, Counter::new(one), "it was only asked");
                assert_eq!(counter.goes_under(other_quota), one == other, "{one:?} {other:?}");
                let new = Counter::new(other_quota);
                assert_eq!(counter, if one == other { new } else { Counter::new(one) });
            }
        }
    }

    #[test]
    fn how_long_a_charge_can_matter() {
        for (limit, seconds) in [
            (window("5/min"), 60),
            (bucket("5/min", 5), 60),
            (bucket("5/min", 12), 144),
            (bucket("7/s", 15), 3),
            (bucket("1/31d", 2), 31 * 86_400),
        ] {
            assert_eq!(limit.memory(), Duration::from_secs(seconds), "{limit:?}");
        }
    }
}
