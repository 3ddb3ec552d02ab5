//! A table of fixed capacity over compare-and-set cells.

use std::time::Duration;

use super::acts::Acts;
use super::capacity::Capacity;
use super::cell::{self, Place};
use super::counters::Counters;
use super::record::Record;
use super::rules::{self, Records, Step, is_denied, is_taken};
use super::{Cells, Charge, Events, Fingerprint, Outcome, Receipt, Seen, Settlement, StoreError, Watched};
use crate::limit::Verdict;
use crate::time::Time;

/// How often one step is tried while other workers are faster. Each lost race is another worker's success,
/// so that even eight workers on one counter come nowhere near it.
const ATTEMPTS: u32 = 100;

/// The counters of many clients in cells that several workers share.
///
/// Where a client's counters stand follows from its fingerprint, so that the usual request, whose charges are
/// all one client's, costs one read and one compare-and-set; a denied one costs only the read.
///
/// Charges of several clients are taken one client after the other, and given back if a later one turns out to be denied
/// by then; meanwhile others may see a unit too many used, never one too few.
#[derive(Debug)]
pub struct Table<C> {
    cells: C,
    capacity: Capacity,
}

/// One client's record as it was read, see [`Counters::load`].
pub struct Loaded<V> {
    client: Fingerprint,
    cell: u32,
    bytes: Vec<u8>,
    /// Where in these bytes the record stands.
    place: Option<Place>,
    version: V,
    record: Record,
}

impl<C: Cells> Table<C> {
    /// A table in these cells, of which it uses the first `capacity / 8`, and two more.
    pub const fn new(cells: C, capacity: Capacity) -> Self {
        Self { cells, capacity }
    }

    /// The cells it stands in.
    pub const fn cells(&self) -> &C {
        &self.cells
    }

    /// Takes one client's charges, and adds them to the receipt. False, and nothing was taken, if another worker has used up
    /// an enforced limit meanwhile; the verdicts then say so.
    fn take(
        &self,
        charges: &[Charge],
        mut loaded: Loaded<C::Version>,
        verdicts: &mut [Verdict],
        receipt: &mut Receipt,
        step: &mut Step,
    ) -> Result<bool, StoreError> {
        let before = receipt.0.len();
        for _ in 0..ATTEMPTS {
            for charge in charges.iter().filter(|charge| is_taken(charge, charges, verdicts)) {
                let mark = loaded.record.take(charge, step.now);
                receipt.add(charge, mark);
            }
            let is_stored = if receipt.0.len() == before { Ok(true) } else { self.store(&loaded, step) };
            if is_stored == Ok(true) {
                return Ok(true);
            }
            receipt.0.truncate(before);
            is_stored?;
            loaded = self.load(charges[0].client, step.events)?;
            for (charge, verdict) in charges.iter().zip(&mut *verdicts) {
                *verdict = loaded.record.check(charge, step.now);
            }
            if is_denied(charges, verdicts) {
                return Ok(false);
            }
        }
        Err(StoreError::Contended)
    }

    /// The cell behind all others.
    const fn everybodys_cell(&self) -> u32 {
        self.capacity.cells()
    }

    /// Writes a client's counters back; false if another worker was faster.
    fn store(&self, loaded: &Loaded<C::Version>, step: &mut Step) -> Result<bool, StoreError> {
        let mut made = Events::default();
        let tried = &mut Step { now: step.now, spared: step.spared, events: &mut made };
        let Loaded { client, cell, bytes, place, version, record, .. } = loaded;
        let bytes = cell::replace(bytes, place.as_ref(), *client, record, tried);
        let won = self.cells.write(*cell, &bytes, version)?;
        *step.events += if won { made } else { Events { lost_races: 1, ..Events::default() } };
        Ok(won)
    }

    /// Behind everybody's.
    const fn acts_cell(&self) -> u32 {
        self.everybodys_cell() + 1
    }
}

impl<C: Cells> Records for Table<C> {
    /// Again if another worker is faster.
    fn update(
        &self,
        client: Fingerprint,
        step: &mut Step,
        mut change: impl FnMut(&mut Record) -> bool,
    ) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            let mut loaded = self.load(client, step.events)?;
            if !change(&mut loaded.record) || self.store(&loaded, step)? {
                return Ok(());
            }
        }
        Err(StoreError::Contended)
    }
}

impl<C: Cells> Counters for Table<C> {
    type Loaded = Loaded<C::Version>;

    fn load(&self, client: Fingerprint, events: &mut Events) -> Result<Self::Loaded, StoreError> {
        // Everybody's counter stands alone, behind the others: no newcomer drives it out.
        let cell = match client {
            Fingerprint::EVERYBODY => self.everybodys_cell(),
            client => client.place(self.capacity.cells()),
        };
        let (bytes, version) = self.cells.read(cell)?;
        let (record, place) = cell::find(&bytes, client, events);
        Ok(Loaded { client, cell, bytes, place, version, record })
    }

    fn proved_for(loaded: &Self::Loaded, now: Time) -> Option<Duration> {
        loaded.record.proved_for(now)
    }

    fn charge(
        &self,
        charges: &[Charge],
        mut loaded: Option<Self::Loaded>,
        now: Time,
    ) -> Result<Outcome, StoreError> {
        let mut events = Events::default();
        let mut verdicts = Vec::with_capacity(charges.len());
        let mut clients = Vec::with_capacity(2);
        let known = loaded.as_ref().map(|loaded| loaded.client);
        let spared = |client| known == Some(client) || charges.iter().any(|charge| charge.client == client);
        for charges in charges.chunk_by(|one, next| one.client == next.client) {
            let client = charges[0].client;
            let loaded = match loaded.take_if(|loaded| loaded.client == client) {
                Some(loaded) => loaded,
                None => self.load(client, &mut events)?,
            };
            verdicts.extend(charges.iter().map(|charge| loaded.record.check(charge, now)));
            clients.push((charges, loaded));
        }
        let mut receipt = Receipt(Vec::with_capacity(charges.len()));
        if is_denied(charges, &verdicts) {
            return Ok(Outcome { verdicts, receipt, events });
        }
        let mut start = 0;
        for (charges, loaded) in clients {
            let end = start + charges.len();
            let step = &mut Step { now, spared: &spared, events: &mut events };
            let taken = self.take(charges, loaded, &mut verdicts[start..end], &mut receipt, step);
            match taken {
                Ok(true) => {}
                Ok(false) => {
                    // Denied is denied, whether or not the others get theirs back.
                    let failed = |_| Events { unsettled: 1, ..Events::default() };
                    events += self.refund(std::mem::take(&mut receipt), now).unwrap_or_else(failed);
                    break;
                }
                Err(error) => {
                    // Why there is no decision is what says what becomes of the request.
                    let _ = self.refund(receipt, now);
                    return Err(error);
                }
            }
            start = end;
        }
        Ok(Outcome { verdicts, receipt, events })
    }

    fn settle(&self, settlement: Settlement, now: Time) -> Result<Events, StoreError> {
        rules::settle(self, &settlement, now)
    }

    fn last_cell(&self) -> u32 {
        self.everybodys_cell()
    }

    fn survey(&self, number: u32, watched: &[Watched], now: Time) -> Result<Vec<Seen>, StoreError> {
        let (bytes, _) = self.cells.read(number)?;
        let records = cell::readable(&bytes).filter(|(_, record)| record.matters(now));
        Ok(records.map(|(client, record)| record.seen(client, watched, now)).collect())
    }

    fn look(&self, client: Fingerprint, watched: &[Watched], now: Time) -> Result<Seen, StoreError> {
        let loaded = self.load(client, &mut Events::default())?;
        Ok(loaded.record.seen(client, watched, now))
    }

    fn pardon(&self, client: Fingerprint, now: Time) -> Result<bool, StoreError> {
        rules::pardon(self, client, now)
    }

    fn acts(&self, events: &mut Events) -> Result<Acts, StoreError> {
        let (bytes, _) = self.cells.read(self.acts_cell())?;
        Ok(understood(&bytes, events))
    }

    fn change_acts<T>(&self, now: Time, change: impl Fn(&mut Acts) -> T) -> Result<T, StoreError> {
        for _ in 0..ATTEMPTS {
            let (bytes, version) = self.cells.read(self.acts_cell())?;
            let before = understood(&bytes, &mut Events::default());
            let mut acts = before.clone();
            let result = change(&mut acts);
            if acts == before || self.cells.write(self.acts_cell(), &acts.encode(now), &version)? {
                return Ok(result);
            }
        }
        Err(StoreError::Contended)
    }
}

fn understood(bytes: &[u8], events: &mut Events) -> Acts {
    Acts::decode(bytes).unwrap_or_else(|| {
        events.corrupt += 1;
        Acts::default()
    })
}
