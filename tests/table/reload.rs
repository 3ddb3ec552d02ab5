//! One counter under several policies: one after the other, or side by side.

use tollgate::limit::Limit;
use tollgate::store::{Charge, CounterId, Counters};

use super::{admitted, bucket, charge, limit, room, seconds, table};

/// A unit of this limit of the scope `scope`, as the policy names its counter.
fn of(limit: Limit) -> Charge {
    Charge { counter: CounterId::of("scope", limit), ..charge(1, 0, limit) }
}

/// What is admitted in a row of this limit.
fn admits(table: &impl Counters, limit: Limit, second: u64) -> usize {
    room(table, of(limit), seconds(second))
}

#[test]
fn another_quota_keeps_what_was_counted() {
    for (before, after, left) in [
        ("10/min", "15/min", 5),
        ("10/min", "5/min", 0),
        ("10/min", "100/min", 90),
        ("100/min", "110/min", 10),
        ("100/min", "30/min", 0),
        ("100/31d", "65/31d", 0),
    ] {
        let table = table(64);
        assert_eq!(admits(&table, limit(before), 0), limit(before).rate.quota() as usize);
        assert_eq!(admits(&table, limit(after), 1), left, "{before} {after}");
    }
}

#[test]
fn another_window_is_another_limit_and_the_first_one_goes_on() {
    for (one, other) in
        [("5/h", "5/s"), ("100/31d", "100/h"), ("1000/h", "60/min"), ("1000/d", "20/min"), ("10/min", "12/h")]
    {
        let table = table(64);
        let (one, other) = (limit(one), limit(other));
        assert_eq!(admits(&table, one, 0), one.rate.quota() as usize);
        assert_eq!(admits(&table, other, 0), other.rate.quota() as usize);
        assert_eq!(admits(&table, one, 0), 0, "{one:?} does not begin anew");
        let sooner = one.rate.window_secs().min(other.rate.window_secs());
        let later = one.rate.window_secs().max(other.rate.window_secs());
        // With the marks' rounding.
        let over = u64::from(sooner) + u64::from(sooner) / 64 + 1;
        let (short, long) = if one.rate.window_secs() == sooner { (one, other) } else { (other, one) };
        assert_eq!(admits(&table, short, over), short.rate.quota() as usize);
        assert_eq!(admits(&table, long, over), 0);
        let over = u64::from(later) + u64::from(later) / 64 + 1;
        assert_eq!(admits(&table, long, over), long.rate.quota() as usize);
    }
}

#[test]
fn a_window_and_a_bucket_of_one_scope_stand_side_by_side() {
    let table = table(64);
    let (window, bucket) = (limit("3/h"), bucket("1/h", 2));
    let (mut of_window, mut of_bucket) = (0, 0);
    for _ in 0..1_000 {
        of_window += usize::from(admitted(&table, &[of(window)], seconds(0)));
        of_bucket += usize::from(admitted(&table, &[of(bucket)], seconds(0)));
    }
    assert_eq!((of_window, of_bucket), (3, 2));
}

#[test]
fn a_buckets_level_survives_another_quota_and_burst() {
    let table = table(64);
    assert_eq!(admits(&table, bucket("60/h", 10), 0), 10);
    assert_eq!(admits(&table, bucket("3600/h", 10), 0), 0, "nothing is granted");
    assert_eq!(admits(&table, bucket("3600/h", 12), 0), 2);
    assert_eq!(admits(&table, bucket("60/h", 20), 0), 8);
    assert_eq!(admits(&table, bucket("60/h", 20), 60), 1, "one a minute");
}

#[test]
fn no_rate_lets_units_into_a_bucket_for_another() {
    let table = table(64);
    let (slow, fast) = (bucket("60/h", 10), bucket("3600/h", 100));
    let mut of_slow = 0;
    for second in 0..600 {
        assert!(admitted(&table, &[of(fast)], seconds(second)), "one a second flows in");
        of_slow += usize::from(admitted(&table, &[of(slow)], seconds(second)));
    }
    assert!(of_slow <= 10 + 10, "its burst, and one a minute for ten minutes: {of_slow}");
}

#[test]
fn a_scope_that_is_gone_for_a_while_is_still_counted_when_it_comes_back() {
    let table = table(64);
    let old = charge(1, 0, limit("3/h"));
    let new: Charge = Charge { counter: CounterId(1), ..old };
    assert!(admitted(&table, &[old, new], seconds(0)));
    assert_eq!(room(&table, new, seconds(1)), 2);
    assert_eq!(room(&table, old, seconds(2)), 2);
}
