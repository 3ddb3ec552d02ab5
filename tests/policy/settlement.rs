//! Settlement, against the model, with the counters of this proxy.

use std::cell::Cell;

use proptest::prelude::*;
use tollgate::client::Client;
use tollgate::gate::{Gate, Passage, Pending};
use tollgate::store::{Cells, Counters, MemoryCells, Settlement, Table, Unavailable};
use tollgate::time::Time;

use super::SECRET;
use super::both::Both;
use super::settled::{Subject, events, policies, walk};

/// Cells in which now and then another worker seems to have been faster.
#[derive(Default)]
struct Raced {
    cells: MemoryCells,
    writes: Cell<u32>,
}

impl Cells for Raced {
    type Version = u64;

    fn read(&self, cell: u32) -> Result<(Vec<u8>, u64), Unavailable> {
        self.cells.read(cell)
    }

    fn write(&self, cell: u32, bytes: &[u8], version: &u64) -> Result<bool, Unavailable> {
        self.writes.set(self.writes.get() + 1);
        if self.writes.get().is_multiple_of(3) { Ok(false) } else { self.cells.write(cell, bytes, version) }
    }
}

struct Here<T>(Gate<T>);

impl<T: Counters> Subject for Here<T> {
    type Counters = T;

    fn gate(&self) -> &Gate<T> {
        &self.0
    }

    fn admit(&mut self, client: &Client, now: Time) -> Passage {
        self.0.admit(client, Pending::default(), now)
    }

    fn settle(&mut self, settlement: Settlement, now: Time) {
        self.0.settle(settlement, now).expect("memory is always there");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn everybody_is_charged_what_the_answers_say(policy in policies(), events in events()) {
        let config = policy.config();
        let table = Table::new(Raced::default(), config.capacity);
        walk(&mut Here(Gate::new(config, SECRET, table)), &policy, &events, 1_000)?;
    }

    #[test]
    fn also_in_memory(policy in policies(), events in events()) {
        let config = policy.config();
        let both = Both::new(config.capacity);
        walk(&mut Here(Gate::new(config, SECRET, both)), &policy, &events, 1_000)?;
    }
}
