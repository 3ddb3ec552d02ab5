//! What is alike in every table.

use std::cell::Cell;

use super::record::Record;
use super::{Charge, Events, Fingerprint, Settlement, Stays, StoreError, Taken};
use crate::limit::Verdict;
use crate::time::Time;

/// What is done at once for a request.
pub(super) struct Step<'s> {
    /// When.
    pub(super) now: Time,
    /// Who gives way to no newcomer, since he is of the same request: else two that share a cell would drive each other out by turns, and
    /// what they are charged would never be counted.
    pub(super) spared: &'s dyn Fn(Fingerprint) -> bool,
    /// What else happens.
    pub(super) events: &'s mut Events,
}

/// Records of which each can be changed in one step.
pub(super) trait Records {
    /// Changes one client's record. The change, which may be tried several times, says whether it has changed anything: what does not
    /// change is not written.
    fn update(
        &self,
        client: Fingerprint,
        step: &mut Step,
        change: impl FnMut(&mut Record) -> bool,
    ) -> Result<(), StoreError>;
}

/// Does what is left to do for a request that has been answered.
pub(super) fn settle(
    records: &impl Records,
    settlement: &Settlement,
    now: Time,
) -> Result<Events, StoreError> {
    let Settlement { proof, given_back, .. } = settlement;
    let mut events = Events::default();
    let mut outcome = Ok(());
    let step = &mut Step { now, spared: &|client| settlement.concerns(client), events: &mut events };
    let of_clients = || given_back.0.chunk_by(|one, next| one.client == next.client);
    let is_bearers = |taken: &[Taken]| proof.is_some_and(|proof| proof.client == taken[0].client);
    // The bearer first: whether its proof is new decides what others are given back.
    let is_new = Cell::new(false);
    if let Some(proof) = proof {
        let taken = of_clients().find(|taken| is_bearers(taken)).unwrap_or_default();
        outcome = records.update(proof.client, step, |record| {
            is_new.set(record.proved_for(now).is_none());
            let is_proved = record.prove(now.after(proof.noted_for()));
            give_back(record, taken.iter(), now) | is_proved
        });
    }
    for taken in of_clients().filter(|taken| !is_bearers(taken)) {
        let done = records.update(taken[0].client, step, |record| {
            let stays = |taken: &&Taken| taken.stays == Stays::IfNew && is_new.get();
            give_back(record, taken.iter().filter(|taken| !stays(taken)), now)
        });
        outcome = outcome.and(done);
    }
    outcome.map(|()| events)
}

/// Forgets a client. Returns whether there was anything to forget.
pub(super) fn pardon(records: &impl Records, client: Fingerprint, now: Time) -> Result<bool, StoreError> {
    let mut was = false;
    let step = &mut Step { now, spared: &|_| false, events: &mut Events::default() };
    records.update(client, step, |record| {
        was = record.matters(now);
        record.forget()
    })?;
    Ok(was)
}

fn give_back<'t>(record: &mut Record, taken: impl Iterator<Item = &'t Taken>, now: Time) -> bool {
    taken.fold(false, |changed, taken| record.give_back(taken, now) | changed)
}

/// Whether the request is denied.
pub(super) fn is_denied(charges: &[Charge], verdicts: &[Verdict]) -> bool {
    charges.iter().zip(verdicts).any(|(charge, verdict)| charge.enforced && !verdict.is_admitted())
}

/// A charge of a shadow scope is taken if the scope, were it enforced, would admit the request.
pub(super) fn is_taken(charge: &Charge, charges: &[Charge], verdicts: &[Verdict]) -> bool {
    let mut of_scope = charges.iter().zip(verdicts).filter(|(other, _)| other.scope == charge.scope);
    charge.enforced || of_scope.all(|(_, verdict)| verdict.is_admitted())
}
