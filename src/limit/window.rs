//! The sliding window: at most the quota in any window that ends now.

use std::time::Duration;

use super::marks::{Mark, Marks};
use super::{Rate, Verdict};
use crate::time::Time;

/// Up to this quota a window keeps one exact mark for each admission.
pub const EXACT_QUOTA: u32 = 64;

/// A log of what was admitted, as marks of a time and a number of units, oldest first.
///
/// A unit is used from its mark until exactly one window later, when it comes back: a half-open window
/// `(now − window, now]`, as in Django REST framework. Up to a quota of [`EXACT_QUOTA`] the marks are the
/// admissions themselves, so the decisions are those of a full log. Above it a mark's time is rounded up
/// to the next multiple of window/64, so that there are at most 65 marks whatever the quota is: a unit may
/// come back up to window/64 late, never early.
///
/// The rate that is handed to each call may have another quota each time, but always the same window. A unit that is
/// taken under a quota of [`EXACT_QUOTA`] or less may join one that was rounded under a larger quota; so it may come
/// back late, too. There are then at most 64 exact marks and 65 rounded ones.
///
/// A mark that lies more than a window (and its rounding) ahead of `now` cannot be: the clock was set
/// back. It does not count, so that such a step never locks a client out for longer than three windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    marks: Marks,
}

impl Window {
    /// What a charge of `cost` units would be answered at `now`. Nothing is taken.
    #[must_use]
    pub fn check(&self, rate: Rate, now: Time, cost: u32) -> Verdict {
        let comes_back =
            |at: u64| Duration::from_micros((at + rate.window_micros()).saturating_sub(now.micros()));
        let quota = u64::from(rate.quota());
        let (used, oldest) = self.used_since(rate, now);
        let wanted = used + u64::from(cost);
        let Some(left) = quota.checked_sub(wanted) else {
            let mut missing = wanted - quota;
            for mark in self.live(rate, now) {
                missing = missing.saturating_sub(mark.units.into());
                if missing == 0 {
                    return Verdict::Denied { wait: comes_back(mark.at) };
                }
            }
            return Verdict::Denied { wait: rate.window() };
        };
        let oldest = oldest.map_or_else(|| self.next_mark(rate, now), |mark| mark.at);
        // Not more than the quota, which is 32 bits wide.
        let remaining = u32::try_from(left).unwrap_or(u32::MAX);
        Verdict::Admitted { remaining, reset: comes_back(oldest) }
    }

    /// Takes `cost` units at `now` and drops the marks that have expired. Returns the time of the mark
    /// they went to, by which [`Self::give_back`] finds it.
    pub fn take(&mut self, rate: Rate, now: Time, cost: u32) -> Time {
        if self.marks.newest().is_some_and(|newest| is_ahead(newest.at, rate, now)) {
            self.marks.change(|mark| (!is_ahead(mark.at, rate, now)).then_some(mark));
        }
        self.marks.drop_while(|at| is_expired(at, rate, now));
        self.marks.align(Self::step(rate));
        let at = self.next_mark(rate, now);
        self.marks.push(at, cost);
        Time::from_micros(at)
    }

    /// Gives `cost` units back to the mark they were taken with. A mark that is gone has expired, and
    /// its units are back already. Returns whether it was there.
    pub fn give_back(&mut self, taken: Time, cost: u32) -> bool {
        // Mostly the newest one, which is not packed.
        if self.marks.newest_gives_back(taken.micros(), cost) {
            return true;
        }
        let is_there = self.marks.iter().any(|mark| mark.at == taken.micros());
        if is_there {
            self.marks.change(|mark| {
                let given_back = if mark.at == taken.micros() { cost } else { 0 };
                Some(Mark { units: mark.units.saturating_sub(given_back), ..mark })
            });
        }
        is_there
    }

    /// Whether any unit is used at `now`.
    pub(super) fn is_used(&self, rate: Rate, now: Time) -> bool {
        let counts =
            |mark: Mark| mark.units > 0 && !is_expired(mark.at, rate, now) && !is_ahead(mark.at, rate, now);
        self.marks.newest().is_some_and(counts) || self.marks.iter().any(counts)
    }

    /// How many units are used at `now`.
    #[must_use]
    pub fn used(&self, rate: Rate, now: Time) -> u64 {
        self.used_since(rate, now).0
    }

    /// How many units are used at `now`, and the oldest mark of them.
    fn used_since(&self, rate: Rate, now: Time) -> (u64, Option<Mark>) {
        if self.marks.newest().is_some_and(|newest| is_ahead(newest.at, rate, now)) {
            let used = self.live(rate, now).map(|mark| u64::from(mark.units)).sum();
            return (used, self.live(rate, now).next());
        }
        // What has expired is mostly less than what has not. None of the rest is ahead, since the newest is not.
        let mut used = self.marks.units();
        for mark in self.marks.iter() {
            if !is_expired(mark.at, rate, now) {
                return (used, Some(mark));
            }
            used = used.saturating_sub(mark.units.into());
        }
        (used, None)
    }

    /// How finely the marks of this rate lie, in microseconds.
    const fn step(rate: Rate) -> u64 {
        if rate.quota() <= EXACT_QUOTA { 1 } else { Self::coarse_step(rate) }
    }

    /// How finely marks lie under a large quota, in microseconds. It depends on the window alone.
    pub(crate) const fn coarse_step(rate: Rate) -> u64 {
        rate.window_micros() / EXACT_QUOTA as u64
    }

    pub(crate) const fn of(marks: Marks) -> Self {
        Self { marks }
    }

    pub(crate) const fn marks(&self) -> &Marks {
        &self.marks
    }

    fn live(&self, rate: Rate, now: Time) -> impl Iterator<Item = Mark> {
        self.marks.iter().filter(move |mark| !is_expired(mark.at, rate, now) && !is_ahead(mark.at, rate, now))
    }

    /// The time that units taken now are marked with. Workers read the clock before they reach the
    /// counter, so `now` may lie a little behind the newest mark: such units join it, and come back late
    /// rather than early.
    fn next_mark(&self, rate: Rate, now: Time) -> u64 {
        // Most quotas are small, and a division is not cheap.
        let rounded = match Self::step(rate) {
            1 => now.micros(),
            step => now.micros().next_multiple_of(step),
        };
        let newest = self.marks.newest().filter(|newest| !is_ahead(newest.at, rate, now));
        newest.map_or(rounded, |newest| rounded.max(newest.at))
    }
}

const fn is_expired(at: u64, rate: Rate, now: Time) -> bool {
    at + rate.window_micros() <= now.micros()
}

const fn is_ahead(at: u64, rate: Rate, now: Time) -> bool {
    at > now.micros() + rate.window_micros() + Window::coarse_step(rate)
}
