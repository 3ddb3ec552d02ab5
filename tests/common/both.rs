//! The same counters in both tables, which must decide alike: whatever is tested on them is tested on each, and on the two together.

use std::time::Duration;

use tollgate::store::{
    Acts, Capacity, Charge, Counters, Events, Fingerprint, Known, Loaded, MemoryCells, MemoryTable, Outcome,
    Receipt, Seen, Settlement, StoreError, Table, Watched,
};
use tollgate::time::Time;

/// A table of cells of bytes, and one in memory.
pub(crate) struct Both {
    pub(crate) in_cells: Table<MemoryCells>,
    in_memory: MemoryTable,
}

impl Both {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self { in_cells: Table::new(MemoryCells::default(), capacity), in_memory: MemoryTable::new(capacity) }
    }

    /// How many bytes the table of cells takes.
    pub(crate) fn bytes(&self) -> usize {
        self.in_cells.cells().bytes()
    }
}

/// How one race or none is lost within one thread is the business of cells alone.
fn alike(one: Events, other: Events) {
    assert_eq!(Events { lost_races: 0, ..one }, other);
}

fn same<T: PartialEq + std::fmt::Debug>(one: T, other: &T) -> T {
    assert_eq!(one, *other);
    one
}

fn taken(receipt: &Receipt) -> Vec<&tollgate::store::Taken> {
    receipt.iter().collect()
}

impl Counters for Both {
    type Loaded = (Loaded<u64>, Known);

    fn load(&self, client: Fingerprint, events: &mut Events) -> Result<Self::Loaded, StoreError> {
        Ok((self.in_cells.load(client, events)?, self.in_memory.load(client, events)?))
    }

    fn proved_for((one, other): &Self::Loaded, now: Time) -> Option<Duration> {
        same(Table::<MemoryCells>::proved_for(one, now), &MemoryTable::proved_for(other, now))
    }

    fn charge(
        &self,
        charges: &[Charge],
        loaded: Option<Self::Loaded>,
        now: Time,
    ) -> Result<Outcome, StoreError> {
        let (one, other) = loaded.unzip();
        let one = self.in_cells.charge(charges, one, now)?;
        let other = self.in_memory.charge(charges, other, now)?;
        assert_eq!(one.verdicts, other.verdicts);
        assert_eq!(taken(&one.receipt), taken(&other.receipt));
        alike(one.events, other.events);
        drop(other.receipt);
        Ok(one)
    }

    fn settle(&self, settlement: Settlement, now: Time) -> Result<Events, StoreError> {
        let Settlement { proof, given_back, kept } = &settlement;
        let again = Settlement { proof: *proof, given_back: given_back.again(), kept: kept.again() };
        let (one, other) = (self.in_cells.settle(settlement, now)?, self.in_memory.settle(again, now)?);
        alike(one, other);
        Ok(one)
    }

    fn last_cell(&self) -> u32 {
        same(self.in_cells.last_cell(), &self.in_memory.last_cell())
    }

    fn survey(&self, cell: u32, watched: &[Watched], now: Time) -> Result<Vec<Seen>, StoreError> {
        Ok(same(self.in_cells.survey(cell, watched, now)?, &self.in_memory.survey(cell, watched, now)?))
    }

    fn look(&self, client: Fingerprint, watched: &[Watched], now: Time) -> Result<Seen, StoreError> {
        Ok(same(self.in_cells.look(client, watched, now)?, &self.in_memory.look(client, watched, now)?))
    }

    fn pardon(&self, client: Fingerprint, now: Time) -> Result<bool, StoreError> {
        Ok(same(self.in_cells.pardon(client, now)?, &self.in_memory.pardon(client, now)?))
    }

    fn acts(&self, events: &mut Events) -> Result<Acts, StoreError> {
        Ok(same(self.in_cells.acts(events)?, &self.in_memory.acts(events)?))
    }

    fn change_acts<T>(&self, now: Time, change: impl Fn(&mut Acts) -> T) -> Result<T, StoreError> {
        self.in_memory.change_acts(now, &change)?;
        self.in_cells.change_acts(now, change)
    }
}
