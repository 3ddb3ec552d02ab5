//! A table of fixed capacity over compare-and-set cells.

use std::cell::Cell;
use std::time::Duration;

use super::cell::{self, Place, WAYS};
use super::record::Record;
use super::{Cells, Charge, Events, Fingerprint, Outcome, Receipt, Settlement, Stays, StoreError, Taken};
use crate::limit::Verdict;
use crate::time::Time;

/// How often one step is tried while other workers are faster. Each lost race is another worker's success,
/// so that even eight workers on one counter come nowhere near it.
pub(super) const ATTEMPTS: u32 = 100;

/// How many clients a table keeps counters for at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity(u32);

impl Capacity {
    /// The smallest capacity.
    pub const MIN: u32 = 64;
    /// The largest capacity.
    pub const MAX: u32 = 1 << 24;

    /// A capacity of `clients`; `None` unless within [`Self::MIN`]`..=`[`Self::MAX`].
    #[must_use]
    pub const fn new(clients: u32) -> Option<Self> {
        if clients < Self::MIN || clients > Self::MAX { None } else { Some(Self(clients)) }
    }

    /// The most clients.
    #[must_use]
    pub const fn clients(self) -> u32 {
        self.0
    }

    const fn cells(self) -> u32 {
        self.0.div_ceil(WAYS)
    }
}

impl Default for Capacity {
    fn default() -> Self {
        Self(65_536)
    }
}

/// The counters of many clients in cells that several workers share.
///
/// Where a client's counters stand follows from its fingerprint, so that the usual request, whose charges are
/// all one client's, costs one read and one compare-and-set; a denied one costs only the read.
#[derive(Debug)]
pub struct Table<C> {
    cells: C,
    capacity: Capacity,
}

/// One client's record as it was read, see [`Table::load`].
pub struct Loaded<V> {
    client: Fingerprint,
    cell: u32,
    bytes: Vec<u8>,
    /// Where in these bytes the record stands.
    place: Option<Place>,
    version: V,
    pub(super) record: Record,
}

impl<V> Loaded<V> {
    /// For how long the application's acceptance of this client counts yet; `None` if it does not count.
    #[must_use]
    pub fn proved_for(&self, now: Time) -> Option<Duration> {
        self.record.proved_for(now)
    }
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

    /// Takes all charges or none, and says what became of each.
    ///
    /// The charges of one client must stand together. If a charge of an enforced scope is denied, nothing is
    /// taken. Else everything is, except for the charges of shadow scopes of which one is denied.
    ///
    /// Between workers each client's charges are one atomic step. Charges of several clients are taken one
    /// client after the other, and given back if a later one turns out to be denied by then; meanwhile
    /// others may see a unit too many used, never one too few.
    ///
    /// If the record of one of the clients has been loaded already, it is not read again.
    ///
    /// # Errors
    /// If the cells cannot be reached, or other workers were faster a hundred times in a row. Nothing is
    /// taken then; what had been taken from other clients' counters is given back if that is possible. A denial is no
    /// error even where it is not possible: [`Events::unsettled`] tells that.
    pub fn charge(
        &self,
        charges: &[Charge],
        mut loaded: Option<Loaded<C::Version>>,
        now: Time,
    ) -> Result<Outcome, StoreError> {
        let mut events = Events::default();
        let mut verdicts = Vec::with_capacity(charges.len());
        let mut clients = Vec::with_capacity(2);
        for charges in charges.chunk_by(|one, next| one.client == next.client) {
            let client = charges[0].client;
            let mut loaded = match loaded.take_if(|loaded| loaded.client == client) {
                Some(loaded) => loaded,
                None => self.load(client, &mut events)?,
            };
            verdicts
                .extend(charges.iter().map(|charge| loaded.record.counter(charge).check(now, charge.cost)));
            clients.push((charges, loaded));
        }
        let mut receipt = Receipt(Vec::with_capacity(charges.len()));
        if is_denied(charges, &verdicts) {
            return Ok(Outcome { verdicts, receipt, events });
        }
        let mut start = 0;
        for (charges, loaded) in clients {
            let end = start + charges.len();
            let taken = self.take(charges, loaded, &mut verdicts[start..end], &mut receipt, now, &mut events);
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

    /// Gives back what was taken, as far as time has not given it back already.
    ///
    /// # Errors
    /// As for [`Self::charge`]; what could not be given back stays taken until its window is over.
    pub fn refund(&self, receipt: Receipt, now: Time) -> Result<Events, StoreError> {
        self.settle(Settlement::undo(receipt), now)
    }

    /// Does what is left to do for a request that has been answered: notes a proof, and gives back; but of the limit on new
    /// credentials only if the proof was known already. For each client that is one atomic step.
    ///
    /// # Errors
    /// As for [`Self::charge`]. What can be done for the other clients is done.
    pub fn settle(&self, settlement: Settlement, now: Time) -> Result<Events, StoreError> {
        let Settlement { proof, given_back } = settlement;
        let mut events = Events::default();
        let mut outcome = Ok(());
        let of_clients = || given_back.0.chunk_by(|one, next| one.client == next.client);
        let is_bearers = |taken: &[Taken]| proof.is_some_and(|proof| proof.client == taken[0].client);
        // The bearer first: whether its proof is new decides what others are given back.
        let is_new = Cell::new(false);
        if let Some(proof) = proof {
            let taken = of_clients().find(|taken| is_bearers(taken)).unwrap_or_default();
            outcome = self.update(proof.client, now, &mut events, |record| {
                is_new.set(record.proved_for(now).is_none());
                record.prove(now.after(proof.noted_for()));
                give_back(record, taken.iter(), now);
            });
        }
        for taken in of_clients().filter(|taken| !is_bearers(taken)) {
            let done = self.update(taken[0].client, now, &mut events, |record| {
                let stays = |taken: &&Taken| taken.stays == Stays::IfNew && is_new.get();
                give_back(record, taken.iter().filter(|taken| !stays(taken)), now);
            });
            outcome = outcome.and(done);
        }
        outcome.map(|()| events)
    }

    /// Changes one client's record, again if another worker is faster. What does not change is not written.
    pub(super) fn update(
        &self,
        client: Fingerprint,
        now: Time,
        events: &mut Events,
        mut change: impl FnMut(&mut Record),
    ) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            let mut loaded = self.load(client, events)?;
            let before = loaded.record.clone();
            change(&mut loaded.record);
            if loaded.record == before || self.store(&loaded, now, events)? {
                return Ok(());
            }
        }
        Err(StoreError::Contended)
    }

    /// Takes one client's charges, and adds them to the receipt. False, and nothing was taken, if another worker has used up
    /// an enforced limit meanwhile; the verdicts then say so.
    fn take(
        &self,
        charges: &[Charge],
        mut loaded: Loaded<C::Version>,
        verdicts: &mut [Verdict],
        receipt: &mut Receipt,
        now: Time,
        events: &mut Events,
    ) -> Result<bool, StoreError> {
        let before = receipt.0.len();
        for _ in 0..ATTEMPTS {
            for charge in charges.iter().filter(|charge| is_taken(charge, charges, verdicts)) {
                let mark = loaded.record.counter(charge).take(now, charge.cost);
                receipt.add(charge, mark);
            }
            let is_stored =
                if receipt.0.len() == before { Ok(true) } else { self.store(&loaded, now, events) };
            if is_stored == Ok(true) {
                return Ok(true);
            }
            receipt.0.truncate(before);
            is_stored?;
            loaded = self.load(charges[0].client, events)?;
            for (charge, verdict) in charges.iter().zip(&mut *verdicts) {
                *verdict = loaded.record.counter(charge).check(now, charge.cost);
            }
            if is_denied(charges, verdicts) {
                return Ok(false);
            }
        }
        Err(StoreError::Contended)
    }

    /// Reads the record of one client.
    ///
    /// # Errors
    /// If the cells cannot be reached.
    pub fn load(&self, client: Fingerprint, events: &mut Events) -> Result<Loaded<C::Version>, StoreError> {
        // Everybody's counter stands alone, behind the others: no newcomer drives it out.
        let cell = match client {
            Fingerprint::EVERYBODY => self.everybodys_cell(),
            client => client.place(self.capacity.cells()),
        };
        let (bytes, version) = self.cells.read(cell)?;
        let (record, place) = cell::find(&bytes, client, events);
        Ok(Loaded { client, cell, bytes, place, version, record })
    }

    /// The cell behind all others.
    pub(super) const fn everybodys_cell(&self) -> u32 {
        self.capacity.cells()
    }

    /// Writes a client's counters back; false if another worker was faster.
    fn store(&self, loaded: &Loaded<C::Version>, now: Time, events: &mut Events) -> Result<bool, StoreError> {
        let mut made = Events::default();
        let Loaded { client, cell, bytes, place, version, record, .. } = loaded;
        let bytes = cell::replace(bytes, place.as_ref(), *client, record, now, &mut made);
        let won = self.cells.write(*cell, &bytes, version)?;
        *events += if won { made } else { Events { lost_races: 1, ..Events::default() } };
        Ok(won)
    }
}

fn give_back<'t>(record: &mut Record, taken: impl Iterator<Item = &'t Taken>, now: Time) {
    for taken in taken {
        if let Some(counter) = record.existing(taken.counter) {
            counter.give_back(taken.mark, now, taken.cost);
        }
    }
}

fn is_denied(charges: &[Charge], verdicts: &[Verdict]) -> bool {
    charges.iter().zip(verdicts).any(|(charge, verdict)| charge.enforced && !verdict.is_admitted())
}

/// A charge of a shadow scope is taken if the scope, were it enforced, would admit the request.
fn is_taken(charge: &Charge, charges: &[Charge], verdicts: &[Verdict]) -> bool {
    let mut of_scope = charges.iter().zip(verdicts).filter(|(other, _)| other.scope == charge.scope);
    charge.enforced || of_scope.all(|(_, verdict)| verdict.is_admitted())
}
