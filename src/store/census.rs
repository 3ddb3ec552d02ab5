//! How many clients' counters matter, told by looking at a part of the table now and then.

use std::collections::VecDeque;

use super::{Counters, StoreError};
use crate::time::Time;

/// So many cells are looked at each time, which takes a millisecond at the most.
const CELLS: u32 = 64;

/// So many times are remembered: with the default capacity, those are the whole table.
const TIMES: usize = 128;

/// Counts the clients that matter, a few cells at a time. Where all cells are not looked at within `TIMES` steps, it is an estimate from those
/// that were: clients stand where their fingerprint says, evenly spread.
#[derive(Debug, Default)]
pub struct Census {
    next: u32,
    counted: VecDeque<(u32, u32)>,
}

impl Census {
    /// Looks at some more cells. Returns how many clients there are, as far as that is known.
    ///
    /// # Errors
    /// If a cell cannot be read.
    pub fn step<T: Counters>(&mut self, table: &T, now: Time) -> Result<u64, StoreError> {
        let all = table.last_cell() + 1;
        let times = usize::try_from(all.div_ceil(CELLS)).unwrap_or(TIMES).min(TIMES);
        let first = if self.next < all { self.next } else { 0 };
        let end = all.min(first + CELLS);
        let mut clients = 0;
        for cell in first..end {
            let seen = table.survey(cell, &[], now)?;
            clients += u32::try_from(seen.len()).unwrap_or(u32::MAX);
        }
        self.next = end;
        self.counted.push_back((end - first, clients));
        while self.counted.len() > times {
            self.counted.pop_front();
        }
        let sum = |part: fn(&(u32, u32)) -> u32| {
            self.counted.iter().map(|counted| u64::from(part(counted))).sum::<u64>()
        };
        Ok(sum(|(_, clients)| *clients) * u64::from(all) / sum(|(cells, _)| *cells).max(1))
    }
}
