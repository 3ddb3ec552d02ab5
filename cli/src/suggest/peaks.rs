//! The highest rate of one client, in three windows; and whether it asks at regular intervals.

use crate::ring::Ring;

/// The windows in which rates are looked at, in seconds.
pub(super) const WINDOWS: [u64; 3] = [10, 60, 3_600];
/// Their names in rates.
pub(super) const NAMES: [&str; 3] = ["10s", "min", "h"];

/// What is remembered of one client at one endpoint.
#[derive(Clone, Debug, Default)]
pub(super) struct Peaks {
    rings: [Ring; 3],
    pub(super) requests: u32,
    rhythm: Rhythm,
}

/// The mean of the intervals, and the sum of the squares of what differs from it.
#[derive(Clone, Debug, Default)]
struct Rhythm {
    last: u64,
    intervals: u32,
    mean: f64,
    squares: f64,
}

impl Peaks {
    /// A request at this moment, in microseconds, which is not before the last one.
    pub(super) fn count(&mut self, time: u64) {
        for (ring, window) in self.rings.iter_mut().zip(WINDOWS) {
            ring.count(time, window);
        }
        self.rhythm.count(time, self.requests > 0);
        self.requests = self.requests.saturating_add(1);
    }

    /// The most requests in each of the windows.
    pub(super) fn most(&self) -> [u32; 3] {
        [0, 1, 2].map(|window| self.rings[window].most())
    }

    /// The interval at which it asks, in seconds, if that is regular.
    pub(super) fn interval(&self) -> Option<f64> {
        let Rhythm { intervals, mean, squares, .. } = self.rhythm;
        let deviation = (squares / f64::from(intervals.max(1))).sqrt();
        (intervals >= 20 && mean >= 0.5 && deviation < mean / 5.0).then_some(mean)
    }
}

impl Rhythm {
    #[allow(clippy::cast_precision_loss)]
    fn count(&mut self, time: u64, has_last: bool) {
        if has_last {
            let interval = time.saturating_sub(self.last) as f64 / 1e6;
            self.intervals = self.intervals.saturating_add(1);
            let off = interval - self.mean;
            self.mean += off / f64::from(self.intervals);
            self.squares += off * (interval - self.mean);
        }
        self.last = time;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MICROS: u64 = 1_000_000;

    #[test]
    fn whoever_polls_has_an_interval() {
        let mut peaks = Peaks::default();
        (0..30).for_each(|number| peaks.count(1_000 * MICROS + number * 5 * MICROS + number % 3 * 100_000));
        assert!(peaks.interval().is_some_and(|interval| (4.9..5.1).contains(&interval)));
        let mut peaks = Peaks::default();
        (0..30).for_each(|number| peaks.count(number * number * MICROS));
        assert_eq!(peaks.interval(), None);
    }

    proptest! {
        #[test]
        fn a_peak_is_told_at_most_a_tenth_too_high_and_never_too_low(
            steps in proptest::collection::vec(prop_oneof![8 => 0_u64..3_000_000, 1 => 0_u64..4_000_000_000], 1..120),
        ) {
            let mut time = 1_000_000_000;
            let times: Vec<u64> = steps.iter().map(|step| { time += step; time }).collect();
            let mut peaks = Peaks::default();
            for time in &times {
                peaks.count(*time);
            }
            for (window, most) in WINDOWS.into_iter().zip(peaks.most()) {
                let within = |length: u64| {
                    let count = |end: &u64| times.iter().filter(|time| **time <= *end && **time + length > *end).count();
                    times.iter().map(count).max().unwrap_or_default()
                };
                let most = usize::try_from(most).unwrap_or_default();
                prop_assert!(most >= within(window * MICROS), "{} in {}", most, window);
                prop_assert!(most <= within(window * MICROS * 11 / 10), "{} in {}", most, window);
            }
        }
    }
}
