//! What all policies of this process share: tables of counters, and what goes with each, by its name.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use tollgate::store::{
    CAPACITY, Capacity, Counters, Events, MemoryTable, SharedData, TableName, Unavailable,
};
use tollgate::time::Time;

use crate::lock::lock;

/// All tables. One that no policy has stays as long as anything in it matters: a policy that goes, and comes back, finds its counters.
static TABLES: Mutex<BTreeMap<String, Arc<Space>>> = Mutex::new(BTreeMap::new());

/// One table, and what is agreed on beside it.
#[derive(Default)]
pub(crate) struct Space {
    agreed: MemoryData,
    table: Mutex<Option<Arc<MemoryTable>>>,
}

/// Lets go of each table that no policy has and in which nothing matters: its memory is free, and it can be laid out for another capacity.
/// Such a one is also left behind by a policy that Envoy has refused for another filter's sake.
pub(crate) fn tidy_up(now: Time) {
    for space in lock(&TABLES).values() {
        space.tidy_up(now);
    }
}

impl Space {
    /// What has this name; the one without a name is called by the empty one.
    pub(crate) fn of(name: Option<&TableName>) -> Arc<Self> {
        let mut tables = lock(&TABLES);
        tables.entry(name.map_or("", TableName::as_str).to_owned()).or_default().clone()
    }

    /// What is agreed on.
    pub(crate) fn agreed(&self) -> MemoryData {
        self.agreed.clone()
    }

    /// The table, made with this capacity if it is not there. `None` if it has another one.
    pub(crate) fn table(&self, capacity: Capacity) -> Option<Arc<MemoryTable>> {
        let mut table = lock(&self.table);
        let table = table.get_or_insert_with(|| Arc::new(MemoryTable::new(capacity)));
        (table.capacity() == capacity).then(|| table.clone())
    }

    /// The table, if there is one.
    pub(crate) fn table_in_use(&self) -> Option<Arc<MemoryTable>> {
        lock(&self.table).clone()
    }

    fn tidy_up(&self, now: Time) {
        let mut table = lock(&self.table);
        // While it is locked nobody else comes to have it.
        if table.as_ref().is_some_and(|table| Arc::strong_count(table) == 1 && is_idle(table, now)) {
            *table = None;
            lock(&self.agreed.0).remove(CAPACITY);
        }
    }
}

/// Whether nothing that stands in the table matters any more.
fn is_idle(table: &MemoryTable, now: Time) -> bool {
    let is_empty = |cell| table.survey(cell, &[], now).is_ok_and(|seen| seen.is_empty());
    let acts = table.acts(&mut Events::default());
    acts.is_ok_and(|acts| acts.blocked(now).next().is_none()) && (0..=table.last_cell()).all(is_empty)
}

/// Bytes by name, as a proxy's shared data has them: each with a version, from 1 on.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryData(Arc<Mutex<Entries>>);

/// Each with its version.
type Entries = HashMap<Vec<u8>, (Vec<u8>, u32)>;

impl SharedData for MemoryData {
    fn get(&self, name: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Unavailable> {
        Ok(lock(&self.0).get(name).cloned())
    }

    fn set(&self, name: &[u8], bytes: &[u8], version: u32) -> Result<bool, Unavailable> {
        let mut entries = lock(&self.0);
        let Some((old, current)) = entries.get_mut(name) else {
            entries.insert(name.to_owned(), (bytes.to_owned(), 1));
            return Ok(true);
        };
        if *current != version {
            return Ok(false);
        }
        bytes.clone_into(old);
        // No entry ever has the version that stands for one that is not there.
        *current = current.wrapping_add(1) % u32::MAX;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tollgate::limit::Limit;
    use tollgate::store::{Charge, CounterId, Fingerprint, Fingerprinter, Secret, SharedCells, Stays};

    use super::*;

    const SMALL: u32 = 128;
    const LARGE: u32 = 256;

    /// What a policy does when it is opened: the table, or why it is refused.
    fn open(space: &Space, clients: u32, now: Time) -> Result<Arc<MemoryTable>, String> {
        let capacity = Capacity::new(clients).expect("a capacity");
        space.tidy_up(now);
        SharedCells::open(space.agreed())?.agree_on_capacity(capacity)?;
        space.table(capacity).ok_or_else(|| "another capacity".to_owned())
    }

    fn count(table: &MemoryTable, now: Time) {
        let limit = Limit::sliding_window("2/min".parse().expect("a rate"));
        let (counter, stays) = (CounterId(1), Stays::Always);
        let charge = Charge { client: somebody(), counter, limit, cost: 1, scope: 0, enforced: true, stays };
        drop(table.charge(&[charge], None, now).expect("memory").receipt);
    }

    fn somebody() -> Fingerprint {
        Fingerprinter::new(&Secret::new([0; 16])).finish()
    }

    fn at(seconds: u64) -> Time {
        Time::default().after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_policy_that_was_refused_has_laid_out_no_table() {
        let space = Space::default();
        drop(open(&space, SMALL, at(0)).expect("a table"));
        assert_eq!(open(&space, LARGE, at(0)).expect("a table").capacity().clients(), LARGE);
    }

    #[test]
    fn a_table_that_another_policy_has_keeps_its_capacity() {
        let space = Space::default();
        let _kept = open(&space, SMALL, at(0)).expect("a table");
        assert!(open(&space, LARGE, at(0)).is_err());
    }

    #[test]
    fn a_table_stays_until_nothing_in_it_matters() {
        let space = Space::default();
        let table = open(&space, SMALL, at(0)).expect("a table");
        count(&table, at(0));
        drop(table);
        assert!(open(&space, LARGE, at(30)).is_err(), "somebody was counted half a minute ago");
        assert!(open(&space, LARGE, at(90)).is_ok());
    }

    #[test]
    fn a_table_stays_while_somebody_is_blocked_in_it() {
        let space = Space::default();
        let table = open(&space, SMALL, at(0)).expect("a table");
        let block = table.change_acts(at(0), |acts| acts.block(somebody(), at(60), at(0)).is_ok());
        assert_eq!(block, Ok(true));
        drop(table);
        assert!(open(&space, LARGE, at(30)).is_err());
        assert!(open(&space, LARGE, at(90)).is_ok());
    }
}
