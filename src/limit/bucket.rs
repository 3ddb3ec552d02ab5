//! The token bucket: units flow in evenly, up to a burst.

use std::time::Duration;

use super::{EXACT_QUOTA, Mark, Rate, Verdict, millionths};
use crate::time::Time;
use crate::varint::{Reader, put};

/// How many rates one bucket is judged by at the most. Of more, it forgets the one that was used least lately.
pub const MAX_LEVELS: usize = 4;
/// How many marks the log of a bucket has at the most.
const MAX_MARKS: usize = 64;

/// How far a bucket is below full.
///
/// A bucket holds at most `burst` units and gains `quota` units per window, evenly. The level is the
/// generic cell rate algorithm's (ITU-T I.371), kept exactly: what is missing is counted in fractions of
/// `1 / window` (window in microseconds), of which precisely `quota` come back each microsecond. Nothing is
/// ever rounded in the client's favour.
///
/// The rate that is handed to each call may have another quota each time, but always the same window. For each quota
/// there is a level of its own: that of a bucket with this rate from which everything was taken that was taken, but
/// never more than it holds. So policies with several quotas share a bucket, and none lets units in for another.
///
/// A log of what was taken lately makes it possible to give back: the level is what it would be if the units had never
/// been taken. The log has at most 64 marks. Where the burst is larger than that, what is taken within window/64 shares
/// a mark, as if all of it had been taken at the end. Units that are older than the log give back what cannot have
/// flowed in meanwhile. So what is given back may be too little, but never too much.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When the levels were true, in microseconds.
    at: u64,
    /// The one that was used last comes first. None is like one of which nothing is missing.
    levels: Vec<Level>,
    /// When the levels' bases were true, in microseconds.
    log_from: u64,
    /// What was taken since then, oldest first.
    log: Vec<Mark>,
}

/// How a bucket stands under one quota.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Level {
    quota: u32,
    /// The largest one with this quota since the bucket was full.
    burst: u32,
    /// Units missing at [`Bucket::at`], times the window in microseconds.
    missing: u128,
    /// The same at [`Bucket::log_from`], before what is in the log was taken.
    base: u128,
}

impl Level {
    fn pass(&self, missing: u128, span: u64) -> u128 {
        missing.saturating_sub(u128::from(span) * u128::from(self.quota))
    }

    /// What is missing once `units` are taken, too. A bucket is not emptied below nothing.
    fn less(&self, missing: u128, units: u32, unit: u128) -> u128 {
        let full = u128::from(self.burst) * unit;
        (missing + u128::from(units) * unit).min(missing.max(full))
    }
}

impl Bucket {
    /// What a charge of `cost` units would be answered at `now`. Nothing is taken.
    #[must_use]
    pub fn check(&self, rate: Rate, burst: u32, now: Time, cost: u32) -> Verdict {
        let unit = unit(rate);
        let full = u128::from(burst) * unit;
        let wanted = self.missing(rate, burst, now) + u128::from(cost) * unit;
        match full.checked_sub(wanted) {
            Some(left) => {
                let remaining = u32::try_from(left / unit).unwrap_or(burst);
                Verdict::Admitted { remaining, reset: inflow_time(rate, unit - left % unit) }
            }
            None if cost > burst => Verdict::Denied { wait: rate.window() },
            None => Verdict::Denied { wait: inflow_time(rate, wanted - full) },
        }
    }

    /// Takes `cost` units at `now`. Returns the time by which [`Self::give_back`] finds them.
    pub fn take(&mut self, rate: Rate, burst: u32, now: Time, cost: u32) -> Time {
        self.flow(rate, now);
        self.come_to_the_front(rate, burst);
        if self.log.is_empty() {
            self.log_from = self.at;
            self.levels.iter_mut().for_each(|level| level.base = level.missing);
        }
        for level in &mut self.levels {
            level.missing = level.less(level.missing, cost, unit(rate));
        }
        self.note(rate, burst, cost);
        Time::from_micros(self.at)
    }

    /// Gives `cost` units back that were taken at `taken`, the time that [`Self::take`] has returned: the bucket is as
    /// if they had not been taken, as far as its log tells. Returns whether there was anything to give back to.
    pub fn give_back(&mut self, rate: Rate, taken: Time, now: Time, cost: u32) -> bool {
        if self.levels.is_empty() {
            return false;
        }
        self.flow(rate, now);
        let (taken, unit) = (taken.micros(), unit(rate));
        match self.log.iter().position(|mark| mark.at >= taken) {
            Some(place) if taken > self.log_from || self.log[place].at == taken => {
                let mark = &mut self.log[place];
                mark.units = mark.units.saturating_sub(cost);
                if mark.units == 0 {
                    self.log.remove(place);
                }
            }
            // Older than the log: what has flowed in up to there may have made up for it.
            _ => {
                let span = self.log_from.saturating_sub(taken);
                for level in &mut self.levels {
                    let left = level.pass(u128::from(cost) * unit, span);
                    level.base = level.base.saturating_sub(left);
                }
            }
        }
        for place in 0..self.levels.len() {
            self.levels[place].missing = self.replayed(&self.levels[place], unit);
        }
        self.forget_if_full();
        true
    }

    /// Whether anything is missing, by any rate.
    pub(super) fn is_used(&self, rate: Rate, now: Time) -> bool {
        self.levels.iter().any(|level| self.missing_of(level, rate, now) > 0)
    }

    /// How much of the burst is used, in millionths, by the rate that has most of it used.
    pub(super) fn fill(&self, rate: Rate, now: Time) -> u32 {
        let fill = |level: &Level| {
            millionths(self.missing_of(level, rate, now), u128::from(level.burst) * unit(rate))
        };
        self.levels.iter().map(fill).max().unwrap_or(0)
    }

    fn missing(&self, rate: Rate, burst: u32, now: Time) -> u128 {
        match self.levels.iter().find(|level| level.quota == rate.quota() && level.burst >= burst) {
            Some(level) => self.missing_of(level, rate, now),
            None => self.missing_of(&self.level(rate, burst), rate, now),
        }
    }

    fn missing_of(&self, level: &Level, rate: Rate, now: Time) -> u128 {
        if self.is_ahead(rate, now) {
            0
        } else {
            level.pass(level.missing, now.micros().saturating_sub(self.at))
        }
    }

    /// As in the sliding window: more than a window ahead means that the clock was set back.
    const fn is_ahead(&self, rate: Rate, now: Time) -> bool {
        self.at > now.micros() + rate.window_micros()
    }

    /// Lets flow in what flows in until `now`. A full bucket begins anew then.
    fn flow(&mut self, rate: Rate, now: Time) {
        let span = now.micros().saturating_sub(self.at);
        for level in &mut self.levels {
            level.missing = level.pass(level.missing, span);
        }
        if self.is_ahead(rate, now) {
            *self = Self::default();
        }
        self.forget_if_full();
        self.at = self.at.max(now.micros());
    }

    fn forget_if_full(&mut self) {
        if self.levels.iter().all(|level| level.missing == 0) {
            *self = Self::default();
        }
    }

    /// Sees to it that the level of this rate is the first one.
    fn come_to_the_front(&mut self, rate: Rate, burst: u32) {
        let known = self.levels.iter().position(|level| level.quota == rate.quota());
        let level = match known {
            Some(place) if self.levels[place].burst >= burst => self.levels[place].clone(),
            _ => self.level(rate, burst),
        };
        if let Some(place) = known {
            self.levels.remove(place);
        }
        self.levels.insert(0, level);
        self.levels.truncate(MAX_LEVELS);
    }

    /// The level of a rate that is new here, or that was used with a smaller burst: what that could not empty counts now.
    /// Before the log began, a new one is taken to have missed as much as any.
    fn level(&self, rate: Rate, burst: u32) -> Level {
        let unit = unit(rate);
        let known = self.levels.iter().find(|level| level.quota == rate.quota());
        let base =
            known.or_else(|| self.levels.iter().max_by_key(|level| level.base)).map_or(0, |level| level.base);
        let base = base.min(u128::from(burst) * unit);
        let mut level = Level { quota: rate.quota(), burst, missing: 0, base };
        level.missing = self.replayed(&level, unit);
        level
    }

    /// What such a level misses at [`Self::at`], by its base and the log.
    fn replayed(&self, level: &Level, unit: u128) -> u128 {
        let (mut missing, mut from) = (level.base, self.log_from);
        for mark in &self.log {
            missing = level.less(level.pass(missing, mark.at - from), mark.units, unit);
            from = mark.at;
        }
        level.pass(missing, self.at - from)
    }

    /// Notes in the log that `cost` units are taken at [`Self::at`].
    fn note(&mut self, rate: Rate, burst: u32, cost: u32) {
        let step = if burst <= EXACT_QUOTA { 1 } else { rate.window_micros() / MAX_MARKS as u64 };
        // The first mark stays at the time at which the log begins, by which what is older is told apart.
        let joins =
            |last: &Mark| last.at == self.at || last.at > self.log_from && last.at / step == self.at / step;
        match self.log.last_mut() {
            Some(last) if joins(last) => {
                *last = Mark { at: self.at, units: last.units.saturating_add(cost) };
            }
            _ => self.log.push(Mark { at: self.at, units: cost }),
        }
        if self.log.len() > MAX_MARKS {
            let oldest = self.log.remove(0);
            let span = oldest.at - self.log_from;
            for level in &mut self.levels {
                level.base = level.less(level.pass(level.base, span), oldest.units, unit(rate));
            }
            self.log_from = oldest.at;
        }
    }

    /// Appends what [`Self::decode`] reads: the time, the levels (each with its quota, its burst, and what is missing
    /// now and before the log), and the log.
    pub(crate) fn encode(&self, rate: Rate, out: &mut Vec<u8>) {
        put(out, self.log_from);
        put(out, self.at - self.log_from);
        put(out, self.levels.len() as u64);
        for level in &self.levels {
            put(out, level.quota.into());
            put(out, level.burst.into());
            put_amount(out, level.missing, rate);
            put_amount(out, level.base, rate);
        }
        put(out, self.log.len() as u64);
        let mut from = self.log_from;
        for mark in &self.log {
            put(out, mark.at - from);
            put(out, mark.units.into());
            from = mark.at;
        }
    }

    /// Reads what [`Self::encode`] wrote; `None` if it cannot have written that.
    pub(crate) fn decode(reader: &mut Reader, rate: Rate) -> Option<Self> {
        let log_from = reader.number()?;
        let at = log_from.checked_add(reader.number()?).filter(|at| *at <= Time::MAX.micros())?;
        let levels = reader.number()?;
        if levels > MAX_LEVELS as u64 {
            return None;
        }
        let level = |reader: &mut Reader| {
            let (quota, burst) = (reader.small()?, reader.small()?);
            let (missing, base) = (amount(reader, rate)?, amount(reader, rate)?);
            Some(Level { quota, burst, missing, base })
        };
        let levels = (0..levels).map(|_| level(reader)).collect::<Option<_>>()?;
        let marks = reader.number()?;
        if marks > MAX_MARKS as u64 {
            return None;
        }
        let mut from = log_from;
        let mut mark = |reader: &mut Reader| {
            from = from.checked_add(reader.number()?).filter(|from| *from <= at)?;
            Some(Mark { at: from, units: reader.small()? })
        };
        let log = (0..marks).map(|_| mark(reader)).collect::<Option<_>>()?;
        Some(Self { at, levels, log_from, log })
    }
}

/// Whole units, then the fraction.
fn put_amount(out: &mut Vec<u8>, amount: u128, rate: Rate) {
    put(out, u64::try_from(amount / unit(rate)).unwrap_or(u64::MAX));
    put(out, u64::try_from(amount % unit(rate)).unwrap_or(0));
}

fn amount(reader: &mut Reader, rate: Rate) -> Option<u128> {
    let (whole, part) = (reader.small()?, u128::from(reader.number()?));
    (part < unit(rate)).then(|| u128::from(whole) * unit(rate) + part)
}

/// One unit, in the fractions that [`Level::missing`] counts.
fn unit(rate: Rate) -> u128 {
    rate.window_micros().into()
}

/// How long until `amount` has flowed in, rounded up to a microsecond.
fn inflow_time(rate: Rate, amount: u128) -> Duration {
    let micros = amount.div_ceil(u128::from(rate.quota().max(1)));
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: &str = "5/s";

    /// What is written of a bucket with so many levels and marks, of which each has this much of a unit missing, and the
    /// last mark is so late.
    fn decoded(levels: u64, marks: u64, part: u64, latest: u64) -> Option<Bucket> {
        let mut bytes = Vec::new();
        for number in [1_000, 100, levels] {
            put(&mut bytes, number);
        }
        for quota in 0..levels {
            for number in [quota, 9, 3, part, 2, part] {
                put(&mut bytes, number);
            }
        }
        put(&mut bytes, marks);
        for mark in 0..marks {
            put(&mut bytes, if mark == 0 { latest } else { 0 });
            put(&mut bytes, 1);
        }
        Bucket::decode(&mut Reader(&bytes), RATE.parse().expect("a rate"))
    }

    #[test]
    fn what_cannot_have_been_written_is_not_read() {
        let most = (MAX_LEVELS as u64, MAX_MARKS as u64, 999_999);
        for (levels, marks, part, latest, is_read) in [
            (0, 0, 0, 0, true),
            (most.0, most.1, most.2, 100, true),
            (most.0 + 1, most.1, most.2, 100, false),
            (most.0, most.1 + 1, most.2, 100, false),
            (most.0, most.1, most.2 + 1, 100, false),
            (most.0, most.1, most.2, 101, false),
            (most.0, most.1, most.2, u64::MAX, false),
        ] {
            let bucket = decoded(levels, marks, part, latest);
            assert_eq!(bucket.is_some(), is_read, "{levels} {marks} {part} {latest}");
        }
    }

    #[test]
    fn a_time_that_no_clock_shows_is_not_read() {
        for (at, is_read) in [(Time::MAX.micros(), true), (Time::MAX.micros() + 1, false)] {
            let mut bytes = Vec::new();
            for number in [at - 7, 7, 0, 0] {
                put(&mut bytes, number);
            }
            let bucket = Bucket::decode(&mut Reader(&bytes), RATE.parse().expect("a rate"));
            assert_eq!(bucket.is_some(), is_read, "{at}");
        }
    }

    #[test]
    fn a_bucket_of_many_rates_reads_back() {
        let rates = [1, 2, 3, 4].map(|quota| Rate::new(quota, 2).expect("a rate"));
        let mut bucket = Bucket::default();
        for step in 0..80 {
            let now = Time::from_micros(1_000_000 + 100_003 * step);
            for rate in rates {
                bucket.take(rate, 60, now, 1);
            }
            let mut bytes = Vec::new();
            bucket.encode(rates[0], &mut bytes);
            let mut reader = Reader(&bytes);
            assert_eq!(Bucket::decode(&mut reader, rates[0]).as_ref(), Some(&bucket), "{step}");
            assert!(reader.is_empty());
        }
    }
}
