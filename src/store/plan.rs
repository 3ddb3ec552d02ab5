//! What the counters are asked for: a request's charges, and what is left to do once it is answered.

use std::time::Duration;

use super::{Accepted, Charge, Fingerprint, Receipt, Taken};
use crate::response::{Asked, Response};

/// The acceptance of a credential by the application: whose, and how long it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The client with this credential.
    pub client: Fingerprint,
    /// How long the proof counts at least from the last success.
    pub lasts: Duration,
}

impl Proof {
    /// The longest that a first proof counts: whoever comes back within it is noted for as long as the policy says.
    const FIRST: Duration = Duration::from_mins(5);

    /// The same acceptance, as it is noted for a credential of which nothing is known: one that is never seen again, as made-up ones
    /// are, does not take up room for long.
    #[must_use]
    pub fn first(self) -> Self {
        Self { lasts: self.lasts.min(Self::FIRST), ..self }
    }

    /// How long it is noted for: an eighth longer, so that not every success has to be written.
    #[must_use]
    pub fn noted_for(&self) -> Duration {
        self.lasts + self.lasts / 8
    }
}

/// What a success of a request says about its credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proves {
    /// Nothing: it has none, or everybody is answered so.
    #[default]
    Nothing,
    /// That it is accepted.
    BySuccess(Asked),
    /// That it may be accepted: the request is none of those by which the policy lets a credential prove itself.
    Perhaps(Asked),
}

impl Proves {
    /// What this answer says about the credential.
    #[must_use]
    pub const fn by(self, response: Response) -> Accepted {
        match self {
            Self::BySuccess(asked) if response.is_success(asked) => Accepted::Yes,
            Self::Perhaps(asked) if response.is_success(asked) => Accepted::Perhaps,
            _ => Accepted::No,
        }
    }

    /// The same request, if its credential cannot be noted.
    #[must_use]
    pub const fn but_not_noted(self) -> Self {
        match self {
            Self::BySuccess(asked) => Self::Perhaps(asked),
            other => other,
        }
    }
}

/// What is known about a request's credential before its charges are planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// There is none, or any counts.
    NotNeeded,
    /// The application has accepted it, which counts for so long yet.
    Known(Proof, Duration),
    /// The counters are to say whether it has.
    Unknown(Proof),
}

/// What a request is to be charged: the charges of one client together, none if it is exempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// That is certain.
    Certain {
        /// The charges.
        charges: Vec<Charge>,
        /// The proof of its credential, if it has one, and how long that counts yet.
        known: Option<(Proof, Duration)>,
        /// What its success says about its credential.
        proves: Proves,
    },
    /// It depends on whether the counters know the proof of its credential.
    Depends {
        /// The proof in question.
        proof: Proof,
        /// The charges if it is known: those of the client with the credential.
        proved: Vec<Charge>,
        /// The charges if not: those of an anonymous client, and those of the client with the credential.
        unproved: Vec<Charge>,
        /// What its success says about its credential.
        proves: Proves,
    },
}

impl Plan {
    /// The charges of the request, given whether its proof is known.
    #[must_use]
    pub fn charges(&self, is_proved: bool) -> &[Charge] {
        match self {
            Self::Certain { charges, .. } => charges,
            Self::Depends { proved, .. } if is_proved => proved,
            Self::Depends { unproved, .. } => unproved,
        }
    }

    /// The proof of the request's credential, known or not.
    #[must_use]
    pub fn proof(&self) -> Option<Proof> {
        match self {
            Self::Certain { known, .. } => known.map(|(proof, _)| proof),
            Self::Depends { proof, .. } => Some(*proof),
        }
    }

    /// What its success says about the request's credential.
    #[must_use]
    pub const fn proves(&self) -> Proves {
        match self {
            Self::Certain { proves, .. } | Self::Depends { proves, .. } => *proves,
        }
    }

    /// Whether the request is not charged at all, whatever the counters say.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.charges(true).is_empty() && self.charges(false).is_empty()
    }

    /// Leaves out the charges that were taken already.
    pub fn leave_out(&mut self, taken: &Receipt) {
        let lists = match self {
            Self::Certain { charges, .. } => [Some(charges), None],
            Self::Depends { proved, unproved, .. } => [Some(proved), Some(unproved)],
        };
        for charges in lists.into_iter().flatten() {
            charges.retain(|charge| !taken.has(charge));
        }
    }
}

/// What is left to do with the counters of a request that has been answered.
#[derive(Debug, Default)]
pub struct Settlement {
    /// The proof that its response was.
    pub proof: Option<Proof>,
    /// What is given back; but if the proof is new, what stays [`IfNew`](super::Stays::IfNew) is not.
    pub given_back: Receipt,
    /// What stays taken, if there is a proof: those it was taken of make no room for the proof.
    pub kept: Receipt,
}

impl Settlement {
    /// Notes the proof, and gives back of what was taken that which `goes`.
    #[must_use]
    pub fn new(proof: Option<Proof>, taken: Receipt, goes: impl Fn(&Taken) -> bool) -> Self {
        if proof.is_none() {
            return Self::undo(taken.only(goes));
        }
        let (given_back, kept) = taken.split(goes);
        Self { proof, given_back, kept }
    }

    /// A settlement that gives everything back.
    #[must_use]
    pub fn undo(receipt: Receipt) -> Self {
        Self { given_back: receipt, ..Self::default() }
    }

    /// Whether this is one of the clients of the request.
    pub(super) fn concerns(&self, client: Fingerprint) -> bool {
        let taken = self.given_back.iter().chain(self.kept.iter()).map(|taken| taken.client);
        self.proof.iter().map(|proof| proof.client).chain(taken).any(|other| other == client)
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.proof.is_none() && self.given_back.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Limit;
    use crate::store::{CounterId, Stays};
    use crate::time::Time;

    const PROOF: Proof =
        Proof { client: Fingerprint::from_bytes([1; Fingerprint::SIZE]), lasts: Duration::from_secs(9) };

    fn charge() -> Charge {
        let limit = Limit::sliding_window("5/min".parse().expect("a rate"));
        let (client, counter, stays) = (PROOF.client, CounterId(1), Stays::Always);
        Charge { client, counter, limit, cost: 1, scope: 0, enforced: true, stays }
    }

    #[test]
    fn only_what_costs_nothing_either_way_is_free() {
        for (proved, unproved, is_free) in [
            (vec![], vec![], true),
            (vec![charge()], vec![], false),
            (vec![], vec![charge()], false),
            (vec![charge()], vec![charge()], false),
        ] {
            let plan = Plan::Depends { proof: PROOF, proved, unproved, proves: Proves::Nothing };
            assert_eq!(plan.is_free(), is_free, "{plan:?}");
        }
        assert!(!Plan::Certain { charges: vec![charge()], known: None, proves: Proves::Nothing }.is_free());
        assert!(
            Plan::Certain { charges: vec![], known: Some((PROOF, PROOF.lasts)), proves: Proves::Nothing }
                .is_free()
        );
    }

    #[test]
    fn there_is_nothing_to_do_or_there_is() {
        assert!(Settlement::default().is_empty());
        assert!(!Settlement { proof: Some(PROOF), ..Settlement::default() }.is_empty());
        let mut receipt = Receipt::default();
        receipt.add(&charge(), Time::default());
        assert!(!Settlement::undo(receipt).is_empty());
    }

    #[test]
    fn what_was_taken_is_left_out_of_both_lists() {
        let other = Charge { counter: CounterId(2), ..charge() };
        let mut plan = Plan::Depends {
            proof: PROOF,
            proved: vec![charge(), other],
            unproved: vec![other, charge()],
            proves: Proves::Nothing,
        };
        let mut receipt = Receipt::default();
        receipt.add(&charge(), Time::default());
        plan.leave_out(&receipt);
        assert_eq!((plan.charges(true), plan.charges(false)), (&[other][..], &[other][..]));
        drop(receipt);
    }
}
