//! A table of fixed capacity in this process's memory.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::acted::Acted;
use super::cell::Cell;
use crate::limit::Verdict;
use crate::store::capacity::Capacity;
use crate::store::record::Record;
use crate::store::rules::{self, Records, Step, is_denied};
use crate::store::{
    Acts, Charge, Counters, Events, Fingerprint, Outcome, Receipt, Seen, Settlement, StoreError, Watched,
};
use crate::time::Time;

/// So many cells are made at once, when the first of them is written: 2 MiB. The list of pages is then short, and always near.
const PAGE: usize = 4096;

/// The counters of many clients in this process's memory, which threads share.
///
/// It has the capacity, the cells and the rules of a [`Table`](crate::store::Table), so that both decide alike. But records stand here as they
/// are, and are changed in place. Each cell has a lock of its own, so that threads meet only where their clients do. All charges of a
/// request are one atomic step, those of several clients, too. No step fails, and none is tried twice.
///
/// Cells are made once, a page at a time when the first client comes to one of them, and stay where they are: 64 bytes for each client of the
/// capacity. What was counted of a client is allocated beside them.
pub struct MemoryTable {
    capacity: Capacity,
    pages: Box<[OnceLock<Box<[Locked]>>]>,
    acted: Acted,
}

/// A cell and its lock. Two of them share no cache line, so that threads do not meet there either.
#[derive(Default)]
#[repr(align(64))]
struct Locked(Mutex<Cell>);

/// What was read of one client.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    client: Fingerprint,
    proved_until: Option<Time>,
}

/// A cell that nobody else can look at, by its number.
type Held<'t> = (u32, MutexGuard<'t, Cell>);

impl MemoryTable {
    /// An empty table.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        let cells = capacity.cells() as usize + 1;
        let pages = (0..cells.div_ceil(PAGE)).map(|_| OnceLock::new()).collect();
        Self { capacity, pages, acted: Acted::default() }
    }

    /// For how many clients there is room.
    #[must_use]
    pub const fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// The cell of a client. Everybody's counter stands alone, behind the others: no newcomer drives it out.
    fn number(&self, client: Fingerprint) -> u32 {
        match client {
            Fingerprint::EVERYBODY => self.last_cell(),
            client => client.place(self.capacity.cells()),
        }
    }

    fn lock(&self, number: u32) -> MutexGuard<'_, Cell> {
        let number = number as usize;
        let page = self.pages[number / PAGE].get_or_init(|| {
            // The last page ends with the table.
            let left = self.last_cell() as usize + 1 - number / PAGE * PAGE;
            (0..left.min(PAGE)).map(|_| Locked::default()).collect()
        });
        locked(&page[number % PAGE])
    }

    /// The cell, if there was ever anything in it or near it.
    fn look_into(&self, number: u32) -> Option<MutexGuard<'_, Cell>> {
        let number = number as usize;
        let page = self.pages.get(number / PAGE)?.get()?;
        Some(locked(&page[number % PAGE]))
    }

    /// Whoever holds several cells has locked them in ascending order, so that no two wait for each other.
    fn hold(&self, number: u32) -> Held<'_> {
        (number, self.lock(number))
    }

    fn charge_many(&self, charges: &[Charge], known: Option<Known>, now: Time) -> Outcome {
        let mut numbers: Vec<u32> =
            of_clients(charges).map(|of_client| self.number(of_client[0].client)).collect();
        numbers.sort_unstable();
        let clients = numbers.len();
        numbers.dedup();
        let mut held: Vec<Held> = numbers.into_iter().map(|number| self.hold(number)).collect();
        let is_shared = held.len() < clients;
        self.charge_in(&mut held, is_shared, charges, known, now)
    }

    /// Takes all charges of clients whose cells these are, or none. `is_shared` says whether any two of the clients share a cell.
    fn charge_in(
        &self,
        held: &mut [Held],
        is_shared: bool,
        charges: &[Charge],
        known: Option<Known>,
        now: Time,
    ) -> Outcome {
        let mut events = Events::default();
        let mut verdicts = Vec::with_capacity(charges.len());
        for of_client in of_clients(charges) {
            let cell = self.cell_of(held, of_client[0].client);
            check(cell, of_client, now, |verdict| verdicts.push(verdict));
        }
        let mut receipt = Receipt(Vec::new());
        if is_denied(charges, &verdicts) {
            return Outcome { verdicts, receipt, events };
        }
        receipt.0.reserve_exact(charges.len());
        let spared = |client| {
            known.is_some_and(|known| known.client == client)
                || charges.iter().any(|charge| charge.client == client)
        };
        let step = &mut Step { now, spared: &spared, events: &mut events };
        let mut start = 0;
        for of_client in of_clients(charges) {
            let cell = self.cell_of(held, of_client[0].client);
            let verdicts = &mut verdicts[start..start + of_client.len()];
            if is_shared {
                // Of this client nothing may have mattered any more when the one before came.
                let mut anew = verdicts.iter_mut();
                check(cell, of_client, now, |verdict| {
                    anew.next().into_iter().for_each(|known| *known = verdict);
                });
            }
            cell.take(of_client, verdicts, &mut receipt, step);
            start += of_client.len();
        }
        Outcome { verdicts, receipt, events }
    }

    fn cell_of<'h>(&self, held: &'h mut [Held], client: Fingerprint) -> &'h mut Cell {
        let number = self.number(client);
        let place = held.iter().position(|(held, _)| *held == number).unwrap_or(0);
        &mut held[place].1
    }
}

/// Whoever panicked while he held the lock has left whole records, and the clients of a cell as they were, or with one changed.
fn locked(cell: &Locked) -> MutexGuard<'_, Cell> {
    cell.0.lock().unwrap_or_else(PoisonError::into_inner)
}

fn of_clients(charges: &[Charge]) -> impl Iterator<Item = &[Charge]> {
    charges.chunk_by(|one, next| one.client == next.client)
}

fn check(cell: &Cell, of_client: &[Charge], now: Time, mut tell: impl FnMut(Verdict)) {
    let new = Record::default();
    let record = cell.record(of_client[0].client).unwrap_or(&new);
    for charge in of_client {
        tell(record.check(charge, now));
    }
}

impl Records for MemoryTable {
    fn update(
        &self,
        client: Fingerprint,
        step: &mut Step,
        change: impl FnMut(&mut Record) -> bool,
    ) -> Result<(), StoreError> {
        self.lock(self.number(client)).change(client, step, change);
        Ok(())
    }
}

impl Counters for MemoryTable {
    type Loaded = Known;

    fn load(&self, client: Fingerprint, _: &mut Events) -> Result<Known, StoreError> {
        let cell = self.look_into(self.number(client));
        let record = cell.as_ref().and_then(|cell| cell.record(client));
        Ok(Known { client, proved_until: record.and_then(Record::proved_until) })
    }

    fn proved_for(known: &Known, now: Time) -> Option<Duration> {
        known.proved_until.filter(|until| now < *until).map(|until| until.since(now))
    }

    fn charge(&self, charges: &[Charge], known: Option<Known>, now: Time) -> Result<Outcome, StoreError> {
        let mut cells = of_clients(charges).map(|of_client| self.number(of_client[0].client));
        let outcome = match (cells.next(), cells.next(), cells.next()) {
            (None, ..) => Outcome::default(),
            (Some(only), None, _) => self.charge_in(&mut [self.hold(only)], false, charges, known, now),
            // A credential and an address, say: still without a list.
            (Some(one), Some(other), None) if one == other => {
                self.charge_in(&mut [self.hold(one)], true, charges, known, now)
            }
            (Some(one), Some(other), None) => {
                let mut held = [self.hold(one.min(other)), self.hold(one.max(other))];
                self.charge_in(&mut held, false, charges, known, now)
            }
            _ => self.charge_many(charges, known, now),
        };
        Ok(outcome)
    }

    fn settle(&self, settlement: Settlement, now: Time) -> Result<Events, StoreError> {
        rules::settle(self, &settlement, now)
    }

    fn last_cell(&self) -> u32 {
        self.capacity.cells()
    }

    fn survey(&self, number: u32, watched: &[Watched], now: Time) -> Result<Vec<Seen>, StoreError> {
        let Some(cell) = self.look_into(number) else { return Ok(Vec::new()) };
        let records = cell.records().filter(|(_, record)| record.matters(now));
        Ok(records.map(|(client, record)| record.seen(client, watched, now)).collect())
    }

    fn look(&self, client: Fingerprint, watched: &[Watched], now: Time) -> Result<Seen, StoreError> {
        let cell = self.look_into(self.number(client));
        let seen = cell.as_ref().and_then(|cell| Some(cell.record(client)?.seen(client, watched, now)));
        Ok(seen.unwrap_or_else(|| Record::default().seen(client, watched, now)))
    }

    fn pardon(&self, client: Fingerprint, now: Time) -> Result<bool, StoreError> {
        rules::pardon(self, client, now)
    }

    fn acts(&self, _: &mut Events) -> Result<Acts, StoreError> {
        Ok(self.acted.look())
    }

    fn change_acts<T>(&self, now: Time, change: impl Fn(&mut Acts) -> T) -> Result<T, StoreError> {
        Ok(self.acted.change(now, change))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::limit::Limit;
    use crate::store::{CounterId, Stays};

    #[test]
    fn whoever_panics_with_a_lock_takes_nothing_down() {
        let table = MemoryTable::new(Capacity::default());
        let client = Fingerprint::from_bytes([7; Fingerprint::SIZE]);
        let limit = Limit::sliding_window("2/h".parse().expect("a rate"));
        let (counter, stays) = (CounterId(1), Stays::Always);
        let charge = Charge { client, counter, limit, cost: 1, scope: 0, enforced: true, stays };
        let passes = || {
            let outcome = table.charge(&[charge], None, Time::default()).expect("memory");
            let passes = outcome.verdicts[0].is_admitted();
            drop(outcome.receipt);
            passes
        };
        assert!(passes());
        thread::scope(|scope| {
            let panicked = scope.spawn(|| {
                let _held = table.lock(table.number(client));
                panic!("in the middle of it");
            });
            assert!(panicked.join().is_err());
        });
        assert!(passes(), "and what was counted is there yet");
        assert!(!passes());
    }
}
