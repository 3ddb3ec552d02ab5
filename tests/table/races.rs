//! Workers that decide at once.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tollgate::limit::Verdict;
use tollgate::store::{
    Capacity, Cells, Charge, Counters, MemoryCells, MemoryTable, Proof, Settlement, StoreError, Table,
    Unavailable,
};

use super::hosts::{Host, opened};
use super::{admitted, charge, limit, proved_for, room, seconds, shadow, table};

#[test]
fn many_threads_admit_exactly_the_quota() {
    for threads in [1, 2, 4, 8] {
        let capacity = Capacity::new(64).expect("a capacity");
        exact(&Table::new(MemoryCells::default(), capacity), threads);
        exact(&MemoryTable::new(capacity), threads);
        exact(&Table::new(opened(Host::envoy()), capacity), threads);
        exact(&Table::new(opened(Host::nginx()), capacity), threads);
    }
}

fn exact(table: &(impl Counters + Sync), threads: usize) {
    let count = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..400 {
                    // Every request is also counted against everybody's limit, in another cell.
                    let own = charge(1, 0, limit("500/h"));
                    let all = charge(2, 1, limit("300/h"));
                    let mut charges = [own, all];
                    charges.sort_by_key(|charge| charge.client);
                    let mut result = table.charge(&charges, None, seconds(0));
                    while matches!(result, Err(StoreError::Contended)) {
                        result = table.charge(&charges, None, seconds(0));
                    }
                    let outcome = result.expect("memory is always there");
                    if outcome.verdicts.iter().all(Verdict::is_admitted) {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    drop(outcome.receipt);
                }
            });
        }
    });
    assert!(count.load(Ordering::Relaxed) <= 300, "{threads} threads");
    let left = room(table, charge(2, 1, limit("300/h")), seconds(0));
    assert_eq!(
        count.load(Ordering::Relaxed) + left,
        300,
        "{threads} threads: what is not admitted is not used"
    );
    let own_left = room(table, charge(1, 0, limit("500/h")), seconds(0));
    assert_eq!(count.load(Ordering::Relaxed) + own_left, 500, "{threads} threads: nor by the other counter");
}

/// Cells in which, each time the tested worker is about to write, another one is faster.
struct Raced<F> {
    cells: MemoryCells,
    other: RefCell<F>,
}

impl<F: FnMut(&MemoryCells, u32)> Cells for Raced<F> {
    type Version = u64;

    fn read(&self, cell: u32) -> Result<(Vec<u8>, u64), Unavailable> {
        self.cells.read(cell)
    }

    fn write(&self, cell: u32, bytes: &[u8], version: &u64) -> Result<bool, Unavailable> {
        (self.other.borrow_mut())(&self.cells, cell);
        self.cells.write(cell, bytes, version)
    }
}

/// A table whose worker is overtaken; `other` is called before each of its writes, with how many came before.
fn raced(mut other: impl FnMut(&Table<&MemoryCells>, usize)) -> Table<Raced<impl FnMut(&MemoryCells, u32)>> {
    let capacity = Capacity::new(64).expect("a capacity");
    let mut writes = 0;
    let other = move |cells: &MemoryCells, _| {
        other(&Table::new(cells, capacity), writes);
        writes += 1;
    };
    Table::new(Raced { cells: MemoryCells::default(), other: RefCell::new(other) }, capacity)
}

fn take(table: &Table<&MemoryCells>, charge: Charge) {
    let outcome = table.charge(&[charge], None, seconds(0)).expect("memory is always there");
    drop(outcome.receipt);
}

#[test]
fn a_lost_race_is_decided_again() {
    let one = charge(1, 0, limit("3/h"));
    let table = raced(move |other, writes| {
        if writes < 2 {
            take(other, one);
        }
    });
    let outcome = table.charge(&[one], None, seconds(0)).expect("two lost races are none too many");
    assert_eq!(outcome.events.lost_races, 2);
    assert!(outcome.verdicts[0].is_admitted());
    assert!(matches!(outcome.verdicts[0], Verdict::Admitted { remaining: 0, .. }), "the others are counted");
}

#[test]
fn a_race_lost_to_the_last_unit_is_a_denial() {
    let one = charge(1, 0, limit("1/h"));
    let table = raced(move |other, _| take(other, one));
    let outcome = table.charge(&[one], None, seconds(0)).expect("decided");
    assert!(!outcome.verdicts[0].is_admitted());
    assert!(outcome.receipt.is_empty());
}

#[test]
fn what_was_taken_before_a_late_denial_is_given_back_and_nothing_is_taken_after_it() {
    let [first, second, third, last] = [1, 2, 3, 4].map(|name| charge(name, 0, limit("5/h")));
    let third = Charge { limit: limit("1/h"), ..third };
    // Before the third client's counter is written, the other worker takes its only unit.
    let table = raced(move |other, writes| {
        if writes == 2 {
            take(other, third);
        }
    });
    let outcome = table.charge(&[first, second, third, last], None, seconds(0)).expect("decided");
    let admitted: Vec<bool> = outcome.verdicts.iter().map(Verdict::is_admitted).collect();
    assert_eq!(admitted, [true, true, false, true]);
    assert!(outcome.receipt.is_empty());
    let after = Table::new(&table.cells().cells, Capacity::new(64).expect("a capacity"));
    assert_eq!(room(&after, first, seconds(0)), 5, "the first client's unit is back");
    assert_eq!(room(&after, second, seconds(0)), 5, "and the second one's");
    assert_eq!(room(&after, last, seconds(0)), 5, "the last one's was never taken");
}

/// Cells of which only the first one that is written can be written.
struct OneOnly {
    cells: MemoryCells,
    first: Cell<Option<u32>>,
    otherwise: Result<bool, Unavailable>,
}

impl Cells for OneOnly {
    type Version = u64;

    fn read(&self, cell: u32) -> Result<(Vec<u8>, u64), Unavailable> {
        self.cells.read(cell)
    }

    fn write(&self, cell: u32, bytes: &[u8], version: &u64) -> Result<bool, Unavailable> {
        let first = self.first.get().unwrap_or(cell);
        self.first.set(Some(first));
        if cell == first { self.cells.write(cell, bytes, version) } else { self.otherwise }
    }
}

#[test]
fn what_was_taken_before_an_error_is_given_back() {
    for (otherwise, error, text) in [
        (Ok(false), StoreError::Contended, "other workers were faster too many times in a row"),
        (Err(Unavailable), StoreError::Unavailable, "the counters cannot be reached"),
    ] {
        assert_eq!(error.to_string(), text);
        let capacity = Capacity::new(64).expect("a capacity");
        let cells = OneOnly { cells: MemoryCells::default(), first: Cell::default(), otherwise };
        let table = Table::new(cells, capacity);
        let charges = [1, 2, 3].map(|name| charge(name, 0, limit("5/h")));
        assert_eq!(table.charge(&charges, None, seconds(0)).map(|_| ()), Err(error));
        let after = Table::new(&table.cells().cells, capacity);
        assert_eq!(charges.map(|charge| room(&after, charge, seconds(0))), [5; 3], "{error}");
    }
}

/// Cells of which the first that is written cannot be written again. Before each write of another one, another worker
/// takes a unit of `rival`.
struct Once {
    cells: MemoryCells,
    first: Cell<Option<u32>>,
    again: Result<bool, Unavailable>,
    rival: Charge,
}

impl Cells for Once {
    type Version = u64;

    fn read(&self, cell: u32) -> Result<(Vec<u8>, u64), Unavailable> {
        self.cells.read(cell)
    }

    fn write(&self, cell: u32, bytes: &[u8], version: &u64) -> Result<bool, Unavailable> {
        match self.first.get() {
            Some(first) if first == cell => return self.again,
            Some(_) => take(&Table::new(&self.cells, Capacity::new(64).expect("a capacity")), self.rival),
            None => self.first.set(Some(cell)),
        }
        self.cells.write(cell, bytes, version)
    }
}

#[test]
fn what_was_decided_stands_even_where_nothing_can_be_given_back() {
    for again in [Ok(false), Err(Unavailable)] {
        let charge = |limited: &str| {
            let charges = [charge(1, 0, limit("5/h")), charge(2, 0, limit(limited))];
            let cells =
                Once { cells: MemoryCells::default(), first: Cell::default(), again, rival: charges[1] };
            Table::new(cells, Capacity::new(64).expect("a capacity")).charge(&charges, None, seconds(0))
        };
        let denied = charge("1/h").expect("the denial");
        let admitted: Vec<bool> = denied.verdicts.iter().map(Verdict::is_admitted).collect();
        assert_eq!(admitted, [true, false], "{again:?}");
        assert!(denied.receipt.is_empty(), "{again:?}");
        assert_eq!(denied.events.unsettled, 1, "{again:?}");
        // Every race is lost. If the error were that of giving back, the request would be let through.
        assert_eq!(charge("1000/h").map(|_| ()), Err(StoreError::Contended), "{again:?}");
    }
}

/// With the proof stands a charge of the same client, or of another one, or nothing.
#[test]
fn a_lost_race_settles_all_the_same() {
    let proof = Proof { client: super::client(1), lasts: Duration::from_mins(1) };
    for name in [Some(1), Some(2), None] {
        for lost in 0..3_usize {
            let neighbour = charge(1, 7, limit("1000/h"));
            let others = name.map_or(neighbour, |name| charge(name, 7, limit("1000/h")));
            let charged = name.map(|name| charge(name, 0, limit("5/h")));
            let first = usize::from(charged.is_some());
            // The other one writes both cells.
            let table = raced(move |other, writes| {
                if (first..first + lost).contains(&writes) {
                    take(other, neighbour);
                    take(other, others);
                }
            });
            let all: Vec<Charge> = charged.into_iter().collect();
            let receipt = table.charge(&all, None, seconds(0)).expect("there is room").receipt;
            let settlement = Settlement { proof: Some(proof), ..Settlement::undo(receipt) };
            let events = table.settle(settlement, seconds(10)).expect("settled");
            assert_eq!(events.lost_races as usize, lost, "{name:?}");
            let after = Table::new(&table.cells().cells, Capacity::new(64).expect("a capacity"));
            assert_eq!(
                proved_for(&after, proof.client, seconds(15)),
                Some(Duration::from_millis(62_500)),
                "{name:?} {lost}"
            );
            if let Some(charged) = charged {
                assert_eq!(room(&after, charged, seconds(10)), 5, "{name:?} {lost}");
            }
            // It is renewed, too.
            let renewal = Settlement { proof: Some(proof), ..Settlement::default() };
            table.settle(renewal, seconds(20)).expect("settled");
            assert_eq!(
                proved_for(&after, proof.client, seconds(20)),
                Some(proof.noted_for()),
                "{name:?} {lost}"
            );
        }
    }
}

#[test]
fn losing_every_race_is_an_error_and_takes_nothing() {
    let neighbour = charge(77, 0, limit("1000000/h"));
    let one = charge(1, 0, limit("5/h"));
    let table = raced(move |other, _| {
        // Every cell has changed, whichever the tested worker wants to write.
        for client in 0..64 {
            take(other, Charge { client: super::client(client + 1_000), ..neighbour });
        }
    });
    assert_eq!(table.charge(&[one], None, seconds(0)).map(|_| ()), Err(StoreError::Contended));
    let after = Table::new(&table.cells().cells, Capacity::new(64).expect("a capacity"));
    let outcome = after.charge(&[one], None, seconds(0)).expect("memory is always there");
    assert!(matches!(outcome.verdicts[0], Verdict::Admitted { remaining: 4, .. }));
}

#[test]
fn cells_out_of_reach_are_an_error() {
    struct Gone;
    impl Cells for Gone {
        type Version = ();
        fn read(&self, _: u32) -> Result<(Vec<u8>, ()), Unavailable> {
            Err(Unavailable)
        }
        fn write(&self, _: u32, _: &[u8], (): &()) -> Result<bool, Unavailable> {
            Err(Unavailable)
        }
    }
    let table = Table::new(Gone, Capacity::default());
    let error = table.charge(&[charge(1, 0, limit("5/h"))], None, seconds(0)).map(|_| ());
    assert_eq!(error, Err(StoreError::Unavailable));
}

#[test]
fn bytes_that_are_no_records_are_counted_and_overwritten() {
    let cells = MemoryCells::default();
    for cell in 0..8 {
        let (_, version) = cells.read(cell).expect("memory");
        assert_eq!(cells.write(cell, b"no records at all", &version), Ok(true));
    }
    let table = Table::new(cells, Capacity::new(64).expect("a capacity"));
    let one = charge(1, 0, limit("2/h"));
    let outcome = table.charge(&[one], None, seconds(0)).expect("memory");
    assert_eq!(outcome.events.corrupt, 1);
    drop(outcome.receipt);
    assert!(admitted(&table, &[one], seconds(0)));
    assert!(!admitted(&table, &[one], seconds(0)));
}

#[test]
fn a_shadow_scope_denies_nobody_and_counts_like_an_enforced_one() {
    let table = table(64);
    let enforced = charge(1, 0, limit("5/h"));
    let shadowed = shadow(charge(1, 1, limit("2/h")));
    // Another limit of the same scope, and another scope.
    let with_it = Charge { scope: 1, ..shadow(charge(1, 2, limit("9/h"))) };
    let beside = shadow(charge(1, 3, limit("9/h")));
    let charges = [enforced, shadowed, with_it, beside];
    for number in 0..5 {
        let outcome = table.charge(&charges, None, seconds(0)).expect("memory");
        let is_within = number < 2;
        let admitted: Vec<bool> = outcome.verdicts.iter().map(Verdict::is_admitted).collect();
        assert_eq!(admitted, [true, is_within, true, true]);
        let taken = charges.map(|charge| outcome.receipt.has(&charge));
        assert_eq!(taken, [true, is_within, is_within, true], "a scope is charged as a whole");
        drop(outcome.receipt);
    }
    let outcome = table.charge(&[enforced, shadowed], None, seconds(3_599)).expect("memory");
    assert!(!outcome.verdicts[0].is_admitted() && outcome.receipt.is_empty());
}
