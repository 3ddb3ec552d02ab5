//! The token bucket: units flow in evenly, up to a burst.

use std::time::Duration;

use crate::limit::{Verdict, millionths};
use crate::rate::Rate;
use crate::time::Time;

/// How far a bucket is below full.
///
/// A bucket holds at most `burst` units and gains `quota` units per window, evenly. The state is the
/// generic cell rate algorithm's (ITU-T I.371), kept exactly: what is missing is counted in fractions of
/// `1 / window` (window in microseconds), of which precisely `quota` come back each microsecond. Nothing is
/// ever rounded in the client's favour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When `missing` was true, in microseconds.
    pub(crate) at: u64,
    /// What was missing at that time, see [`Self::amount`]. Bytes rather than a `u128`, whose alignment of 16 makes
    /// allocators take a detour for whatever holds it.
    missing: [u8; 16],
}

impl Bucket {
    /// A bucket from which so much was missing at `at`.
    pub(crate) fn with_missing(at: Time, missing: u128) -> Self {
        let mut bucket = Self { at: at.micros(), ..Self::default() };
        bucket.set_missing(missing);
        bucket
    }

    /// What a charge of `cost` units would be answered at `now`. Nothing is taken.
    #[must_use]
    pub fn check(&self, rate: Rate, burst: u32, now: Time, cost: u32) -> Verdict {
        let unit = unit(rate);
        let full = u128::from(burst) * unit;
        let wanted = self.missing_at(rate, now) + u128::from(cost) * unit;
        match full.checked_sub(wanted) {
            Some(left) => {
                let remaining = u32::try_from(left / unit).unwrap_or(burst);
                Verdict::Admitted { remaining, reset: inflow_time(rate, unit - left % unit) }
            }
            None if cost > burst => Verdict::Denied { wait: rate.window() },
            None => Verdict::Denied { wait: inflow_time(rate, wanted - full) },
        }
    }

    /// Takes `cost` units at `now`. Returns the time by which [`Self::give_back`] knows how much of them
    /// has flowed in again.
    pub fn take(&mut self, rate: Rate, now: Time, cost: u32) -> Time {
        self.settle(rate, now);
        self.set_missing(self.amount().saturating_add(u128::from(cost) * unit(rate)));
        Time::from_micros(self.at)
    }

    /// Gives back what is left at `now` of `cost` units taken at `taken`. What has flowed in since then
    /// may have made up for them, so it is subtracted: the bucket never holds more than if the units had
    /// not been taken at all.
    pub fn give_back(&mut self, rate: Rate, taken: Time, now: Time, cost: u32) {
        self.settle(rate, now);
        let flowed_in = u128::from(now.micros().saturating_sub(taken.micros())) * u128::from(rate.quota());
        let left = (u128::from(cost) * unit(rate)).saturating_sub(flowed_in);
        self.set_missing(self.amount().saturating_sub(left));
    }

    /// The same number of missing units under another rate's window, rounded up.
    pub(crate) fn rescale(&mut self, from: Rate, to: Rate) {
        if from.window_secs() != to.window_secs() {
            let missing = self.amount().saturating_mul(to.window_secs().into());
            self.set_missing(missing.div_ceil(from.window_secs().into()));
        }
    }

    /// How much of the burst is used, in millionths.
    pub(crate) fn fill(&self, rate: Rate, burst: u32, now: Time) -> u32 {
        millionths(self.missing_at(rate, now), u128::from(burst) * unit(rate))
    }

    /// Units missing at [`Self::at`], times the window in microseconds.
    pub(crate) const fn amount(&self) -> u128 {
        u128::from_le_bytes(self.missing)
    }

    const fn set_missing(&mut self, amount: u128) {
        self.missing = amount.to_le_bytes();
    }

    fn settle(&mut self, rate: Rate, now: Time) {
        let missing = self.missing_at(rate, now);
        self.set_missing(missing);
        if missing == 0 || self.at < now.micros() {
            self.at = now.micros();
        }
    }

    fn missing_at(&self, rate: Rate, now: Time) -> u128 {
        // As in the sliding window: more than a window ahead means that the clock was set back.
        if self.at > now.micros() + rate.window_micros() {
            return 0;
        }
        let elapsed = now.micros().saturating_sub(self.at);
        self.amount().saturating_sub(u128::from(elapsed) * u128::from(rate.quota()))
    }
}

/// One unit, in the fractions that [`Bucket::amount`] counts.
fn unit(rate: Rate) -> u128 {
    rate.window_micros().into()
}

/// How long until `amount` has flowed in, rounded up to a microsecond.
fn inflow_time(rate: Rate, amount: u128) -> Duration {
    let micros = amount.div_ceil(u128::from(rate.quota().max(1)));
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}
