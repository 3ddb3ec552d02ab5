//! The sliding window: at most the quota in any window that ends now.

use std::time::Duration;

use crate::limit::Verdict;
use crate::rate::Rate;
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
/// A mark that lies more than a window (and its rounding) ahead of `now` cannot be: the clock was set
/// back. It does not count, so that such a step never locks a client out for longer than two windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    marks: Vec<Mark>,
}

/// Units that come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// When they count as taken, in microseconds.
    pub(crate) at: u64,
    /// How many, at least 1.
    pub(crate) units: u32,
}

impl Window {
    /// What a charge of `cost` units would be answered at `now`. Nothing is taken.
    #[must_use]
    pub fn check(&self, rate: Rate, now: Time, cost: u32) -> Verdict {
        let comes_back =
            |at: u64| Duration::from_micros((at + rate.window_micros()).saturating_sub(now.micros()));
        let quota = u64::from(rate.quota());
        let wanted = u64::from(self.used(rate, now)) + u64::from(cost);
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
        let oldest = self.live(rate, now).next().map_or_else(|| self.next_mark(rate, now), |mark| mark.at);
        // Not more than the quota, which is 32 bits wide.
        let remaining = u32::try_from(left).unwrap_or(u32::MAX);
        Verdict::Admitted { remaining, reset: comes_back(oldest) }
    }

    /// Takes `cost` units at `now` and drops the marks that have expired. Returns the time of the mark
    /// they went to, by which [`Self::give_back`] finds it.
    pub fn take(&mut self, rate: Rate, now: Time, cost: u32) -> Time {
        self.marks.retain(|mark| is_live(*mark, rate, now));
        let at = self.next_mark(rate, now);
        match self.marks.last_mut() {
            Some(newest) if newest.at == at => newest.units = newest.units.saturating_add(cost),
            _ => self.marks.push(Mark { at, units: cost }),
        }
        Time::from_micros(at)
    }

    /// Gives `cost` units back to the mark they were taken with. A mark that is gone has expired, and
    /// its units are back already.
    pub fn give_back(&mut self, mark: Time, cost: u32) {
        if let Ok(index) = self.marks.binary_search_by_key(&mark.micros(), |mark| mark.at) {
            self.marks[index].units = self.marks[index].units.saturating_sub(cost);
            if self.marks[index].units == 0 {
                self.marks.remove(index);
            }
        }
    }

    /// How many units are used at `now`.
    #[must_use]
    pub fn used(&self, rate: Rate, now: Time) -> u32 {
        self.live(rate, now).fold(0, |used, mark| used.saturating_add(mark.units))
    }

    /// How finely the marks of this rate lie, in microseconds.
    pub(crate) const fn step(rate: Rate) -> u64 {
        if rate.quota() <= EXACT_QUOTA { 1 } else { rate.window_micros() / EXACT_QUOTA as u64 }
    }

    /// Marks as they were stored; `None` unless they are in order, none is empty, and all times possible.
    pub(crate) fn from_marks(marks: Vec<Mark>) -> Option<Self> {
        let ordered = marks.is_sorted_by(|one, next| one.at < next.at);
        let possible = marks.last().is_none_or(|newest| newest.at <= Time::MAX.micros() * 2);
        (ordered && possible && marks.iter().all(|mark| mark.units > 0)).then_some(Self { marks })
    }

    pub(crate) fn marks(&self) -> &[Mark] {
        &self.marks
    }

    fn live(&self, rate: Rate, now: Time) -> impl Iterator<Item = Mark> {
        self.marks.iter().copied().filter(move |mark| is_live(*mark, rate, now))
    }

    /// The time that units taken now are marked with. Workers read the clock before they reach the
    /// counter, so `now` may lie a little behind the newest mark: such units join it, and come back late
    /// rather than early.
    fn next_mark(&self, rate: Rate, now: Time) -> u64 {
        let step = Self::step(rate);
        let rounded = now.micros().next_multiple_of(step);
        self.live(rate, now).last().map_or(rounded, |newest| rounded.max(newest.at))
    }
}

fn is_live(mark: Mark, rate: Rate, now: Time) -> bool {
    let window = rate.window_micros();
    let expired = mark.at + window <= now.micros();
    let impossible = mark.at > now.micros() + window + Window::step(rate);
    !expired && !impossible
}
