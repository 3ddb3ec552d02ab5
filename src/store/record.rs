//! One client's counters, and how they are written down.

use std::time::Duration;

use super::{Charge, CounterId, Fingerprint, Seen, Taken, Watched};
use crate::limit::{Bucket, Counter, Marks, Rate, Verdict, Window};
use crate::time::Time;
use crate::varint::{Reader, put};

/// One client's counters, and the proof that it is a client at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Until when the application's acceptance of this credential counts.
    proved_until: Option<Time>,
    counters: Vec<(CounterId, Counter)>,
}

/// The first byte of each entry. The values are part of what is stored.
mod kind {
    /// A window whose marks are in microseconds.
    pub(super) const FINE_WINDOW: u8 = 0;
    /// A window whose marks are in 64ths of it.
    pub(super) const COARSE_WINDOW: u8 = 1;
    pub(super) const BUCKET: u8 = 2;
    /// No counter, but the time until which the client is proved.
    pub(super) const PROOF: u8 = 3;
}

impl Record {
    /// What this charge would be answered. Nothing is taken.
    pub(super) fn check(&self, charge: &Charge, now: Time) -> Verdict {
        let mut of_charge = self.counters.iter().filter(|(id, _)| *id == charge.counter);
        let known = of_charge.find_map(|(_, counter)| counter.check(charge.limit, now, charge.cost));
        known.unwrap_or_else(|| Counter::check_new(charge.limit, now, charge.cost))
    }

    /// Takes this charge. The mark that comes back is what [`Self::give_back`] needs.
    pub(super) fn take(&mut self, charge: &Charge, now: Time) -> Time {
        self.counter(charge).take(now, charge.cost)
    }

    /// Gives back what was taken, as far as time has not given it back already. Returns whether that changed anything.
    pub(super) fn give_back(&mut self, taken: &Taken, now: Time) -> bool {
        let counter = self.counters.iter_mut().find(|(found, _)| *found == taken.counter);
        counter.is_some_and(|(_, counter)| counter.give_back(taken.mark, now, taken.cost))
    }

    /// The counter that this charge is for, judged by the charge's limit; a new one if there is none yet.
    fn counter(&mut self, charge: &Charge) -> &mut Counter {
        // An id is a hash: limits of two scopes may share one, in policies that do not know of each other.
        let mut of_limit = |(id, counter): &mut (CounterId, Counter)| {
            *id == charge.counter && counter.goes_under(charge.limit)
        };
        let index = self.counters.iter_mut().position(&mut of_limit).unwrap_or_else(|| {
            self.counters.push((charge.counter, Counter::new(charge.limit)));
            self.counters.len() - 1
        });
        &mut self.counters[index].1
    }

    /// The application has accepted this client, which counts until then. Returns whether that is news.
    pub(super) fn prove(&mut self, until: Time) -> bool {
        let is_news = self.proved_until < Some(until);
        self.proved_until = self.proved_until.max(Some(until));
        is_news
    }

    /// For how long the application's acceptance of this client counts yet; `None` if it does not.
    pub(super) fn proved_for(&self, now: Time) -> Option<Duration> {
        self.proved_until.filter(|until| now < *until).map(|until| until.since(now))
    }

    /// How much of its limits this client has used: that of the limit it is closest to, in millionths; 0 when
    /// nothing that is known of it matters any more. A proof alone is the least that matters.
    pub(super) fn fill(&self, now: Time) -> u32 {
        self.used(now).max(u32::from(self.proved_for(now).is_some()))
    }

    /// Whether anything that is known of this client matters yet.
    pub(super) fn matters(&self, now: Time) -> bool {
        self.proved_for(now).is_some() || self.counters.iter().any(|(_, counter)| counter.matters(now))
    }

    /// Lets go of what no longer matters, as [`Self::encode`] does.
    pub(super) fn prune(&mut self, now: Time) {
        self.proved_until = self.proved_until.filter(|until| now < *until);
        self.counters.retain(|(_, counter)| counter.matters(now));
    }

    /// Whether nothing is known of the client.
    pub(super) const fn is_empty(&self) -> bool {
        self.proved_until.is_none() && self.counters.is_empty()
    }

    /// Makes room for so many counters of a client of whom nothing is known.
    pub(super) fn make_room(&mut self, counters: usize) {
        if self.counters.is_empty() {
            self.counters.reserve_exact(counters);
        }
    }

    /// Until when the application's acceptance of this client counts.
    pub(super) const fn proved_until(&self) -> Option<Time> {
        self.proved_until
    }

    /// Nothing is known of the client any more. Returns whether anything was.
    pub(super) fn forget(&mut self) -> bool {
        let before = std::mem::take(self);
        before != Self::default()
    }

    /// What these limits would say to one unit more, for those that count the client now.
    pub(super) fn seen(&self, client: Fingerprint, watched: &[Watched], now: Time) -> Seen {
        let mut standings = Vec::new();
        for (id, counter) in self.counters.iter().filter(|(_, counter)| counter.matters(now)) {
            for (place, Watched { limit, .. }) in
                watched.iter().enumerate().filter(|(_, watched)| watched.counter == *id)
            {
                standings.extend(counter.check(*limit, now, 1).map(|verdict| (place, verdict)));
            }
        }
        standings.sort_unstable_by_key(|(place, _)| *place);
        Seen { client, proved_for: self.proved_for(now), standings }
    }

    fn used(&self, now: Time) -> u32 {
        self.counters.iter().map(|(_, counter)| counter.fill(now)).max().unwrap_or(0)
    }

    /// Appends what still matters.
    ///
    /// A proof is its kind (1 byte) and until when. A counter is its kind, its id (4 bytes), the quota that it was last
    /// judged by and the window in seconds, and then for a window its [`Marks`]; for a bucket the burst and the
    /// [`Bucket`].
    pub(super) fn encode(&self, now: Time, out: &mut Vec<u8>) {
        if let Some(until) = self.proved_until.filter(|until| now < *until) {
            out.push(kind::PROOF);
            put(out, until.micros());
        }
        for (id, counter) in self.counters.iter().filter(|(_, counter)| counter.matters(now)) {
            match counter {
                Counter::Window { rate, window } => {
                    let is_fine = window.marks().step() == 1;
                    put_head(out, if is_fine { kind::FINE_WINDOW } else { kind::COARSE_WINDOW }, *id, *rate);
                    window.marks().encode(out);
                }
                Counter::Bucket { rate, burst, bucket } => {
                    put_head(out, kind::BUCKET, *id, *rate);
                    put(out, (*burst).into());
                    bucket.encode(*rate, out);
                }
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
                kind::FINE_WINDOW => window(&mut reader, rate, 1)?,
                kind::COARSE_WINDOW => window(&mut reader, rate, Window::coarse_step(rate))?,
                kind::BUCKET => {
                    let burst = reader.small()?;
                    Counter::Bucket { rate, burst, bucket: Bucket::decode(&mut reader, rate)? }
                }
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

fn window(reader: &mut Reader, rate: Rate, step: u64) -> Option<Counter> {
    let marks = Marks::decode(reader, step, rate.window_micros())?;
    Some(Counter::Window { rate, window: Window::of(marks) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::{Algorithm, Limit};
    use crate::store::{Fingerprint, Stays};

    fn charge(counter: u32, limit: Limit) -> Charge {
        let client = Fingerprint::from_bytes([0; 16]);
        let (counter, stays) = (CounterId(counter), Stays::Always);
        Charge { client, counter, limit, cost: 1, scope: 0, enforced: true, stays }
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
            let counter = record.counter(&charge(counter, limit));
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
    fn one_counter_reads_back_whichever_quotas_it_was_charged_under() {
        let limit = |rate: &str| Limit::sliding_window(rate.parse().expect(rate));
        let bucket = |rate: &str, burst| Limit { algorithm: Algorithm::TokenBucket { burst }, ..limit(rate) };
        for (one, other) in [
            (limit("9/min"), limit("100/min")),
            (limit("65/31d"), limit("1000000/31d")),
            (limit("0/s"), limit("4294967295/s")),
            (bucket("9/min", 3), bucket("100000/min", 200_000)),
        ] {
            let (mut record, mut now) = (Record::default(), Time::from_micros(3_000_000_000));
            for turn in 0..500 {
                now = now.after(Duration::from_millis(37 * (turn % 9)));
                let limit = if turn % 3 == 0 { one } else { other };
                record.counter(&charge(1, limit)).take(now, 1);
                let mut bytes = Vec::new();
                record.encode(now, &mut bytes);
                let read = Record::decode(&bytes).expect("it reads back");
                assert!(read == record || record.fill(now) == 0, "{one:?} {other:?} {turn}");
            }
            assert_eq!(record.counters.len(), 1);
        }
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
    fn as_much_is_used_as_of_the_limit_that_is_closest_to_its_end() {
        let mut record = Record::default();
        for (counter, cost) in [(1, 3), (2, 5), (3, 1)] {
            let limit = Limit::sliding_window("10/s".parse().expect("a rate"));
            record.counter(&charge(counter, limit)).take(Time::default(), cost);
        }
        assert_eq!(record.fill(Time::from_micros(1)), 500_000);
    }

    #[test]
    fn a_proof_alone_is_the_least_that_matters() {
        let proved = Record { proved_until: Some(Time::from_micros(10)), ..Record::default() };
        assert_eq!(proved.fill(Time::from_micros(9)), 1);
        assert_eq!(proved.fill(Time::from_micros(10)), 0);
        for (now, is_written) in [(9, true), (10, false)] {
            let mut bytes = Vec::new();
            proved.encode(Time::from_micros(now), &mut bytes);
            assert_eq!(!bytes.is_empty(), is_written, "{now}");
        }
    }
}
