//! One client's counters, and how they are written down.

use super::{Charge, CounterId};
use crate::bucket::Bucket;
use crate::codec::{Reader, put};
use crate::limit::Counter;
use crate::marks::Marks;
use crate::rate::Rate;
use crate::time::Time;
use crate::window::Window;

/// One client's counters, and the proof that it is a client at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Until when the application's acceptance of this credential counts.
    pub(super) proved_until: Option<Time>,
    counters: Vec<(CounterId, Counter)>,
}

/// The first byte of each entry. The values are part of what is stored.
mod kind {
    /// A window whose marks are in microseconds.
    pub(super) const FINE_WINDOW: u8 = 0;
    /// A window whose marks are in steps of its rate.
    pub(super) const STEP_WINDOW: u8 = 1;
    pub(super) const BUCKET: u8 = 2;
    /// No counter, but the time until which the client is proved.
    pub(super) const PROOF: u8 = 3;
}

impl Record {
    /// The counter that this charge is for, under the charge's limit; a new one if there is none yet.
    pub(super) fn counter(&mut self, charge: &Charge, now: Time) -> &mut Counter {
        let index = self.counters.iter().position(|(id, _)| *id == charge.counter).unwrap_or_else(|| {
            self.counters.push((charge.counter, Counter::new(charge.limit)));
            self.counters.len() - 1
        });
        let counter = &mut self.counters[index].1;
        counter.adopt(charge.limit, now);
        counter
    }

    /// A counter that is there.
    pub(super) fn existing(&mut self, id: CounterId) -> Option<&mut Counter> {
        self.counters.iter_mut().find(|(found, _)| *found == id).map(|(_, counter)| counter)
    }

    pub(super) fn is_proved(&self, now: Time) -> bool {
        self.proved_until.is_some_and(|until| now < until)
    }

    /// How much of its limits this client has used: that of the limit it is closest to, in millionths; 0 when
    /// nothing that is known of it matters any more. A proof alone is the least that matters.
    pub(super) fn fill(&self, now: Time) -> u32 {
        let used = self.counters.iter().map(|(_, counter)| counter.fill(now)).max().unwrap_or(0);
        used.max(u32::from(self.is_proved(now)))
    }

    /// Appends what still matters.
    ///
    /// A proof is its kind (1 byte) and until when. A counter is its kind, its id (4 bytes), quota, window in
    /// seconds, and then for a window its [`Marks`]; for a bucket its burst, time, and what is missing (whole
    /// units, then the fraction).
    pub(super) fn encode(&self, now: Time, out: &mut Vec<u8>) {
        if let Some(until) = self.proved_until.filter(|_| self.is_proved(now)) {
            out.push(kind::PROOF);
            put(out, until.micros());
        }
        for (id, counter) in self.counters.iter().filter(|(_, counter)| counter.fill(now) > 0) {
            match counter {
                Counter::Window { rate, window } => put_window(out, *id, *rate, window),
                Counter::Bucket { rate, burst, bucket } => put_bucket(out, *id, *rate, *burst, bucket),
            }
        }
    }

    /// Reads what [`Self::encode`] wrote; `None` if it did not write this.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut record = Self { proved_until: None, counters: Vec::with_capacity(4) };
        while !reader.is_empty() {
            let [kind] = *reader.take()?;
            if kind == kind::PROOF {
                record.proved_until = Some(Time::from_micros(reader.number()?));
                continue;
            }
            let id = CounterId(u32::from_le_bytes(*reader.take()?));
            let rate = Rate::new(reader.small()?, reader.small()?)?;
            let counter = match kind {
                kind::FINE_WINDOW => Counter::Window { rate, window: window(&mut reader, rate, 1)? },
                kind::STEP_WINDOW => {
                    Counter::Window { rate, window: window(&mut reader, rate, Window::step(rate))? }
                }
                kind::BUCKET => bucket(&mut reader, rate)?,
                _ => return None,
            };
            record.counters.push((id, counter));
        }
        Some(record)
    }
}

fn put_head(out: &mut Vec<u8>, kind: u8, id: CounterId, rate: Rate) {
    out.push(kind);
    out.extend_from_slice(&id.0.to_le_bytes());
    put(out, rate.quota().into());
    put(out, rate.window_secs().into());
}

fn put_window(out: &mut Vec<u8>, id: CounterId, rate: Rate, window: &Window) {
    // After a change of the rate, marks may lie off its steps.
    let kind = if window.marks().step() == 1 { kind::FINE_WINDOW } else { kind::STEP_WINDOW };
    put_head(out, kind, id, rate);
    window.marks().encode(out);
}

fn window(reader: &mut Reader, rate: Rate, step: u64) -> Option<Window> {
    // After a change of the rate, marks in microseconds were rounded to its steps all the same.
    Marks::decode(reader, step, rate.window_micros() + Window::step(rate)).map(Window::of)
}

fn put_bucket(out: &mut Vec<u8>, id: CounterId, rate: Rate, burst: u32, bucket: &Bucket) {
    let unit = u128::from(rate.window_micros());
    put_head(out, kind::BUCKET, id, rate);
    put(out, burst.into());
    put(out, bucket.at);
    put(out, u64::try_from(bucket.amount() / unit).unwrap_or(u64::MAX));
    put(out, u64::try_from(bucket.amount() % unit).unwrap_or(0));
}

fn bucket(reader: &mut Reader, rate: Rate) -> Option<Counter> {
    let burst = reader.small()?;
    let at = Time::from_micros(reader.number()?);
    let missing =
        u128::from(reader.number()?) * u128::from(rate.window_micros()) + u128::from(reader.number()?);
    Some(Counter::Bucket { rate, burst, bucket: Bucket::with_missing(at, missing) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{Algorithm, Limit};
    use crate::store::Fingerprint;

    fn charge(counter: u32, limit: Limit) -> Charge {
        let client = Fingerprint::from_bytes([0; 16]);
        Charge { client, counter: CounterId(counter), limit, cost: 1, scope: 0, enforced: true }
    }

    /// A record with everything that can stand in one.
    fn record(now: Time) -> Record {
        let window = |rate: &str| Limit::sliding_window(rate.parse().expect(rate));
        let bucket = Limit { algorithm: Algorithm::TokenBucket { burst: 9 }, ..window("7/min") };
        let mut record =
            Record { proved_until: Some(Time::from_micros(now.micros() + 9)), ..Record::default() };
        for (counter, limit) in
            [(1, window("5/s")), (2, window("1000/h")), (3, bucket), (4, window("64/31d"))]
        {
            let counter = record.counter(&charge(counter, limit), now);
            counter.take(now, 1);
            counter.take(Time::from_micros(now.micros() + 900_001), 300);
        }
        record
    }

    #[test]
    fn what_is_written_reads_back() {
        for now in [0, 1, 99_999_999_999, Time::MAX.micros() / 2] {
            let now = Time::from_micros(now);
            let record = record(now);
            let mut bytes = Vec::new();
            record.encode(now, &mut bytes);
            assert_eq!(Record::decode(&bytes), Some(record));
            for cut in 1..bytes.len() {
                assert!(Record::decode(&bytes[..cut]).is_none_or(|part| part.counters.len() < 4));
            }
        }
    }

    #[test]
    fn a_counter_that_goes_on_under_another_rate_reads_back_before_it_takes() {
        let now = Time::from_micros(3_000_000_000);
        let limit = |rate: &str| Limit::sliding_window(rate.parse().expect(rate));
        for (old, new) in
            [("100/s", "9/min"), ("9/min", "100/s"), ("100/s", "101/min"), ("65/min", "100/min")]
        {
            let mut record = Record::default();
            record.counter(&charge(1, limit(old)), now).take(now, 1);
            record.counter(&charge(1, limit(new)), now);
            let mut bytes = Vec::new();
            record.encode(now, &mut bytes);
            assert_eq!(Record::decode(&bytes), Some(record), "{old} to {new}");
        }
    }

    #[test]
    fn a_counter_that_goes_on_under_a_far_shorter_window_reads_back_before_it_takes() {
        let limit = |rate: &str| Limit::sliding_window(rate.parse().expect(rate));
        let mut record = Record::default();
        let mut now = Time::default();
        for minute in 0..60 {
            now = Time::from_micros(minute * 60_000_000);
            record.counter(&charge(1, limit("1000/h")), now).take(now, 1);
        }
        record.counter(&charge(1, limit("65/10s")), now);
        let mut bytes = Vec::new();
        record.encode(now, &mut bytes);
        assert_eq!(Record::decode(&bytes), Some(record));
    }

    #[test]
    fn what_no_longer_matters_is_not_written() {
        let now = Time::from_micros(5);
        let later = Time::from_micros(86_400 * 1_000_000 * 40);
        let mut bytes = Vec::new();
        record(now).encode(later, &mut bytes);
        assert_eq!(bytes, b"");
    }

    #[test]
    fn a_proof_alone_is_the_least_that_matters() {
        let proved = Record { proved_until: Some(Time::from_micros(10)), ..Record::default() };
        assert_eq!(proved.fill(Time::from_micros(9)), 1);
        assert_eq!(proved.fill(Time::from_micros(10)), 0);
    }
}
