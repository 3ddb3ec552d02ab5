//! What one worker remembers of Redis' answers, so that it need not ask again.

use std::time::Duration;

use super::answer::Answer;
use super::denials::Denials;
use super::proofs::{Known, Proofs};
use crate::limit::Verdict;
use crate::store::{Acceptance, Charge, Outcome, Plan, Proof, Receipt};
use crate::time::Time;

/// Proofs for as long as they count, and for a second what is denied and who has no proof. What operators do makes it forget all.
#[derive(Debug, Default)]
pub(super) struct Memory {
    proofs: Proofs,
    denials: Denials,
}

impl Memory {
    /// What is known of the proof that a request needs, if it needs one.
    pub(super) fn acceptance(&self, proof: Option<Proof>, now: Time) -> Acceptance {
        match proof {
            None => Acceptance::NotNeeded,
            Some(proof) => match self.proofs.known(proof, now) {
                Known::Noted(left) => Acceptance::Known(proof, left),
                Known::Nothing | Known::Missing => Acceptance::Unknown(proof),
            },
        }
    }

    /// What becomes of a request that is known to be denied. The verdicts on its other charges are not known: they have
    /// no consequences, and stand as admitted.
    pub(super) fn denied(&self, plan: &Plan, now: Time) -> Option<Outcome> {
        let verdict = |charge: &Charge| match self.denials.wait(charge, now) {
            Some(wait) if charge.enforced => Verdict::Denied { wait },
            _ => Verdict::Admitted { remaining: 0, reset: Duration::ZERO },
        };
        let denied = |charges: &[Charge]| {
            let verdicts: Vec<_> = charges.iter().map(verdict).collect();
            let is_denied = verdicts.iter().any(|verdict| !verdict.is_admitted());
            is_denied.then(|| Outcome { verdicts, ..Outcome::default() })
        };
        if let Plan::Depends { proof, proved, .. } = plan
            && self.proofs.known(*proof, now) != Known::Missing
        {
            // It may be a true one, known to another proxy: whatever it is worth, it must be denied.
            denied(proved)?;
        }
        denied(plan.charges(false))
    }

    /// Redis has answered about a request.
    pub(super) fn learn(&mut self, plan: &Plan, answer: &Answer, now: Time) {
        if let Some(proof) = plan.proof() {
            match answer.proved_for {
                Some(lasts) => self.proofs.remember(proof.client, lasts, now),
                None => self.proofs.is_missing(proof.client, now),
            }
        }
        let charges = plan.charges(answer.is_proved());
        for (charge, verdict) in charges.iter().zip(&answer.outcome.verdicts) {
            if let Verdict::Denied { wait } = verdict {
                self.denials.note(charge, *wait, now);
            }
        }
    }

    /// A proof counts in Redis for so long.
    pub(super) fn noted(&mut self, proof: Proof, lasts: Duration, now: Time) {
        self.proofs.remember(proof.client, lasts, now);
    }

    /// This is given back: who was denied may be admitted now.
    pub(super) fn given_back(&mut self, receipt: &Receipt) {
        for taken in receipt.iter() {
            self.denials.forget(taken.client, taken.counter);
        }
    }
}
