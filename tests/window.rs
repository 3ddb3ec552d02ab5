//! The sliding window against a plain log.

use std::time::Duration;

use proptest::prelude::*;
use tollgate::limit::{EXACT_QUOTA, Rate, Verdict, Window};
use tollgate::time::Time;

/// Everything that was admitted: when, and how many units.
#[derive(Default)]
struct Log(Vec<(u64, u32)>);

impl Log {
    /// Units used at `now` if each came back `late` µs after its window.
    fn used(&self, rate: Rate, now: u64, late: u64) -> u64 {
        let lasts = u64::from(rate.window_secs()) * 1_000_000 + late;
        self.0.iter().filter(|(at, _)| at + lasts > now).map(|(_, units)| u64::from(*units)).sum()
    }

    fn admits(&self, rate: Rate, now: u64, late: u64, cost: u32) -> bool {
        self.used(rate, now, late) + u64::from(cost) <= u64::from(rate.quota())
    }
}

fn at(micros: u64) -> Time {
    Time::from_micros(micros)
}

fn steps() -> impl Strategy<Value = Vec<(u64, u32)>> {
    // Steps that often fall exactly on the window's edges and on the marks' steps.
    let step = prop_oneof![
        Just(0),
        1..5_u64,
        (0..130_u64).prop_map(|part| part * 1_000_000 / 64),
        (1..4_u64).prop_map(|seconds| seconds * 1_000_000),
        0..2_000_000_u64
    ];
    prop::collection::vec((step, 1..4_u32), 1..200)
}

proptest! {
    #[test]
    fn up_to_64_it_is_the_log(quota in 3..=EXACT_QUOTA, window in 1..4_u32, steps in steps(), start in 0..9_000_000_u64) {
        let rate = Rate::new(quota, window).unwrap();
        let (mut tested, mut log, mut now) = (Window::default(), Log::default(), start);
        for (step, cost) in steps {
            now += step;
            match tested.check(rate, at(now), cost) {
                Verdict::Admitted { remaining, reset } => {
                    prop_assert!(log.admits(rate, now, 0, cost));
                    tested.take(rate, at(now), cost);
                    log.0.push((now, cost));
                    prop_assert_eq!(u64::from(remaining), u64::from(quota) - log.used(rate, now, 0));
                    let later = now + u64::try_from(reset.as_micros()).unwrap();
                    prop_assert!(log.used(rate, later, 0) < log.used(rate, now, 0), "there is more after `reset`");
                    prop_assert_eq!(log.used(rate, later - 1, 0), log.used(rate, now, 0), "and no earlier");
                }
                Verdict::Denied { wait } => {
                    prop_assert!(!log.admits(rate, now, 0, cost));
                    let later = now + u64::try_from(wait.as_micros()).unwrap();
                    prop_assert!(log.admits(rate, later, 0, cost), "the wait is long enough");
                    prop_assert!(!log.admits(rate, later - 1, 0, cost), "and no longer");
                }
            }
        }
    }

    #[test]
    fn above_64_a_unit_comes_back_late_but_never_early(quota in 65..400_u32, window in 1..4_u32, steps in steps(), start in 0..9_000_000_u64) {
        let rate = Rate::new(quota, window).unwrap();
        let late = u64::from(window) * 1_000_000 / 64;
        let (mut tested, mut log, mut now) = (Window::default(), Log::default(), start);
        for (step, cost) in steps {
            now += step;
            // Costs large enough to reach the quota within a trace.
            let cost = cost * 7;
            match tested.check(rate, at(now), cost) {
                Verdict::Admitted { .. } => {
                    prop_assert!(log.admits(rate, now, 0, cost));
                    tested.take(rate, at(now), cost);
                    log.0.push((now, cost));
                }
                Verdict::Denied { wait } => {
                    prop_assert!(!log.admits(rate, now, late, cost));
                    let ready = at(now) .micros() + u64::try_from(wait.as_micros()).unwrap();
                    prop_assert!(tested.check(rate, at(ready), cost).is_admitted());
                    prop_assert!(!tested.check(rate, at(ready - 1), cost).is_admitted());
                }
            }
        }
    }

    #[test]
    fn what_is_given_back_was_never_taken(quota in 3..=EXACT_QUOTA, steps in steps(), given_back in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let rate = Rate::new(quota, 2).unwrap();
        let (mut tested, mut taken, mut now) = (Window::default(), Vec::new(), 0);
        let mut given_back = given_back.into_iter();
        for (step, cost) in steps {
            now += step;
            if let Some(index) = (step % 3 == 0 && !taken.is_empty()).then(|| given_back.next()).flatten() {
                // Whenever it comes, also long after its window.
                let (mark, _, cost) = taken.swap_remove(index.index(taken.len()));
                tested.give_back(mark, cost);
            }
            let log = Log(taken.iter().map(|(_, at, cost)| (*at, *cost)).collect());
            let verdict = tested.check(rate, at(now), cost);
            prop_assert_eq!(verdict.is_admitted(), log.admits(rate, now, 0, cost));
            if verdict.is_admitted() {
                taken.push((tested.take(rate, at(now), cost), now, cost));
            }
        }
    }

    #[test]
    fn a_clock_that_jumps_locks_nobody_out(quota in 1..200_u32, jumps in prop::collection::vec(0..1_u64 << 50, 1..20)) {
        let rate = Rate::new(quota, 2).unwrap();
        let mut tested = Window::default();
        for now in jumps {
            if tested.check(rate, at(now), 1).is_admitted() {
                tested.take(rate, at(now), 1);
            }
            let three_windows = at(now + 3 * 2_000_000 + 2_000_000 / 64);
            prop_assert!(tested.check(rate, three_windows, 1).is_admitted());
        }
    }
}

#[test]
fn a_unit_comes_back_exactly_one_window_later() {
    let rate: Rate = "1/min".parse().unwrap();
    let mut window = Window::default();
    window.take(rate, at(5), 1);
    let denied = Verdict::Denied { wait: Duration::from_micros(1) };
    assert_eq!(window.check(rate, at(60_000_004), 1), denied);
    let admitted = Verdict::Admitted { remaining: 0, reset: Duration::from_mins(1) };
    assert_eq!(window.check(rate, at(60_000_005), 1), admitted);
}

#[test]
fn a_quota_of_zero_admits_nothing_and_says_a_window() {
    let rate: Rate = "0/min".parse().unwrap();
    let denied = Verdict::Denied { wait: Duration::from_mins(1) };
    assert_eq!(Window::default().check(rate, at(0), 1), denied);
}

#[test]
fn workers_whose_clocks_cross_do_not_gain() {
    let rate: Rate = "2/s".parse().unwrap();
    let mut window = Window::default();
    window.take(rate, at(1_000), 1);
    // This one read the clock earlier but came later.
    let mark = window.take(rate, at(900), 1);
    assert!(!window.check(rate, at(1_000_999), 1).is_admitted());
    assert!(window.check(rate, at(1_001_000), 2).is_admitted());
    // It joined the first one's mark, and is found there.
    assert_eq!(mark, at(1_000));
    window.give_back(mark, 1);
    assert_eq!(window.used(rate, at(1_000)), 1);
}

#[test]
fn what_lies_ahead_after_the_clock_was_set_back_does_not_count() {
    let rate: Rate = "3/s".parse().unwrap();
    let mut window = Window::default();
    window.take(rate, at(1_000_000), 1);
    window.take(rate, at(9_000_000), 1);
    // A window and 1/64 of it ahead is the most that can be.
    assert_eq!(window.used(rate, at(9_000_000 - 1_015_625)), 1);
    assert_eq!(window.used(rate, at(9_000_000 - 1_015_626)), 0);
    // Later marks are gone, not those that still count.
    let mut window = Window::default();
    window.take(rate, at(9_000_000), 1);
    window.take(rate, at(1_000_000), 1);
    let admitted = Verdict::Admitted { remaining: 1, reset: Duration::from_millis(500) };
    assert_eq!(window.check(rate, at(1_500_000), 1), admitted);
    window.take(rate, at(1_500_000), 1);
    assert_eq!(window.used(rate, at(1_500_000)), 2);
    assert_eq!(window.used(rate, at(9_000_000)), 0);
    // Where all marks lie ahead, the next unit is the first.
    window.take(rate, at(9_000_000), 1);
    let admitted = Verdict::Admitted { remaining: 2, reset: Duration::from_secs(1) };
    assert_eq!(window.check(rate, at(2_600_000), 1), admitted);
}

#[test]
fn a_large_quota_takes_65_marks_at_most() {
    let rate: Rate = "1000000/h".parse().unwrap();
    let mut window = Window::default();
    let mut marks = std::collections::HashSet::new();
    for now in (0..3_600_000_000_u64).step_by(1_000_003) {
        marks.insert(window.take(rate, at(now), 1));
    }
    assert_eq!(marks.len(), 65);
}

#[test]
fn the_last_moments_overflow_nothing() {
    for rate in ["1/31d", "1000/31d"] {
        let rate: Rate = rate.parse().unwrap();
        for now in [Time::MAX, at(Time::MAX.micros() - 32 * 86_400 * 1_000_000)] {
            let mut window = Window::default();
            let mark = window.take(rate, now, rate.quota());
            assert!(!window.check(rate, now, 1).is_admitted());
            window.give_back(mark, 1);
            assert_eq!(window.check(rate, now, 1).is_admitted(), mark < Time::MAX || rate.quota() == 1);
        }
    }
}
