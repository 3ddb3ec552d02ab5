//! What operators see of the table, and do in it.

use std::time::Duration;

use super::acts::{Acts, Keeper};
use super::table::{ATTEMPTS, Table};
use super::{Cells, Events, Fingerprint, Seen, StoreError, Watched, cell};
use crate::time::Time;

impl<C: Cells> Table<C> {
    /// How many cells hold counters of clients. [`Self::survey`] knows those from 0 on, up to this one.
    #[must_use]
    pub const fn last_cell(&self) -> u32 {
        self.everybodys_cell()
    }

    /// All clients in one cell in whom anything matters, as these limits see them.
    ///
    /// # Errors
    /// If the cell cannot be read. One that holds something else is empty.
    pub fn survey(&self, number: u32, watched: &[Watched], now: Time) -> Result<Vec<Seen>, StoreError> {
        let (bytes, _) = self.cells().read(number)?;
        let records = cell::readable(&bytes).filter(|(_, record)| record.fill(now) > 0);
        Ok(records.map(|(client, record)| record.seen(client, watched, now)).collect())
    }

    /// One client, as these limits see it. Nothing is taken.
    ///
    /// # Errors
    /// If the cell cannot be read.
    pub fn look(&self, client: Fingerprint, watched: &[Watched], now: Time) -> Result<Seen, StoreError> {
        let loaded = self.load(client, &mut Events::default())?;
        Ok(loaded.record.seen(client, watched, now))
    }

    /// Forgets a client: its counters, and that the application has accepted it. Returns whether there was anything to forget.
    ///
    /// # Errors
    /// If the cell cannot be reached, or is contended.
    pub fn pardon(&self, client: Fingerprint, now: Time) -> Result<bool, StoreError> {
        let mut was = false;
        self.update(client, now, &mut Events::default(), |record| {
            was = record.fill(now) > 0;
            record.forget();
        })?;
        Ok(was)
    }

    /// What operators have done. Bytes that are something else are counted as corrupt.
    ///
    /// # Errors
    /// If the cell cannot be read.
    pub fn acts(&self, events: &mut Events) -> Result<Acts, StoreError> {
        let (bytes, _) = self.cells().read(self.acts_cell())?;
        Ok(understood(&bytes, events))
    }

    /// Changes what operators have done, again if somebody else is faster.
    ///
    /// # Errors
    /// If the cell cannot be reached, or is contended.
    pub fn change_acts<T>(&self, now: Time, change: impl Fn(&mut Acts) -> T) -> Result<T, StoreError> {
        for _ in 0..ATTEMPTS {
            let (bytes, version) = self.cells().read(self.acts_cell())?;
            let before = understood(&bytes, &mut Events::default());
            let mut acts = before.clone();
            let result = change(&mut acts);
            if acts == before || self.cells().write(self.acts_cell(), &acts.encode(now), &version)? {
                return Ok(result);
            }
        }
        Err(StoreError::Contended)
    }

    /// Copies what stands in Redis, if that is news.
    ///
    /// # Errors
    /// As for [`Self::change_acts`].
    pub fn hear(
        &self,
        keeper: Keeper,
        number: u64,
        blocked: &[(Fingerprint, Duration)],
        now: Time,
    ) -> Result<(), StoreError> {
        self.change_acts(now, |acts| {
            let mut heard = acts.clone();
            heard.copy(keeper, number, blocked, now);
            if !heard.is_like(acts) {
                *acts = heard;
            }
        })
    }

    /// Behind everybody's.
    const fn acts_cell(&self) -> u32 {
        self.everybodys_cell() + 1
    }
}

fn understood(bytes: &[u8], events: &mut Events) -> Acts {
    Acts::decode(bytes).unwrap_or_else(|| {
        events.corrupt += 1;
        Acts::default()
    })
}
