//! What operators see of the table and do in it is what requests meet.

use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use tollgate::limit::Verdict;
use tollgate::store::{
    Capacity, Cells, Counters, Events, Fingerprint, MOST_BLOCKED, MemoryCells, MemoryTable, Seen, StoreError,
    Table, Watched,
};

use super::{bucket, charge, client, limit, room, seconds, shadow, table};

fn watched(charges: &[tollgate::store::Charge]) -> Vec<Watched> {
    charges.iter().map(|charge| Watched { counter: charge.counter, limit: charge.limit }).collect()
}

/// All clients in the table, each once.
fn survey(table: &impl Counters, watched: &[Watched], now: tollgate::time::Time) -> Vec<Seen> {
    let cell = |number| table.survey(number, watched, now).expect("memory is always there");
    (0..=table.last_cell()).flat_map(cell).collect()
}

proptest! {
    /// Whatever was taken: to look says what the next unit is told, and takes nothing.
    #[test]
    fn what_is_seen_is_what_the_next_unit_is_told(
        taken in prop::collection::vec((0_u64..4, 0_usize..3, 1_u32..4, 0_u64..40), 0..60),
        later in 0_u64..90,
    ) {
        let table = table(64);
        let limits = [limit("5/min"), limit("20/h"), bucket("2/s", 6)];
        let of = |name: u64, place: usize| charge(name, u32::try_from(place).expect("few"), limits[place]);
        let mut now = 0;
        for (name, place, cost, step) in taken {
            now += step;
            let charge = tollgate::store::Charge { cost, ..of(name, place) };
            drop(table.charge(&[charge], None, seconds(now)).expect("memory is always there").receipt);
        }
        let now = seconds(now + later);
        let all = watched(&[of(0, 0), of(0, 1), of(0, 2)]);
        let surveyed = survey(&table, &all, now);
        for name in 0..4 {
            let seen = table.look(client(name), &all, now).expect("memory is always there");
            let found: Vec<_> = surveyed.iter().filter(|seen| seen.client == client(name)).collect();
            prop_assert!(found.len() <= 1, "a client stands there once");
            prop_assert!(found.is_empty() == seen.standings.is_empty() && found.iter().all(|found| **found == seen));
            for (place, verdict) in &seen.standings {
                let next = table.charge(&[shadow(of(name, *place))], None, now).expect("memory is always there");
                prop_assert_eq!(next.verdicts, vec![*verdict]);
                table.refund(next.receipt, now).expect("memory is always there");
            }
        }
        prop_assert!(surveyed.iter().all(|seen| (0..4).any(|name| client(name) == seen.client)));
    }
}

#[test]
fn a_limit_that_has_changed_is_seen_as_it_is_now() {
    let table = table(64);
    assert_eq!(room(&table, charge(1, 1, limit("2/min")), seconds(0)), 2);
    let seen = |limit| {
        table.look(client(1), &watched(&[charge(1, 1, limit)]), seconds(1)).expect("memory").standings
    };
    assert!(matches!(seen(limit("2/min"))[..], [(0, Verdict::Denied { .. })]));
    assert!(matches!(seen(limit("10/min"))[..], [(0, Verdict::Admitted { remaining: 7, .. })]));
    assert_eq!(seen(limit("10/h")), [], "another window is another counter");
}

#[test]
fn who_is_pardoned_begins_anew_and_nobody_else_does() {
    let table = table(64);
    let of = |name| charge(name, 1, limit("3/h"));
    for name in 1..=20 {
        assert_eq!(room(&table, of(name), seconds(0)), 3);
    }
    assert_eq!(table.pardon(client(7), seconds(1)), Ok(true));
    assert_eq!(table.pardon(client(7), seconds(1)), Ok(false), "there is nothing left");
    assert_eq!(table.pardon(client(99), seconds(1)), Ok(false));
    for name in 1..=20 {
        assert_eq!(room(&table, of(name), seconds(1)), if name == 7 { 3 } else { 0 }, "{name}");
    }
}

#[test]
fn everybody_can_be_pardoned_too() {
    let table = table(64);
    let everybody = tollgate::store::Charge { client: Fingerprint::EVERYBODY, ..charge(0, 1, limit("3/h")) };
    assert_eq!(room(&table, everybody, seconds(0)), 3);
    assert_eq!(survey(&table, &watched(&[everybody]), seconds(0)).len(), 1);
    assert_eq!(table.pardon(Fingerprint::EVERYBODY, seconds(0)), Ok(true));
    assert_eq!(room(&table, everybody, seconds(0)), 3);
}

#[test]
fn acts_of_many_at_once_are_all_kept() {
    let capacity = Capacity::new(64).expect("a capacity");
    all_acts_are_kept(&Table::new(MemoryCells::default(), capacity));
    all_acts_are_kept(&MemoryTable::new(capacity));
}

fn all_acts_are_kept(table: &(impl Counters + Sync)) {
    thread::scope(|scope| {
        for worker in 0..8 {
            scope.spawn(move || {
                for number in 0..50 {
                    let block = |acts: &mut tollgate::store::Acts| {
                        acts.block(client(worker * 50 + number), seconds(60), seconds(0))
                    };
                    // Whoever is told that others were faster each time has changed nothing, and can try again.
                    while table.change_acts(seconds(0), block).map(|blocked| blocked.expect("room"))
                        == Err(StoreError::Contended)
                    {}
                }
            });
        }
    });
    let acts = table.acts(&mut Events::default()).expect("memory");
    assert_eq!(acts.blocked(seconds(1)).count(), 400);
    assert!((0..400).all(|name| acts.blocked_for(client(name), seconds(1)) == Some(Duration::from_secs(59))));
    const { assert!(MOST_BLOCKED > 400) };
}

#[test]
fn acts_that_nobody_has_written_are_counted_as_corrupt() {
    let table = table(64);
    let (_, version) = table.in_cells.cells().read(table.last_cell() + 1).expect("memory");
    assert_eq!(table.in_cells.cells().write(table.last_cell() + 1, b"nonsense", &version), Ok(true));
    let mut events = Events::default();
    let acts = table.in_cells.acts(&mut events).expect("memory");
    assert!(acts.is_empty());
    assert_eq!(events.corrupt, 1);
}
