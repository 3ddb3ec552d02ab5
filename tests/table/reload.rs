//! A new configuration goes on with the old counters.

use tollgate::store::{Charge, CounterId};

use super::{admitted, bucket, charge, limit, room, seconds, table};

#[test]
fn another_rate_keeps_what_was_counted() {
    for (before, after, room_left) in [
        ("10/min", "15/min", 5),
        ("10/min", "5/min", 0),
        ("10/min", "12/h", 2),
        ("10/min", "100/min", 90),
        ("100/min", "110/min", 10),
        ("100/min", "30/min", 0),
    ] {
        let table = table(64);
        let used = room(&table, charge(1, 0, limit(before)), seconds(0));
        assert_eq!(used, limit(before).rate.quota() as usize);
        assert_eq!(room(&table, charge(1, 0, limit(after)), seconds(1)), room_left, "{before} {after}");
    }
}

#[test]
fn a_shorter_window_forgets_what_is_older() {
    let table = table(64);
    assert_eq!(room(&table, charge(1, 0, limit("3/h")), seconds(0)), 3);
    assert_eq!(room(&table, charge(1, 0, limit("3/min")), seconds(59)), 0);
    assert_eq!(room(&table, charge(1, 0, limit("3/min")), seconds(60)), 3);
}

#[test]
fn a_buckets_level_survives_another_window_and_burst() {
    let table = table(64);
    assert_eq!(room(&table, charge(1, 0, bucket("1/h", 10)), seconds(0)), 10);
    assert_eq!(room(&table, charge(1, 0, bucket("1/min", 10)), seconds(0)), 0);
    assert_eq!(room(&table, charge(1, 0, bucket("1/min", 10)), seconds(60)), 1);
    assert_eq!(room(&table, charge(1, 0, bucket("1/min", 12)), seconds(60)), 2);
}

#[test]
fn another_algorithm_starts_anew() {
    let table = table(64);
    assert_eq!(room(&table, charge(1, 0, limit("3/h")), seconds(0)), 3);
    assert_eq!(room(&table, charge(1, 0, bucket("1/h", 2)), seconds(0)), 2);
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
