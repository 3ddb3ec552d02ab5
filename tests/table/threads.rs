//! Threads on one table in memory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tollgate::limit::Verdict;
use tollgate::store::{Acts, Capacity, Charge, Counters, Events, MemoryTable};

use super::{admitted, charge, client, limit, room, seconds};

fn table() -> MemoryTable {
    MemoryTable::new(Capacity::new(64).expect("a capacity"))
}

/// The clients of a request, in an order that differs from thread to thread.
fn clients(thread: usize, turn: usize) -> [u64; 3] {
    let [one, other, third] = [turn % 5, turn % 7 + 5, turn % 3 + 12].map(|name| name as u64);
    match thread % 3 {
        0 => [one, other, third],
        1 => [third, other, one],
        _ => [other, third, one],
    }
}

#[test]
fn requests_of_several_clients_pass_exactly_and_none_waits_for_another_that_waits_for_it() {
    const QUOTA: usize = 700;
    for threads in [1, 2, 4, 8] {
        let table = table();
        let passed: [AtomicUsize; 15] = Default::default();
        thread::scope(|scope| {
            for thread in 0..threads {
                let (table, passed) = (&table, &passed);
                scope.spawn(move || {
                    for turn in 0..4_000 {
                        let names = clients(thread, turn);
                        let charges = names.map(|name| charge(name, 0, limit(&format!("{QUOTA}/h"))));
                        if admitted(table, &charges, seconds(0)) {
                            for name in names {
                                let name = usize::try_from(name).expect("few");
                                passed[name].fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                });
            }
        });
        for (name, passed) in (0..).zip(passed) {
            let left = room(&table, charge(name, 0, limit(&format!("{QUOTA}/h"))), seconds(0));
            assert_eq!(passed.into_inner() + left, QUOTA, "client {name} of {threads} threads");
        }
    }
}

/// Two clients that are only ever charged together have the same left, whenever anybody looks.
#[test]
fn charges_of_several_clients_are_one_step() {
    let table = table();
    thread::scope(|scope| {
        for thread in 0..4 {
            let table = &table;
            scope.spawn(move || {
                for turn in 0..20_000_u64 {
                    let mut names = [1, 2];
                    names.rotate_left(thread % 2);
                    let charges = names.map(|name| charge(name, 0, limit("90000/h")));
                    let outcome = table.charge(&charges, None, seconds(0)).expect("memory");
                    assert_eq!(outcome.verdicts[0], outcome.verdicts[1], "{turn}");
                    drop(outcome.receipt);
                }
            });
        }
    });
    assert_eq!(room(&table, charge(1, 0, limit("90000/h")), seconds(0)), 10_000);
}

#[test]
fn who_panics_while_he_changes_acts_takes_nothing_down() {
    let table = table();
    let block = |name| {
        table.change_acts(seconds(0), |acts: &mut Acts| acts.block(client(name), seconds(60), seconds(0)))
    };
    block(1).expect("memory").expect("room");
    let panics = || table.change_acts(seconds(0), |_| -> () { panic!("in the middle of it") });
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    block(2).expect("memory").expect("room");
    let acts = table.acts(&mut Events::default()).expect("memory");
    assert_eq!(acts.blocked(seconds(1)).count(), 2);
}

#[test]
fn a_table_of_the_largest_capacity_takes_room_as_clients_come() {
    let table = MemoryTable::new(Capacity::new(Capacity::MAX).expect("a capacity"));
    let charges: Vec<Charge> = (0..100).map(|name| charge(name, 0, limit("2/h"))).collect();
    for charge in &charges {
        assert_eq!(room(&table, *charge, seconds(0)), 2);
    }
    let outcome = table.charge(&charges, None, seconds(0)).expect("memory");
    assert!(outcome.verdicts.iter().all(|verdict| !Verdict::is_admitted(verdict)));
    drop(outcome.receipt);
}
