//! How many clients there are, told from a part of the table.

use tollgate::store::{Capacity, Census, Counters};

use super::both::Both;
use super::{charge, limit, room, seconds, table};

/// What a census says after so many steps.
fn counted(table: &impl Counters, census: &mut Census, steps: usize, now: u64) -> u64 {
    (0..steps)
        .map(|_| census.step(table, seconds(now)).expect("memory is always there"))
        .last()
        .expect("a step")
}

#[test]
fn in_a_small_table_it_is_exact_and_follows() {
    let table = table(64);
    let mut census = Census::default();
    assert_eq!(counted(&table, &mut census, 1, 0), 0);
    for name in 0..20 {
        room(&table, charge(name, 1, limit("1/min")), seconds(0));
    }
    assert_eq!(counted(&table, &mut census, 1, 1), 20);
    assert_eq!(counted(&table, &mut census, 1, 59), 20);
    assert_eq!(counted(&table, &mut census, 1, 60), 0, "their windows are over");
}

#[test]
fn with_the_default_capacity_all_cells_are_looked_at() {
    let table = Both::new(Capacity::default());
    for name in 0..1000 {
        room(&table, charge(name, 1, limit("1/h")), seconds(0));
    }
    assert_eq!(counted(&table, &mut Census::default(), 129, 1), 1000);
}

#[test]
fn in_a_large_one_it_is_near() {
    let table = table(1 << 20);
    for name in 0..100_000 {
        room(&table, charge(name, 1, limit("1/h")), seconds(0));
    }
    let counted = counted(&table, &mut Census::default(), 128, 1);
    assert!((95_000..105_000).contains(&counted), "{counted}");
}
