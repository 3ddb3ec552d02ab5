//! The token bucket against one that is filled microsecond by microsecond.

use std::time::Duration;

use proptest::prelude::*;
use tollgate::limit::{Bucket, Rate, Verdict};
use tollgate::time::Time;

/// The level in fractions of a unit, of which `quota` flow in each microsecond, up to the burst.
struct Level {
    rate: Rate,
    burst: u32,
    now: u128,
}

impl Level {
    fn unit(&self) -> u128 {
        u128::from(self.rate.window_secs()) * 1_000_000
    }

    fn full(rate: Rate, burst: u32) -> Self {
        let mut level = Self { rate, burst, now: 0 };
        level.now = u128::from(burst) * level.unit();
        level
    }

    fn pass(&mut self, micros: u64) {
        let full = u128::from(self.burst) * self.unit();
        self.now = full.min(self.now + u128::from(micros) * u128::from(self.rate.quota()));
    }

    fn take(&mut self, cost: u32) -> bool {
        let cost = u128::from(cost) * self.unit();
        let enough = self.now >= cost;
        if enough {
            self.now -= cost;
        }
        enough
    }
}

fn at(micros: u64) -> Time {
    Time::from_micros(micros)
}

fn steps() -> impl Strategy<Value = Vec<(u64, u32)>> {
    let step =
        prop_oneof![Just(0), 1..9_u64, 0..300_000_u64, (0..3_u64).prop_map(|seconds| seconds * 1_000_000)];
    prop::collection::vec((step, 1..4_u32), 1..200)
}

proptest! {
    #[test]
    fn it_is_the_bucket_filled_drop_by_drop(quota in 1..50_u32, window in 1..8_u32, burst in 3..20_u32, steps in steps()) {
        let rate = Rate::new(quota, window).unwrap();
        let (mut tested, mut level, mut now) = (Bucket::default(), Level::full(rate, burst), 0);
        for (step, cost) in steps {
            now += step;
            level.pass(step);
            match tested.check(rate, burst, at(now), cost) {
                Verdict::Admitted { remaining, reset } => {
                    prop_assert!(level.take(cost));
                    tested.take(rate, burst, at(now), cost);
                    prop_assert_eq!(u128::from(remaining), level.now / level.unit());
                    let reset = u128::from(quota) * reset.as_micros();
                    let missing = level.unit() - level.now % level.unit();
                    prop_assert!(reset >= missing && reset - missing < u128::from(quota), "the next whole unit");
                }
                Verdict::Denied { wait } => {
                    prop_assert!(!level.take(cost));
                    let ready = now + u64::try_from(wait.as_micros()).unwrap();
                    prop_assert!(tested.check(rate, burst, at(ready), cost).is_admitted(), "long enough");
                    prop_assert!(!tested.check(rate, burst, at(ready - 1), cost).is_admitted(), "and no longer");
                }
            }
        }
    }

    #[test]
    fn what_is_given_back_never_makes_more_than_was_there(quota in 1..50_u32, burst in 3..20_u32, steps in steps(), given_back in prop::collection::vec(any::<bool>(), 200)) {
        // Beside the tested bucket runs one that the units given back were never taken from.
        let rate = Rate::new(quota, 2).unwrap();
        let (mut tested, mut without, mut now) = (Bucket::default(), Bucket::default(), 0);
        let mut pending = Vec::new();
        for ((step, cost), give_back) in steps.into_iter().zip(given_back) {
            now += step;
            if tested.check(rate, burst, at(now), cost).is_admitted() {
                let mark = tested.take(rate, burst, at(now), cost);
                if give_back { pending.push((mark, cost)) } else { without.take(rate, burst, at(now), cost); }
            }
            if step % 2 == 0 {
                for (mark, cost) in pending.drain(..) {
                    tested.give_back(rate, mark, at(now), cost);
                }
                let spare = |bucket: &Bucket| (1..=burst).filter(|cost| bucket.check(rate, burst, at(now), *cost).is_admitted()).count();
                prop_assert!(spare(&tested) <= spare(&without));
            }
        }
    }

    #[test]
    fn a_clock_that_jumps_locks_nobody_out(quota in 1..50_u32, burst in 1..9_u32, jumps in prop::collection::vec(0..1_u64 << 50, 1..20)) {
        let rate = Rate::new(quota, 2).unwrap();
        let mut tested = Bucket::default();
        for now in jumps {
            if tested.check(rate, burst, at(now), 1).is_admitted() {
                tested.take(rate, burst, at(now), 1);
            }
            let refilled = at(now + 2_000_000 + 2_000_000 * u64::from(burst).div_ceil(quota.into()));
            prop_assert!(tested.check(rate, burst, refilled, 1).is_admitted());
        }
    }
}

#[test]
fn units_come_back_one_by_one() {
    let rate: Rate = "60/min".parse().unwrap();
    let mut bucket = Bucket::default();
    for left in (0..3).rev() {
        let Verdict::Admitted { remaining, .. } = bucket.check(rate, 3, at(0), 1) else {
            panic!("a full bucket")
        };
        assert_eq!(remaining, left);
        bucket.take(rate, 3, at(0), 1);
    }
    assert_eq!(bucket.check(rate, 3, at(0), 1), Verdict::Denied { wait: Duration::from_secs(1) });
    assert_eq!(bucket.check(rate, 3, at(250_000), 1), Verdict::Denied { wait: Duration::from_millis(750) });
    let reset = Duration::from_secs(1);
    assert_eq!(bucket.check(rate, 3, at(1_000_000), 1), Verdict::Admitted { remaining: 0, reset });
}

#[test]
fn units_given_back_at_once_are_all_there() {
    let rate: Rate = "1/h".parse().unwrap();
    let mut bucket = Bucket::default();
    let mark = bucket.take(rate, 5, at(7), 5);
    bucket.give_back(rate, mark, at(7), 5);
    assert!(bucket.check(rate, 5, at(7), 5).is_admitted());
}

#[test]
fn the_largest_numbers_overflow_nothing() {
    let rate: Rate = "4294967295/31d".parse().unwrap();
    let mut bucket = Bucket::default();
    let mark = bucket.take(rate, u32::MAX, Time::MAX, u32::MAX);
    assert!(!bucket.check(rate, u32::MAX, Time::MAX, 1).is_admitted());
    bucket.give_back(rate, mark, Time::MAX, u32::MAX);
    assert!(bucket.check(rate, u32::MAX, Time::MAX, u32::MAX).is_admitted());
    let slow: Rate = "1/31d".parse().unwrap();
    let mut bucket = Bucket::default();
    bucket.take(slow, u32::MAX, at(0), u32::MAX);
    assert!(matches!(bucket.check(slow, u32::MAX, at(0), u32::MAX), Verdict::Denied { .. }));
}

#[test]
fn under_one_quota_a_bucket_misses_what_was_taken_under_its_largest_burst() {
    let rate: Rate = "60/h".parse().expect("a rate");
    let mut bucket = Bucket::default();
    for _ in 0..20 {
        bucket.take(rate, 20, Time::default(), 1);
    }
    let now = Time::from_micros(660_000_000);
    assert!(bucket.check(rate, 10, now, 1).is_admitted(), "nine of twenty are missing");
    bucket.take(rate, 10, now, 1);
    assert!(!bucket.check(rate, 10, now, 1).is_admitted(), "ten are");
    assert!(matches!(bucket.check(rate, 20, now, 1), Verdict::Admitted { remaining: 9, .. }));
}

#[test]
fn under_a_large_burst_what_is_taken_within_a_64th_of_the_window_is_given_back_as_one() {
    let rate: Rate = "1000/h".parse().expect("a rate");
    let mut bucket = Bucket::default();
    let at = |millis: u64| Time::from_micros(1_000_000_000 + 1_000 * millis);
    let marks: Vec<Time> = (0..200).map(|millis| bucket.take(rate, 1_000, at(millis), 1)).collect();
    for mark in marks {
        bucket.give_back(rate, mark, at(200), 1);
    }
    assert!(matches!(bucket.check(rate, 1_000, at(200), 1), Verdict::Admitted { remaining: 999, .. }));
}

#[test]
fn under_a_large_burst_what_is_taken_further_apart_is_given_back_exactly() {
    let rate: Rate = "1000/h".parse().expect("a rate");
    let mut bucket = Bucket::default();
    let marks = [0, 60, 600].map(|second| bucket.take(rate, 1_000, at(second * 1_000_000), 100));
    bucket.give_back(rate, marks[2], at(600_000_000), 100);
    // 200 were taken and stay; ten minutes have let a sixth of 1,000 in.
    let verdict = bucket.check(rate, 1_000, at(600_000_000), 1);
    assert!(matches!(verdict, Verdict::Admitted { remaining: 965, .. }), "{verdict:?}");
}

#[test]
fn more_than_the_burst_never_passes_and_waits_a_window() {
    let rate: Rate = "60/min".parse().expect("a rate");
    let mut bucket = Bucket::default();
    assert_eq!(bucket.check(rate, 3, at(0), 4), Verdict::Denied { wait: rate.window() });
    bucket.take(rate, 3, at(0), 2);
    assert_eq!(bucket.check(rate, 3, at(0), 4), Verdict::Denied { wait: rate.window() });
    assert_eq!(bucket.check(rate, 3, at(0), 3), Verdict::Denied { wait: Duration::from_secs(2) });
}

#[test]
fn workers_whose_clocks_cross_do_not_gain() {
    let rate: Rate = "1/s".parse().expect("a rate");
    let mut bucket = Bucket::default();
    bucket.take(rate, 2, at(1_000_000), 1);
    // This one read the clock earlier but came later.
    assert_eq!(bucket.take(rate, 2, at(500_000), 1), at(1_000_000));
    assert!(!bucket.check(rate, 2, at(1_999_999), 1).is_admitted());
    assert!(bucket.check(rate, 2, at(2_000_000), 1).is_admitted());
}

#[test]
fn what_lies_ahead_after_the_clock_was_set_back_does_not_count() {
    let rate: Rate = "3/s".parse().expect("a rate");
    let remaining = |bucket: &Bucket, now| match bucket.check(rate, 3, at(now), 1) {
        Verdict::Admitted { remaining, .. } => remaining,
        Verdict::Denied { .. } => 0,
    };
    let mut bucket = Bucket::default();
    bucket.take(rate, 3, at(9_000_000), 2);
    // A window ahead is the most that can be.
    assert_eq!(remaining(&bucket, 8_000_000), 0);
    assert_eq!(remaining(&bucket, 7_999_999), 2);
    bucket.take(rate, 3, at(8_000_000), 1);
    assert_eq!(remaining(&bucket, 9_000_000), 0);
    bucket.take(rate, 3, at(7_999_999), 1);
    assert_eq!(remaining(&bucket, 7_999_999), 1);
}

#[test]
fn a_full_bucket_begins_anew_on_a_clock_that_was_set_back() {
    let rate: Rate = "60/min".parse().expect("a rate");
    let mut bucket = Bucket::default();
    let mark = bucket.take(rate, 3, at(10_000_000), 1);
    bucket.give_back(rate, mark, at(10_000_000), 1);
    bucket.take(rate, 3, at(5_000_000), 3);
    assert!(!bucket.check(rate, 3, at(7_999_999), 3).is_admitted());
    assert!(bucket.check(rate, 3, at(8_000_000), 3).is_admitted(), "one flows in each second from then on");
}

#[test]
fn a_larger_burst_that_comes_later_counts_for_the_smaller_one() {
    let rate: Rate = "60/min".parse().expect("a rate");
    let mut bucket = Bucket::default();
    bucket.take(rate, 3, at(0), 1);
    bucket.take(rate, 10, at(0), 9);
    assert!(!bucket.check(rate, 3, at(7_999_999), 1).is_admitted(), "three of ten and more are missing");
    assert!(bucket.check(rate, 3, at(8_000_000), 1).is_admitted());
}

/// What was taken before the 64 marks of the log.
mod older_than_the_log {
    use super::*;

    /// Takes units of this rate, one each second, after `cost` in the first one.
    fn flowing(bucket: &mut Bucket, rate: Rate, cost: u32, seconds: u64) -> Vec<Time> {
        let cost = |second| if second == 0 { cost } else { 1 };
        (0..seconds).map(|second| bucket.take(rate, 10, at(second * 1_000_000), cost(second))).collect()
    }

    fn remaining(bucket: &Bucket, rate: Rate, burst: u32, seconds: u64) -> u32 {
        match bucket.check(rate, burst, at(seconds * 1_000_000), 1) {
            Verdict::Admitted { remaining, .. } => remaining,
            Verdict::Denied { .. } => panic!("denied"),
        }
    }

    #[test]
    fn is_given_back_less_what_has_flowed_in_up_to_the_log() {
        let rate: Rate = "1/s".parse().expect("a rate");
        // With 65 marks the first one is the time at which the log begins; with 66 a unit has flowed in up to there.
        for (seconds, left) in [(65, 8), (66, 8), (67, 7), (68, 6), (69, 6)] {
            let mut bucket = Bucket::default();
            let marks = flowing(&mut bucket, rate, 3, seconds);
            assert_eq!(remaining(&bucket, rate, 10, seconds - 1), 6);
            bucket.give_back(rate, marks[0], at((seconds - 1) * 1_000_000), 3);
            assert_eq!(remaining(&bucket, rate, 10, seconds - 1), left, "{seconds}");
        }
    }

    #[test]
    fn counts_for_a_larger_burst_as_for_its_own_rate() {
        let [slow, fast]: [Rate; 2] = ["1/s", "2/s"].map(|rate| rate.parse().expect(rate));
        let mut bucket = Bucket::default();
        bucket.take(fast, 10, at(0), 1);
        flowing(&mut bucket, slow, 5, 70);
        for (rate, missing) in [(slow, 6), (fast, 1)] {
            assert_eq!(remaining(&bucket, rate, 10, 69), 9 - missing);
            assert_eq!(remaining(&bucket, rate, 20, 69), 19 - missing);
        }
    }
}
