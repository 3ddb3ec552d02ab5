//! A table of fixed capacity over compare-and-set cells.

use super::cell::{self, Place, WAYS};
use super::record::Record;
use super::{Cells, Charge, Charged, Events, Fingerprint, Receipt, Settlement, StoreError, Taken};
use crate::limit::Verdict;
use crate::time::Time;

/// How often one step is tried while other workers are faster. Each lost race is another worker's success,
/// so that even eight workers on one counter come nowhere near it.
const ATTEMPTS: u32 = 100;

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

/// One client's record as it was read, see [`Table::open`].
pub struct Opened<V> {
    client: Fingerprint,
    cell: u32,
    bytes: Vec<u8>,
    /// Where in these bytes the record stands.
    place: Option<Place>,
    version: V,
    record: Record,
    prolong: Option<Time>,
}

impl<V> Opened<V> {
    /// Whether the application has accepted this client, and that still counts.
    #[must_use]
    pub fn is_proved(&self, now: Time) -> bool {
        self.record.is_proved(now)
    }

    /// Lets the proof, if there is one, count until then, once a charge is admitted.
    #[must_use]
    pub const fn prolonged(mut self, until: Time) -> Self {
        self.prolong = Some(until);
        self
    }

    fn prolong_proof(&mut self, now: Time) {
        if self.record.is_proved(now) {
            self.record.proved_until = self.record.proved_until.max(self.prolong);
        }
    }
}

impl<C: Cells> Table<C> {
    /// A table in these cells, of which it uses the first `capacity / 8`.
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
    /// If the record of one of the clients has been opened already, it is not read again.
    ///
    /// # Errors
    /// If the cells cannot be reached, or other workers were faster a hundred times in a row. Nothing is
    /// taken then; what had been taken from other clients' counters is given back if that is possible.
    pub fn charge(
        &self,
        charges: &[Charge],
        mut opened: Option<Opened<C::Version>>,
        now: Time,
    ) -> Result<Charged, StoreError> {
        let mut events = Events::default();
        let mut verdicts = Vec::with_capacity(charges.len());
        let mut clients = Vec::with_capacity(2);
        for charges in charges.chunk_by(|one, next| one.client == next.client) {
            let client = charges[0].client;
            let mut loaded = match opened.take_if(|opened| opened.client == client) {
                Some(opened) => opened,
                None => self.load(client, &mut events)?,
            };
            verdicts.extend(
                charges.iter().map(|charge| loaded.record.counter(charge, now).check(now, charge.cost)),
            );
            clients.push((charges, loaded));
        }
        let mut receipt = Receipt(Vec::with_capacity(charges.len()));
        if is_denied(charges, &verdicts) {
            return Ok(Charged { verdicts, receipt, events });
        }
        let mut start = 0;
        for (charges, loaded) in clients {
            let end = start + charges.len();
            let taken = self.take(charges, loaded, &mut verdicts[start..end], now, &mut events);
            match taken {
                Ok(Some(taken)) => receipt.0.extend(taken),
                Ok(None) => {
                    events += self.refund(std::mem::take(&mut receipt), now)?;
                    break;
                }
                Err(error) => {
                    self.refund(receipt, now)?;
                    return Err(error);
                }
            }
            start = end;
        }
        if let Some(mut unused) = opened.filter(|unused| unused.prolong.is_some()) {
            unused.prolong_proof(now);
            // If the cell has changed meanwhile, the next use prolongs it.
            self.store(&unused, now, &mut events)?;
        }
        Ok(Charged { verdicts, receipt, events })
    }

    /// Reads the record of one client.
    ///
    /// # Errors
    /// If the cells cannot be reached.
    pub fn open(&self, client: Fingerprint, events: &mut Events) -> Result<Opened<C::Version>, StoreError> {
        self.load(client, events)
    }

    /// Notes that the application has accepted this client, which counts until `until`.
    ///
    /// # Errors
    /// As for [`Self::charge`]; nothing is noted then.
    pub fn prove(&self, client: Fingerprint, until: Time, now: Time) -> Result<Events, StoreError> {
        let mut events = Events::default();
        self.update(client, now, &mut events, |record| {
            record.proved_until = record.proved_until.max(Some(until));
        })?;
        Ok(events)
    }

    /// Takes charges for a request that was let through already, as far as there is room: nobody can be
    /// denied any more. Returns whether there was room for all. The charges of one client must stand together.
    ///
    /// # Errors
    /// As for [`Self::charge`]; some of the charges may be taken.
    pub fn take_what_fits(&self, charges: &[Charge], now: Time) -> Result<(bool, Events), StoreError> {
        let mut events = Events::default();
        let mut all_fit = true;
        for charges in charges.chunk_by(|one, next| one.client == next.client) {
            all_fit &= self.update(charges[0].client, now, &mut events, |record| {
                let mut fit = true;
                for charge in charges {
                    let counter = record.counter(charge, now);
                    if counter.check(now, charge.cost).is_admitted() {
                        counter.take(now, charge.cost);
                    } else {
                        fit = false;
                    }
                }
                fit
            })?;
        }
        Ok((all_fit, events))
    }

    /// Gives back what was taken, as far as time has not given it back already.
    ///
    /// # Errors
    /// As for [`Self::charge`]; what could not be given back stays taken until its window is over.
    #[expect(clippy::needless_pass_by_value, reason = "consumed, so that nothing is given back twice")]
    pub fn refund(&self, receipt: Receipt, now: Time) -> Result<Events, StoreError> {
        let mut events = Events::default();
        for taken in receipt.0.chunk_by(|one, next| one.client == next.client) {
            self.update(taken[0].client, now, &mut events, |record| {
                for taken in taken {
                    if let Some(counter) = record.existing(taken.counter) {
                        counter.give_back(taken.mark, now, taken.cost);
                    }
                }
            })?;
        }
        Ok(events)
    }

    /// Does what is left to do for a request that has been answered.
    ///
    /// # Errors
    /// As for [`Self::charge`]; what comes later in the settlement is not done then.
    pub fn settle(&self, settlement: Settlement, now: Time) -> Result<Events, StoreError> {
        let Settlement { proof, due, given_back, made_up_for } = settlement;
        let mut events = Events::default();
        if let Some(proof) = proof {
            events += self.prove(proof.client, now.after(proof.lasts), now)?;
        }
        let (all_fit, more) = self.take_what_fits(&due, now)?;
        events += more;
        events += self.refund(given_back, now)?;
        if all_fit {
            events += self.refund(made_up_for, now)?;
        }
        Ok(events)
    }

    /// Changes one client's record, again if another worker is faster; returns what the change returned. What
    /// does not change is not written.
    fn update<T>(
        &self,
        client: Fingerprint,
        now: Time,
        events: &mut Events,
        change: impl Fn(&mut Record) -> T,
    ) -> Result<T, StoreError> {
        for _ in 0..ATTEMPTS {
            let mut loaded = self.load(client, events)?;
            let before = loaded.record.clone();
            let changed = change(&mut loaded.record);
            if loaded.record == before || self.store(&loaded, now, events)? {
                return Ok(changed);
            }
        }
        Err(StoreError::Contended)
    }

    /// Takes one client's charges. `None` if another worker has used up an enforced limit meanwhile; the
    /// verdicts then say so.
    fn take(
        &self,
        charges: &[Charge],
        mut loaded: Opened<C::Version>,
        verdicts: &mut [Verdict],
        now: Time,
        events: &mut Events,
    ) -> Result<Option<Vec<Taken>>, StoreError> {
        let prolong = loaded.prolong;
        for _ in 0..ATTEMPTS {
            loaded.prolong = prolong;
            loaded.prolong_proof(now);
            let mut taken = Vec::with_capacity(charges.len());
            for charge in charges.iter().filter(|charge| is_taken(charge, charges, verdicts)) {
                let mark = loaded.record.counter(charge, now).take(now, charge.cost);
                let Charge { client, counter, scope, cost, .. } = *charge;
                taken.push(Taken { client, counter, scope, mark, cost });
            }
            let unchanged = taken.is_empty() && prolong.is_none();
            if unchanged || self.store(&loaded, now, events)? {
                return Ok(Some(taken));
            }
            loaded = self.load(charges[0].client, events)?;
            for (charge, verdict) in charges.iter().zip(&mut *verdicts) {
                *verdict = loaded.record.counter(charge, now).check(now, charge.cost);
            }
            if is_denied(charges, verdicts) {
                return Ok(None);
            }
        }
        Err(StoreError::Contended)
    }

    fn load(&self, client: Fingerprint, events: &mut Events) -> Result<Opened<C::Version>, StoreError> {
        let cell = client.place(self.capacity.cells());
        let (bytes, version) = self.cells.read(cell)?;
        let (record, place) = cell::find(&bytes, client, events);
        Ok(Opened { client, cell, bytes, place, version, record, prolong: None })
    }

    /// Writes a client's counters back; false if another worker was faster.
    fn store(&self, loaded: &Opened<C::Version>, now: Time, events: &mut Events) -> Result<bool, StoreError> {
        let mut made = Events::default();
        let Opened { client, cell, bytes, place, version, record, .. } = loaded;
        let bytes = cell::replace(bytes, place.as_ref(), *client, record, now, &mut made);
        let won = self.cells.write(*cell, &bytes, version)?;
        *events += if won { made } else { Events { lost_races: 1, ..Events::default() } };
        Ok(won)
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
