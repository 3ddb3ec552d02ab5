//! Cells of bytes in this process's memory: what tests put in a proxy's place.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::store::{Cells, Unavailable};

/// Cells in memory, shared by threads.
#[derive(Debug, Default)]
pub struct MemoryCells {
    cells: Mutex<HashMap<u32, (Vec<u8>, u64)>>,
}

impl Cells for MemoryCells {
    type Version = u64;

    fn read(&self, cell: u32) -> Result<(Vec<u8>, u64), Unavailable> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(cells.get(&cell).cloned().unwrap_or_default())
    }

    fn write(&self, cell: u32, bytes: &[u8], version: &u64) -> Result<bool, Unavailable> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let (old, current) = cells.entry(cell).or_default();
        let won = current == version;
        if won {
            bytes.clone_into(old);
            *current += 1;
        }
        Ok(won)
    }
}

impl MemoryCells {
    /// How many bytes all cells hold together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.values().map(|(bytes, _)| bytes.len()).sum()
    }
}
