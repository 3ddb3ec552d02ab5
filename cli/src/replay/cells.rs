//! Cells of one thread: a place in a list for each, without a lock.

use std::cell::RefCell;

use tollgate::store::{Cells, Unavailable};

/// Cells in this thread's memory.
#[derive(Debug, Default)]
pub(crate) struct ListedCells(RefCell<Vec<(Vec<u8>, u64)>>);

impl Cells for ListedCells {
    type Version = u64;

    fn read(&self, cell: u32) -> Result<(Vec<u8>, u64), Unavailable> {
        let cells = self.0.try_borrow().map_err(|_| Unavailable)?;
        Ok(cells.get(cell as usize).cloned().unwrap_or_default())
    }

    fn write(&self, cell: u32, bytes: &[u8], version: &u64) -> Result<bool, Unavailable> {
        let mut cells = self.0.try_borrow_mut().map_err(|_| Unavailable)?;
        let cell = cell as usize;
        if cells.len() <= cell {
            cells.resize_with(cell + 1, Default::default);
        }
        let (old, current) = &mut cells[cell];
        let won = current == version;
        if won {
            bytes.clone_into(old);
            *current += 1;
        }
        Ok(won)
    }
}
