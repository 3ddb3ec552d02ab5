//! One client's counters, and how they are written down.

use super::codec::{Reader, put};
use super::{Charge, CounterId};
use crate::bucket::Bucket;
use crate::limit::Counter;
use crate::rate::Rate;
use crate::time::Time;
use crate::window::{Mark, Window};

/// One client's counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    counters: Vec<(CounterId, Counter)>,
}

/// What stands before a counter's own bytes. The values are part of what is stored.
mod kind {
    /// A window whose marks are in microseconds.
    pub(super) const FINE_WINDOW: u8 = 0;
    /// A window whose marks are in steps of its rate.
    pub(super) const STEP_WINDOW: u8 = 1;
    pub(super) const BUCKET: u8 = 2;
}

impl Record {
    /// The counter that this charge is for, under the charge's limit; a new one if there is none yet.
    pub(super) fn counter(&mut self, charge: &Charge) -> &mut Counter {
        let index = self.counters.iter().position(|(id, _)| *id == charge.counter).unwrap_or_else(|| {
            self.counters.push((charge.counter, Counter::new(charge.limit)));
            self.counters.len() - 1
        });
        let counter = &mut self.counters[index].1;
        counter.adopt(charge.limit);
        counter
    }

    /// A counter that is there.
    pub(super) fn existing(&mut self, id: CounterId) -> Option<&mut Counter> {
        self.counters.iter_mut().find(|(found, _)| *found == id).map(|(_, counter)| counter)
    }

    /// How much of its limits this client has used: that of the limit it is closest to, in millionths; 0 when
    /// nothing that was counted matters any more.
    pub(super) fn fill(&self, now: Time) -> u32 {
        self.counters.iter().map(|(_, counter)| counter.fill(now)).max().unwrap_or(0)
    }

    /// Appends the counters that still matter.
    ///
    /// Each is: its id (4 bytes), its kind (1 byte), quota, window in seconds, and then for a window the
    /// number of marks and for each twice the distance from the one before, plus 1 if a number of units other
    /// than 1 follows; for a bucket its burst, time, and what is missing (whole units, then the fraction).
    pub(super) fn encode(&self, now: Time, out: &mut Vec<u8>) {
        for (id, counter) in self.counters.iter().filter(|(_, counter)| counter.fill(now) > 0) {
            out.extend_from_slice(&id.0.to_le_bytes());
            match counter {
                Counter::Window { rate, window } => put_window(out, *rate, window),
                Counter::Bucket { rate, burst, bucket } => put_bucket(out, *rate, *burst, bucket),
            }
        }
    }

    /// Reads what [`Self::encode`] wrote; `None` if it did not write this.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut counters = Vec::with_capacity(4);
        while !reader.is_empty() {
            let id = CounterId(u32::from_le_bytes(*reader.take()?));
            let [kind] = *reader.take()?;
            let rate = Rate::new(reader.small()?, reader.small()?)?;
            let counter = match kind {
                kind::FINE_WINDOW => Counter::Window { rate, window: window(&mut reader, 1)? },
                kind::STEP_WINDOW => {
                    Counter::Window { rate, window: window(&mut reader, Window::step(rate))? }
                }
                kind::BUCKET => bucket(&mut reader, rate)?,
                _ => return None,
            };
            counters.push((id, counter));
        }
        Some(Self { counters })
    }
}

fn put_head(out: &mut Vec<u8>, kind: u8, rate: Rate) {
    out.push(kind);
    put(out, rate.quota().into());
    put(out, rate.window_secs().into());
}

fn put_window(out: &mut Vec<u8>, rate: Rate, window: &Window) {
    let marks = window.marks();
    // After a change of the rate, marks may lie off its steps.
    let step = Window::step(rate);
    let fine = step == 1 || marks.iter().any(|mark| !mark.at.is_multiple_of(step));
    let (kind, step) = if fine { (kind::FINE_WINDOW, 1) } else { (kind::STEP_WINDOW, step) };
    put_head(out, kind, rate);
    put(out, marks.len() as u64);
    let mut before = 0;
    for mark in marks {
        let at = mark.at / step;
        put(out, (at - before) << 1 | u64::from(mark.units != 1));
        if mark.units != 1 {
            put(out, mark.units.into());
        }
        before = at;
    }
}

fn window(reader: &mut Reader, step: u64) -> Option<Window> {
    let count = usize::try_from(reader.number()?).ok()?;
    // Each mark takes a byte at least: a count that lies reserves no memory.
    let mut marks = Vec::with_capacity(count.min(reader.0.len()) + 1);
    let mut before: u64 = 0;
    for _ in 0..count {
        let head = reader.number()?;
        let at = before.checked_add(head >> 1)?;
        let units = if head & 1 == 1 { reader.small()? } else { 1 };
        marks.push(Mark { at: at.checked_mul(step)?, units });
        before = at;
    }
    Window::from_marks(marks)
}

fn put_bucket(out: &mut Vec<u8>, rate: Rate, burst: u32, bucket: &Bucket) {
    let unit = u128::from(rate.window_micros());
    put_head(out, kind::BUCKET, rate);
    put(out, burst.into());
    put(out, bucket.at);
    put(out, u64::try_from(bucket.missing / unit).unwrap_or(u64::MAX));
    put(out, u64::try_from(bucket.missing % unit).unwrap_or(0));
}

fn bucket(reader: &mut Reader, rate: Rate) -> Option<Counter> {
    let burst = reader.small()?;
    let at = Time::from_micros(reader.number()?).micros();
    let missing =
        u128::from(reader.number()?) * u128::from(rate.window_micros()) + u128::from(reader.number()?);
    Some(Counter::Bucket { rate, burst, bucket: Bucket { at, missing } })
}
