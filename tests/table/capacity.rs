//! Memory is bounded, and a flood of new clients does not wash out those that matter.

use std::time::Duration;

use tollgate::store::{Capacity, Charge, Counters, Events, Fingerprint, Proof, Settlement};

use super::both::Both;
use super::{admitted, bucket, charge, client, limit, room, seconds, table};

#[test]
fn memory_stops_growing_at_capacity() {
    let table = table(256);
    let mut after = Vec::new();
    for flood in 0..4 {
        for name in 0..10_000 {
            assert!(admitted(&table, &[charge(flood * 10_000 + name, 0, limit("5/h"))], seconds(name)));
        }
        after.push(table.bytes());
    }
    let most = 256 * 60;
    assert!(after.iter().all(|bytes| (1..=most).contains(bytes)), "{after:?}");
    assert!(after[3] <= after[0] + after[0] / 20, "flat: {after:?}");
}

#[test]
fn a_flood_of_new_clients_does_not_wash_out_an_abuser() {
    let table = table(64);
    // As many as a cell has room for, so that they fit wherever they fall.
    let abusers = 0..8;
    for abuser in abusers.clone() {
        assert_eq!(room(&table, charge(abuser, 0, limit("5/h")), seconds(0)), 5);
    }
    for name in 1_000..20_000 {
        admitted(&table, &[charge(name, 0, limit("5/h"))], seconds(1));
    }
    for abuser in abusers {
        assert_eq!(room(&table, charge(abuser, 0, limit("5/h")), seconds(2)), 0, "{abuser} is still known");
    }
}

#[test]
fn of_those_that_have_used_the_same_the_newest_gives_way() {
    let table = table(64);
    let limited = |name| charge(name, 0, limit("1/h"));
    // Eight in each of the eight cells at the most: a cell with fewer has room for the flood.
    let abusers: Vec<u64> = (0..64).filter(|name| admitted(&table, &[limited(*name)], seconds(0))).collect();
    for name in 1_000..20_000 {
        admitted(&table, &[limited(name)], seconds(1));
    }
    let known = abusers.iter().filter(|name| !admitted(&table, &[limited(**name)], seconds(2))).count();
    // Of each full cell the flood has taken one place, and it keeps to that.
    assert!(known >= 64 - 2 * 8, "{known} of 64 are still known");
}

/// A table that is full of clients who have called once.
fn flooded() -> Both {
    let table = table(64);
    for name in 1_000..1_300 {
        admitted(&table, &[charge(name, 0, limit("30/h"))], seconds(0));
    }
    table
}

/// A credential and an address, say, which share a cell in one of eight pairs.
#[test]
fn clients_of_one_request_do_not_take_each_others_places() {
    for name in 0..60 {
        let table = flooded();
        let of_both = [charge(2 * name, 0, limit("30/h")), charge(2 * name + 1, 1, limit("20/h"))];
        let passed = (0..40).filter(|_| admitted(&table, &of_both, seconds(1))).count();
        assert_eq!(passed, 20, "{name}");
        assert_eq!(room(&table, of_both[0], seconds(1)), 10, "{name}");
    }
}

#[test]
fn a_proof_and_what_its_request_was_charged_do_not_take_each_others_places() {
    for name in 0..60 {
        let table = flooded();
        let (proof, address) = (
            Proof { client: client(2 * name), lasts: Duration::from_mins(5) },
            charge(2 * name + 1, 1, limit("30/h")),
        );
        let mut passed = 0;
        for turn in 0..40 {
            let loaded = table.load(proof.client, &mut Events::default()).expect("memory");
            assert_eq!(Both::proved_for(&loaded, seconds(1)).is_some(), turn > 0, "{name} {turn}");
            let outcome = table.charge(&[address], Some(loaded), seconds(1)).expect("memory");
            passed += u32::from(outcome.verdicts[0].is_admitted());
            let settlement = Settlement::new(Some(proof), outcome.receipt, |_| false);
            table.settle(settlement, seconds(1)).expect("memory");
        }
        assert_eq!(passed, 30, "{name}");
    }
}

#[test]
fn everybodys_counter_is_never_driven_out() {
    let table = table(64);
    let all = Charge { client: Fingerprint::EVERYBODY, ..charge(0, 0, limit("100/h")) };
    assert!(admitted(&table, &[all], seconds(0)));
    for name in 0..20_000 {
        admitted(&table, &[charge(name, 0, limit("5/h"))], seconds(1));
    }
    assert_eq!(room(&table, all, seconds(2)), 99);
}

#[test]
fn the_one_that_has_used_least_gives_way() {
    let table = table(64);
    let busy = charge(0, 0, bucket("1/h", 10));
    let half: Charge = Charge { cost: 5, ..busy };
    assert!(admitted(&table, &[half], seconds(0)));
    for name in 1..5_000 {
        let one_of_ten = charge(name, 0, bucket("1/h", 10));
        let outcome = table.charge(&[one_of_ten], None, seconds(0)).expect("memory");
        drop(outcome.receipt);
    }
    assert_eq!(room(&table, busy, seconds(0)), 5, "half used, so the others went first");
}

#[test]
fn what_has_expired_goes_before_anything_in_use() {
    let table = table(64);
    for name in 0..64_000 {
        admitted(&table, &[charge(name, 0, limit("1/s"))], seconds(0));
    }
    let mut evicted = 0;
    for name in 100_000..100_016 {
        let outcome = table.charge(&[charge(name, 0, limit("5/h"))], None, seconds(1)).expect("memory");
        evicted += outcome.events.evicted;
    }
    assert_eq!(evicted, 0, "the cells were full, but of nothing that mattered");
}

#[test]
fn a_client_of_whom_nothing_matters_takes_no_room() {
    let table = table(64);
    for name in 0..20 {
        let outcome = table.charge(&[charge(name, 0, limit("5/h"))], None, seconds(0)).expect("memory");
        table.refund(outcome.receipt, seconds(0)).expect("memory");
        assert_eq!(table.bytes(), 0);
    }
}

#[test]
fn evictions_are_counted() {
    let table = table(64);
    let evicted: u32 = (0..1_000)
        .map(|name| {
            table.charge(&[charge(name, 0, limit("5/h"))], None, seconds(0)).expect("memory").events.evicted
        })
        .sum();
    assert_eq!(evicted, 1_000 - 64, "every client beyond the capacity drove one out");
}

#[test]
fn capacities() {
    assert_eq!(Capacity::new(Capacity::MIN - 1), None);
    assert_eq!(Capacity::new(Capacity::MAX + 1), None);
    assert_eq!(Capacity::default().clients(), 65_536);
}
