//! Stops asking a Redis that fails, and tries again.

use std::time::Duration;

use crate::time::Time;

/// So many failures in a row open it.
const ENOUGH: u32 = 3;
/// How long it stays open at first, and at most. Each time that fails again doubles it.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);

/// A circuit breaker. Closed, everybody may ask. Open, nobody may, until its time is over; then one tries, and that decides: those
/// that come meanwhile wait for it.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    failures: u32,
    /// How long it will stay open next time.
    backoff: Duration,
    random: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Time },
    Probing,
}

impl Breaker {
    /// A closed breaker. The seed, any number, makes its times differ from those of others, so that they do not
    /// all try again at once.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: State::Closed, failures: 0, backoff: SHORTEST, random: seed }
    }

    /// Whether a request may ask at `now`: at once, or once it is known what has come of the one that tries.
    pub fn admits(&mut self, now: Time) -> bool {
        self.tries(now);
        !matches!(self.state, State::Open { .. })
    }

    /// If it is open and its time is over, one may try now.
    pub fn tries(&mut self, now: Time) {
        if matches!(self.state, State::Open { until } if now >= until) {
            self.state = State::Probing;
        }
    }

    /// Whether one tries.
    #[must_use]
    pub fn is_probing(&self) -> bool {
        self.state == State::Probing
    }

    /// Whether everybody may ask.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Redis has answered. Returns whether the breaker is closed only now.
    pub fn succeeded(&mut self) -> bool {
        let closes = !self.is_closed();
        (self.state, self.failures, self.backoff) = (State::Closed, 0, SHORTEST);
        closes
    }

    /// Redis has failed. Returns whether the breaker is open now.
    pub fn failed(&mut self, now: Time) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < ENOUGH {
            return false;
        }
        self.state = State::Open { until: now.after(self.jittered()) };
        self.backoff = (self.backoff * 2).min(LONGEST);
        true
    }

    /// The backoff, give or take a quarter.
    fn jittered(&mut self) -> Duration {
        // Knuth's generator for MMIX.
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let thousandths = u32::try_from(self.random % 1_000).unwrap_or(0);
        self.backoff * 3 / 4 + self.backoff * thousandths / 2_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1_000)
    }

    #[test]
    fn it_opens_after_three_failures_in_a_row() {
        let mut breaker = Breaker::new(1);
        for _ in 0..2 {
            assert!(!breaker.failed(at(0)) && !breaker.failed(at(0)));
            breaker.succeeded();
        }
        assert!(!breaker.failed(at(0)) && !breaker.failed(at(0)));
        assert!(breaker.admits(at(0)));
        assert!(breaker.failed(at(0)));
        assert!(!breaker.admits(at(0)));
    }

    #[test]
    fn one_tries_again_and_decides() {
        let mut breaker = Breaker::new(1);
        while !breaker.failed(at(0)) {}
        assert!(!breaker.admits(at(74)) && !breaker.is_probing(), "too early");
        assert!(breaker.admits(at(126)) && breaker.is_probing());
        assert!(breaker.admits(at(126)), "others wait for it");
        assert!(breaker.failed(at(150)), "it takes but one failure now");
        assert!(!breaker.admits(at(150 + 149)), "and twice the time");
        breaker.tries(at(150 + 251));
        assert!(breaker.is_probing() && !breaker.is_closed());
        assert!(breaker.succeeded() && !breaker.succeeded());
        assert!(breaker.admits(at(402)) && breaker.is_closed());
        assert!(!breaker.failed(at(402)), "everything is as it was");
        assert!(!breaker.failed(at(402)) && breaker.failed(at(402)));
        assert!(!breaker.admits(at(402 + 74)), "the first time again");
        assert!(breaker.admits(at(402 + 126)));
    }

    #[test]
    fn it_is_open_until_its_time_is_over() {
        let mut breaker = Breaker::new(1);
        while !breaker.failed(at(0)) {}
        let State::Open { until } = breaker.state else { panic!("open") };
        assert!(!breaker.admits(Time::from_micros(until.micros() - 1)));
        assert!(breaker.admits(until));
    }

    #[test]
    fn the_time_between_is_bounded_and_differs() {
        let open = |breaker: &mut Breaker| {
            breaker.failed(at(0));
            (0..3_000).find(|millis| breaker.admits(at(*millis))).expect("at last")
        };
        // From breaker to breaker, and each time anew.
        let of_many = (0..50).map(|seed| {
            let mut breaker = Breaker::new(seed);
            (0..40).for_each(|_| {
                breaker.failed(at(0));
            });
            open(&mut breaker)
        });
        let mut breaker = Breaker::new(0);
        let of_one = (0..70).map(|_| open(&mut breaker)).skip(20);
        for times in [of_many.collect::<Vec<_>>(), of_one.collect()] {
            assert!(times.iter().all(|open| (1_500..=2_500).contains(open)), "{times:?}");
            assert!(times.iter().any(|open| *open < 1_750) && times.iter().any(|open| *open > 2_250));
            let different: std::collections::HashSet<_> = times.iter().collect();
            assert!(different.len() > 40, "{times:?}");
        }
    }
}
