//! What the counters are asked for: a request's charges, and what is left to do when its response has come.

use std::time::Duration;

use super::{Charge, Fingerprint, Receipt};

/// The acceptance of a credential by the application: whose, and how long it counts from its last use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The client with this credential.
    pub client: Fingerprint,
    /// How long the proof counts.
    pub lasts: Duration,
}

/// What is known about a request's credential before its charges are planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// There is none, or any counts.
    NotNeeded,
    /// The application has accepted it.
    Known(Proof),
    /// The counters are to say whether it has.
    Unknown(Proof),
}

/// A request's charges, those of one client together; `None` if it is exempt.
pub type Charges = Option<Vec<Charge>>;

/// What a request is to be charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// That is certain.
    Certain {
        /// The charges.
        charges: Charges,
        /// The proof that is used by it, and so renewed.
        renews: Option<Proof>,
    },
    /// It depends on whether the counters know the proof of its credential.
    Open {
        /// The proof in question.
        proof: Proof,
        /// The charges if it is known: those of the client with the credential.
        proved: Charges,
        /// The charges if not: those of an anonymous client.
        unproved: Charges,
        /// Whether a success of this request is a proof.
        proves: bool,
    },
}

impl Plan {
    /// The charges of the request, given whether its proof is known.
    #[must_use]
    pub fn charges(&self, is_proved: bool) -> Option<&[Charge]> {
        match self {
            Self::Certain { charges, .. } => charges.as_deref(),
            Self::Open { proved, .. } if is_proved => proved.as_deref(),
            Self::Open { unproved, .. } => unproved.as_deref(),
        }
    }

    /// The proof that the request needs or renews.
    #[must_use]
    pub const fn proof(&self) -> Option<Proof> {
        match self {
            Self::Certain { renews, .. } => *renews,
            Self::Open { proof, .. } => Some(*proof),
        }
    }

    /// Whether the request is not charged at all, whatever the counters say.
    #[must_use]
    pub fn is_free(&self) -> bool {
        let is_free = |is_proved| self.charges(is_proved).is_none_or(<[Charge]>::is_empty);
        is_free(true) && is_free(false)
    }
}

/// What is left to do with the counters of a request that has been answered.
#[derive(Debug, Default)]
pub struct Settlement {
    /// The proof that its response was.
    pub proof: Option<Proof>,
    /// What the accepted client is charged for it in hindsight, as far as there is room.
    pub due: Vec<Charge>,
    /// What is given back.
    pub given_back: Receipt,
    /// What is given back besides if there was room for all that was due: else somebody must have paid.
    pub made_up_for: Receipt,
}

impl Settlement {
    /// A settlement that gives everything back.
    #[must_use]
    pub fn undo(receipt: Receipt) -> Self {
        Self { given_back: receipt, ..Self::default() }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.proof.is_none()
            && self.due.is_empty()
            && self.given_back.is_empty()
            && self.made_up_for.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Limit;
    use crate::store::CounterId;

    const PROOF: Proof =
        Proof { client: Fingerprint::from_bytes([1; Fingerprint::SIZE]), lasts: Duration::from_secs(9) };

    fn charges() -> Vec<Charge> {
        let limit = Limit::sliding_window("5/min".parse().expect("a rate"));
        let client = PROOF.client;
        vec![Charge { client, counter: CounterId(1), limit, cost: 1, scope: 0, enforced: true }]
    }

    #[test]
    fn only_what_costs_nothing_either_way_is_free() {
        for (proved, unproved, is_free) in [
            (None, None, true),
            (None, Some(Vec::new()), true),
            (Some(charges()), None, false),
            (None, Some(charges()), false),
            (Some(charges()), Some(charges()), false),
        ] {
            let plan = Plan::Open { proof: PROOF, proved, unproved, proves: true };
            assert_eq!(plan.is_free(), is_free, "{plan:?}");
        }
        assert!(!Plan::Certain { charges: Some(charges()), renews: None }.is_free());
        assert!(Plan::Certain { charges: None, renews: Some(PROOF) }.is_free());
    }

    #[test]
    fn there_is_nothing_to_do_or_there_is() {
        assert!(Settlement::default().is_empty());
        assert!(!Settlement { proof: Some(PROOF), ..Settlement::default() }.is_empty());
        assert!(!Settlement { due: charges(), ..Settlement::default() }.is_empty());
    }
}
