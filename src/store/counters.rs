//! What a gate asks of counters, wherever they stand.

use std::sync::Arc;
use std::time::Duration;

use super::acts::{Acts, Keeper};
use super::{Charge, Events, Fingerprint, Outcome, Receipt, Seen, Settlement, StoreError, Watched};
use crate::time::Time;

/// The counters of many clients, which several workers share, and what operators have done to these clients.
///
/// The clients stand in numbered cells, a few in each, by their fingerprints.
pub trait Counters {
    /// What was read of one client, see [`Self::load`].
    type Loaded;

    /// Reads what is known of one client.
    ///
    /// # Errors
    /// If the counters cannot be reached.
    fn load(&self, client: Fingerprint, events: &mut Events) -> Result<Self::Loaded, StoreError>;

    /// For how long the application's acceptance of this client counts yet; `None` if it does not count.
    fn proved_for(loaded: &Self::Loaded, now: Time) -> Option<Duration>;

    /// Takes all charges or none, and says what became of each.
    ///
    /// The charges of one client must stand together. If a charge of an enforced scope is denied, nothing is
    /// taken. Else everything is, except for the charges of shadow scopes of which one is denied.
    ///
    /// Between workers each client's charges are one atomic step. If one of the clients has been loaded already, it need not be
    /// read again.
    ///
    /// # Errors
    /// If the counters cannot be reached, or other workers were faster too many times in a row. Nothing is taken then;
    /// what had been taken from other clients' counters is given back if that is possible. A denial is no error even where it is
    /// not possible: [`Events::unsettled`] tells that.
    fn charge(
        &self,
        charges: &[Charge],
        loaded: Option<Self::Loaded>,
        now: Time,
    ) -> Result<Outcome, StoreError>;

    /// Does what is left to do for a request that has been answered: notes a proof, and gives back; but of the limit on new
    /// credentials only if the proof was known already. For each client that is one atomic step.
    ///
    /// # Errors
    /// As for [`Self::charge`]. What can be done for the other clients is done.
    fn settle(&self, settlement: Settlement, now: Time) -> Result<Events, StoreError>;

    /// Gives back what was taken, as far as time has not given it back already.
    ///
    /// # Errors
    /// As for [`Self::charge`]; what could not be given back stays taken until its window is over.
    fn refund(&self, receipt: Receipt, now: Time) -> Result<Events, StoreError> {
        self.settle(Settlement::undo(receipt), now)
    }

    /// The last cell in which clients stand. The first one is 0.
    fn last_cell(&self) -> u32;

    /// All clients in one cell in whom anything matters, as these limits see them. A cell behind the last one is empty.
    ///
    /// # Errors
    /// If the cell cannot be read. One that holds something else is empty.
    fn survey(&self, cell: u32, watched: &[Watched], now: Time) -> Result<Vec<Seen>, StoreError>;

    /// One client, as these limits see it. Nothing is taken.
    ///
    /// # Errors
    /// If it cannot be read.
    fn look(&self, client: Fingerprint, watched: &[Watched], now: Time) -> Result<Seen, StoreError>;

    /// Forgets a client: its counters, and that the application has accepted it. Returns whether there was anything to forget.
    ///
    /// # Errors
    /// As for [`Self::charge`].
    fn pardon(&self, client: Fingerprint, now: Time) -> Result<bool, StoreError>;

    /// What operators have done. What cannot be understood is counted as corrupt.
    ///
    /// # Errors
    /// If it cannot be read.
    fn acts(&self, events: &mut Events) -> Result<Acts, StoreError>;

    /// Changes what operators have done. The change may be tried several times, if somebody else is faster.
    ///
    /// # Errors
    /// As for [`Self::charge`].
    fn change_acts<T>(&self, now: Time, change: impl Fn(&mut Acts) -> T) -> Result<T, StoreError>;

    /// Copies what stands in Redis, if that is news.
    ///
    /// # Errors
    /// As for [`Self::change_acts`].
    fn hear(
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
}

/// Counters that somebody else has.
macro_rules! by_reference {
    ($reference:ty) => {
        impl<T: Counters> Counters for $reference {
            type Loaded = T::Loaded;

            fn load(&self, client: Fingerprint, events: &mut Events) -> Result<Self::Loaded, StoreError> {
                (**self).load(client, events)
            }

            fn proved_for(loaded: &Self::Loaded, now: Time) -> Option<Duration> {
                T::proved_for(loaded, now)
            }

            fn charge(
                &self,
                charges: &[Charge],
                loaded: Option<Self::Loaded>,
                now: Time,
            ) -> Result<Outcome, StoreError> {
                (**self).charge(charges, loaded, now)
            }

            fn settle(&self, settlement: Settlement, now: Time) -> Result<Events, StoreError> {
                (**self).settle(settlement, now)
            }

            fn last_cell(&self) -> u32 {
                (**self).last_cell()
            }

            fn survey(&self, cell: u32, watched: &[Watched], now: Time) -> Result<Vec<Seen>, StoreError> {
                (**self).survey(cell, watched, now)
            }

            fn look(&self, client: Fingerprint, watched: &[Watched], now: Time) -> Result<Seen, StoreError> {
                (**self).look(client, watched, now)
            }

            fn pardon(&self, client: Fingerprint, now: Time) -> Result<bool, StoreError> {
                (**self).pardon(client, now)
            }

            fn acts(&self, events: &mut Events) -> Result<Acts, StoreError> {
                (**self).acts(events)
            }

            fn change_acts<R>(&self, now: Time, change: impl Fn(&mut Acts) -> R) -> Result<R, StoreError> {
                (**self).change_acts(now, change)
            }
        }
    };
}

by_reference!(&T);
by_reference!(Arc<T>);
