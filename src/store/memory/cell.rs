//! The few clients that share a cell, as in a cell of bytes: in the same order, and the same ones give way.

use crate::limit::Verdict;
use crate::store::cell::WAYS;
use crate::store::record::Record;
use crate::store::rules::{Step, is_taken};
use crate::store::{Charge, Fingerprint, Receipt};

const ROOM: usize = WAYS as usize;

/// The clients of one cell, the one that came last at the end.
///
/// In memory they stand in this order, and their names together: whoever looks for one finds it in the first lines of the cache.
#[repr(C)]
pub(super) struct Cell {
    count: usize,
    /// So many of them count.
    clients: [Fingerprint; ROOM],
    /// What is known of each.
    records: [Record; ROOM],
}

impl Default for Cell {
    fn default() -> Self {
        Self { count: 0, clients: [Fingerprint::EVERYBODY; ROOM], records: Default::default() }
    }
}

impl Cell {
    /// What is known of a client, if anything.
    pub(super) fn record(&self, client: Fingerprint) -> Option<&Record> {
        self.place(client).map(|place| &self.records[place])
    }

    /// All clients, and what is known of them.
    pub(super) fn records(&self) -> impl Iterator<Item = (Fingerprint, &Record)> {
        self.clients.iter().copied().zip(&self.records).take(self.count)
    }

    /// Takes those of one client's charges that are to be taken, and adds them to the receipt.
    pub(super) fn take(
        &mut self,
        charges: &[Charge],
        verdicts: &[Verdict],
        receipt: &mut Receipt,
        step: &mut Step,
    ) {
        let before = receipt.0.len();
        let now = step.now;
        self.change(charges[0].client, step, |record| {
            record.make_room(charges.len());
            for charge in charges.iter().filter(|charge| is_taken(charge, charges, verdicts)) {
                receipt.add(charge, record.take(charge, now));
            }
            receipt.0.len() > before
        });
    }

    /// Changes what is known of a client. The change says whether it has changed anything. A client that is new here then
    /// drives out those in whom nothing matters any more, and if the cell is full even then, of those who are not spared the one that
    /// has used the least of its limits, of several the one that came last.
    pub(super) fn change(
        &mut self,
        client: Fingerprint,
        step: &mut Step,
        change: impl FnOnce(&mut Record) -> bool,
    ) {
        let place = if let Some(place) = self.place(client) {
            if !change(&mut self.records[place]) {
                return;
            }
            place
        } else {
            let mut record = Record::default();
            if !change(&mut record) {
                return;
            }
            self.make_room(step);
            (self.clients[self.count], self.records[self.count]) = (client, record);
            self.count += 1;
            self.count - 1
        };
        let record = &mut self.records[place];
        record.prune(step.now);
        if record.is_empty() {
            self.remove(place);
        }
    }

    fn place(&self, client: Fingerprint) -> Option<usize> {
        self.clients[..self.count].iter().position(|known| *known == client)
    }

    fn make_room(&mut self, step: &mut Step) {
        let mut kept = 0;
        for place in 0..self.count {
            if self.records[place].matters(step.now) {
                self.clients.swap(kept, place);
                self.records.swap(kept, place);
                kept += 1;
            }
        }
        self.records[kept..self.count].fill_with(Record::default);
        self.count = kept;
        let order =
            |place: &usize| ((step.spared)(self.clients[*place]), self.records[*place].fill(step.now));
        if kept == ROOM
            && let Some(least) = (0..ROOM).rev().min_by_key(order)
        {
            self.remove(least);
            step.events.evicted += 1;
        }
    }

    fn remove(&mut self, place: usize) {
        self.clients[place..self.count].rotate_left(1);
        self.records[place..self.count].rotate_left(1);
        self.count -= 1;
        self.records[self.count] = Record::default();
    }
}
