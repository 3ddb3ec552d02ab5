//! What all policies of this process share: tables of counters, and what goes with each, by its name.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock};

use tollgate::store::{Capacity, MemoryTable, SharedData, TableName, Unavailable};

use crate::lock::lock;

/// All tables. They stay as long as the process: a policy that goes, and comes back, finds its counters.
static TABLES: Mutex<BTreeMap<String, Arc<Space>>> = Mutex::new(BTreeMap::new());

/// One table, and what is agreed on beside it.
#[derive(Default)]
pub(crate) struct Space {
    agreed: MemoryData,
    table: OnceLock<Arc<MemoryTable>>,
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

    /// The table, made with this capacity if it is not there: that it is the same was agreed on.
    pub(crate) fn table(&self, capacity: Capacity) -> Arc<MemoryTable> {
        self.table.get_or_init(|| Arc::new(MemoryTable::new(capacity))).clone()
    }

    /// The table, if there is one.
    pub(crate) fn table_in_use(&self) -> Option<Arc<MemoryTable>> {
        self.table.get().cloned()
    }
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
