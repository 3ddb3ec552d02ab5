//! The log of a sliding window, packed into few bytes.

use crate::varint::{Reader, put};

/// Units that come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// When they count as taken, in microseconds.
    pub(crate) at: u64,
    /// How many.
    pub(crate) units: u32,
}

/// A queue of marks, oldest first, each later than the one before.
///
/// All but the newest are packed: for each twice the distance from the one before, plus 1 if a number of units
/// other than 1 follows. Looking at the oldest ones, dropping them and adding to the newest touches nothing
/// else, so that a request costs the same however many marks there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// How many microseconds the times below count in; at least 1 unless there are no marks.
    step: u64,
    /// Units of all marks.
    units: u64,
    /// What the first packed distance counts from, and the time of the last packed mark.
    base: u64,
    last_packed: u64,
    packed: Vec<u8>,
    newest: Option<Mark>,
}

impl Marks {
    /// Units of all marks.
    pub(crate) const fn units(&self) -> u64 {
        self.units
    }

    /// The newest mark.
    pub(crate) fn newest(&self) -> Option<Mark> {
        self.newest.map(|mark| in_micros(mark, self.step))
    }

    /// In how many microseconds the times are counted.
    pub(crate) const fn step(&self) -> u64 {
        self.step
    }

    /// All marks, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Mark> {
        let mut reader = Reader(&self.packed);
        let mut before = self.base;
        let packed = std::iter::from_fn(move || {
            let mark = unpack(&mut reader, before)?;
            before = mark.at;
            Some(mark)
        });
        packed.chain(self.newest).map(|mark| in_micros(mark, self.step))
    }

    /// Adds units to the newest mark if it has this time, else as a newer one. The time must lie on a step, and
    /// not before the newest mark.
    pub(crate) fn push(&mut self, at: u64, units: u32) {
        let at = if self.step > 1 { at / self.step } else { at };
        self.units += u64::from(units);
        match &mut self.newest {
            Some(newest) if newest.at >= at => newest.units = newest.units.saturating_add(units),
            newest => {
                if let Some(older) = newest.replace(Mark { at, units }) {
                    self.pack(older);
                } else {
                    (self.base, self.last_packed) = (at, at);
                }
            }
        }
    }

    /// Takes units from the newest mark if it has this time, and more than these. Returns whether it was so.
    pub(crate) fn newest_gives_back(&mut self, at: u64, units: u32) -> bool {
        let step = self.step;
        let newest =
            self.newest.as_mut().filter(|mark| in_micros(**mark, step).at == at && mark.units > units);
        if let Some(newest) = newest {
            newest.units -= units;
            self.units = self.units.saturating_sub(units.into());
            return true;
        }
        false
    }

    /// Drops the oldest marks as long as `expired` says so of their time.
    pub(crate) fn drop_while(&mut self, expired: impl Fn(u64) -> bool) {
        let expired = |mark: &Mark| expired(in_micros(*mark, self.step).at);
        if self.newest.as_ref().is_none_or(expired) {
            *self = Self::default();
            return;
        }
        let (mut reader, mut base, mut units) = (Reader(&self.packed), self.base, self.units);
        let mut kept = self.packed.len();
        while let Some(mark) = unpack(&mut reader, base).filter(expired) {
            (base, units) = (mark.at, units.saturating_sub(mark.units.into()));
            kept = reader.0.len();
        }
        (self.base, self.units) = (base, units);
        if kept < self.packed.len() {
            self.packed.drain(..self.packed.len() - kept);
        }
    }

    /// Counts times in steps of so many microseconds from now on, if all marks lie on such steps; else in
    /// microseconds, until those that do not have expired.
    pub(crate) fn align(&mut self, step: u64) {
        if self.step == step {
            return;
        }
        let aligned = self.iter().all(|mark| mark.at.is_multiple_of(step));
        let possible = if aligned { step } else { 1 };
        if self.step != possible {
            self.rebuild(possible, Some);
        }
    }

    /// Changes marks, and drops those that have no units then.
    pub(crate) fn change(&mut self, change: impl Fn(Mark) -> Option<Mark>) {
        self.rebuild(self.step, change);
    }

    /// Appends what [`Self::decode`] reads.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let Mark { at, units } = self.newest.unwrap_or(Mark { at: self.last_packed, units: 0 });
        put(out, self.units);
        put(out, self.base);
        put(out, self.last_packed - self.base);
        put(out, at - self.last_packed);
        put(out, units.into());
        put(out, self.packed.len() as u64);
        out.extend_from_slice(&self.packed);
    }

    /// Reads what [`Self::encode`] wrote, with times in steps of so many microseconds; `None` if it cannot have
    /// written that. The packed marks are not looked at: who stores them sees to it that they come back as they
    /// were.
    ///
    /// In a log that drops what has expired whenever it grows, no mark is older than the newest by more than a window and
    /// what the newest was rounded by. That is less than two windows.
    pub(crate) fn decode(reader: &mut Reader, step: u64, window: u64) -> Option<Self> {
        let units = reader.number()?;
        let base = reader.number()?;
        let last_packed = base.checked_add(reader.number()?)?;
        let at = last_packed.checked_add(reader.number()?)?;
        let newest = Some(Mark { at, units: reader.small()? });
        let packed = usize::try_from(reader.number()?).ok()?;
        let packed = reader.bytes(packed)?.to_vec();
        // So that no sum overflows.
        let spans = (at - base).checked_mul(step)?;
        let possible = at.checked_mul(step)? <= LATEST && units <= LATEST && spans <= 2 * (window + step);
        possible.then_some(Self { step, units, base, last_packed, packed, newest })
    }

    fn rebuild(&mut self, step: u64, change: impl Fn(Mark) -> Option<Mark>) {
        let mut rebuilt = Self { step, ..Self::default() };
        for mark in self.iter().filter_map(change).filter(|mark| mark.units > 0) {
            rebuilt.push(mark.at, mark.units);
        }
        *self = rebuilt;
    }

    fn pack(&mut self, mark: Mark) {
        if self.packed.is_empty() {
            (self.base, self.last_packed) = (mark.at, mark.at);
        }
        put(&mut self.packed, 2 * (mark.at - self.last_packed) + u64::from(mark.units != 1));
        if mark.units != 1 {
            put(&mut self.packed, mark.units.into());
        }
        self.last_packed = mark.at;
    }
}

/// No mark is later: some thirty thousand years.
const LATEST: u64 = u64::MAX >> 4;

fn in_micros(mark: Mark, step: u64) -> Mark {
    Mark { at: mark.at.saturating_mul(step).min(LATEST), units: mark.units }
}

fn unpack(reader: &mut Reader, before: u64) -> Option<Mark> {
    if reader.is_empty() {
        return None;
    }
    let head = reader.number()?;
    let at = before.checked_add(head / 2)?;
    let units = if head % 2 == 1 { reader.small()? } else { 1 };
    Some(Mark { at, units })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(units: u64, base: u64, at: u64, step: u64, window: u64) -> Option<Marks> {
        let mut bytes = Vec::new();
        for number in [units, base, 0, at - base, 1, 0] {
            put(&mut bytes, number);
        }
        Marks::decode(&mut Reader(&bytes), step, window)
    }

    #[test]
    fn what_could_overflow_is_not_read() {
        assert_eq!(LATEST, (1 << 60) - 1);
        assert!(decoded(LATEST, LATEST, LATEST, 1, 10).is_some());
        assert!(decoded(LATEST + 1, LATEST, LATEST, 1, 10).is_none(), "units");
        assert!(decoded(1, LATEST + 1, LATEST + 1, 1, 10).is_none(), "time");
        assert!(decoded(1, LATEST / 2 + 1, LATEST / 2 + 1, 2, 10).is_none(), "time in steps");
        assert!(decoded(1, 100, 112, 2, 10).is_some());
        assert!(decoded(1, 100, 113, 2, 10).is_none(), "more than two windows and steps");
        assert!(decoded(1, 0, u64::MAX, u64::MAX, 10).is_none());
    }

    #[test]
    fn a_mark_without_units_is_dropped() {
        let mut marks = Marks { step: 1, ..Marks::default() };
        for (at, units) in [(5, 1), (6, 6), (7, 7)] {
            marks.push(at, units);
        }
        marks.change(|mark| Some(Mark { units: mark.units / 6 * 6, ..mark }));
        assert_eq!(marks.iter().collect::<Vec<_>>(), [Mark { at: 6, units: 6 }, Mark { at: 7, units: 6 }]);
        marks.change(|mark| (mark.at > 6).then_some(mark));
        assert_eq!((marks.units(), marks.newest()), (6, Some(Mark { at: 7, units: 6 })));
    }
}
