//! What decides alike in every table.

use super::record::Record;
use super::{Charge, Taken};
use crate::limit::Verdict;
use crate::time::Time;

/// Gives back what was taken of this client's counters.
pub(super) fn give_back<'t>(record: &mut Record, taken: impl Iterator<Item = &'t Taken>, now: Time) {
    for taken in taken {
        if let Some(counter) = record.existing(taken.counter) {
            counter.give_back(taken.mark, now, taken.cost);
        }
    }
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
