//! What follows from the verdicts on a request's charges.

use std::time::Duration;

use crate::limit::{Limit, Verdict};
use crate::store::{Accepted, Charge, Fingerprint, NO_SCOPE, Stays};

/// What one request's charges led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Each limit that the request fell under, and what it said.
    pub limits: Vec<Judged>,
    /// How long to wait, if the request is denied: the longest wait of the enforced limits that denied it, or until the block is over.
    pub wait: Option<Duration>,
    /// The client that an operator has blocked, if the request is denied for that.
    pub blocked: Option<Fingerprint>,
}

/// What one limit said to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The scope's place in the policy.
    pub scope: usize,
    /// Whom it counts.
    pub client: Fingerprint,
    /// The limit.
    pub limit: Limit,
    /// Whether its denial denies the request.
    pub enforced: bool,
    /// What it said.
    pub verdict: Verdict,
    cost: u32,
    stays: Stays,
}

/// How one scope judged a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Judgement {
    /// Within all of its limits.
    Allowed,
    /// Over a limit, and enforced.
    Denied,
    /// Over a limit, but only shadowed.
    Shadowed,
}

impl Judgement {
    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Shadowed => "shadowed",
        }
    }
}

/// What a whole policy has made of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ruling {
    /// It may go on: every enforced limit admits it, or it falls under none.
    Allowed,
    /// A limit denies it, or it could not be decided and is denied for that.
    Denied,
    /// An operator has blocked its client.
    Blocked,
    /// It falls under no scope, whatever it is: `exempt`.
    Exempt,
    /// It is no request that could be judged.
    Malformed,
}

impl Ruling {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Allowed, Self::Denied, Self::Blocked, Self::Exempt, Self::Malformed];

    /// Its name in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Blocked => "blocked",
            Self::Exempt => "exempt",
            Self::Malformed => "malformed",
        }
    }
}

/// Where a client stands with one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The scope's place in the policy.
    pub scope: usize,
    /// Whom it counts.
    pub client: Fingerprint,
    /// The limit.
    pub limit: Limit,
    /// Whole units left.
    pub remaining: u32,
    /// How long until there are more; for a denied request, until it would be admitted.
    pub reset: Duration,
}

impl Decision {
    /// What follows from the verdicts on these charges, one for each. The limit on new credentials denies nothing, and clients are
    /// not told of it.
    #[must_use]
    pub fn of(charges: &[Charge], verdicts: &[Verdict]) -> Self {
        let judged = |(charge, verdict): (&Charge, &Verdict)| {
            let Charge { scope, client, limit, enforced, cost, stays, .. } = *charge;
            Judged { scope, client, limit, enforced, verdict: *verdict, cost, stays }
        };
        let of_scopes = charges.iter().zip(verdicts).filter(|(charge, _)| charge.scope != NO_SCOPE);
        let mut limits = Vec::with_capacity(charges.len());
        limits.extend(of_scopes.map(judged));
        let wait = limits.iter().filter_map(Judged::wait).max();
        Self { limits, wait, blocked: None }
    }

    /// A denial without any limit's word, for so long.
    #[must_use]
    pub const fn denied_for(wait: Duration) -> Self {
        Self { limits: Vec::new(), wait: Some(wait), blocked: None }
    }

    /// A denial since an operator has blocked this client, for so long yet.
    #[must_use]
    pub const fn blocked(client: Fingerprint, left: Duration) -> Self {
        Self { limits: Vec::new(), wait: Some(left), blocked: Some(client) }
    }

    /// What the policy makes of the request; whether it was exempt, a decision does not know.
    #[must_use]
    pub const fn ruling(&self) -> Ruling {
        match (self.blocked, self.wait) {
            (Some(_), _) => Ruling::Blocked,
            (None, Some(_)) => Ruling::Denied,
            (None, None) => Ruling::Allowed,
        }
    }

    /// Whether the request may go on to the application.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        self.wait.is_none()
    }

    /// The scopes that the request fell under, each once, and how each judged it.
    pub fn scopes(&self) -> impl Iterator<Item = (usize, Judgement)> {
        self.limits.iter().enumerate().filter_map(|(place, judged)| {
            let scope = judged.scope;
            let is_first = self.limits[..place].iter().all(|before| before.scope != scope);
            let denial = || {
                let mut of_scope = self.limits[place..].iter().filter(|judged| judged.scope == scope);
                of_scope.find(|judged| !judged.verdict.is_admitted())
            };
            is_first.then(|| match denial() {
                None => (scope, Judgement::Allowed),
                Some(denial) if denial.enforced => (scope, Judgement::Denied),
                Some(_) => (scope, Judgement::Shadowed),
            })
        })
    }

    /// The limit to tell the client about: the one that denied the request and wants the longest wait, or
    /// else the enforced one that admits the fewest further requests like this one.
    #[must_use]
    pub fn nearest(&self) -> Option<Standing> {
        let enforced = self.limits.iter().filter(|judged| judged.enforced);
        let standings = enforced.map(|judged| (judged.further(), judged.standing()));
        match self.wait {
            Some(wait) => standings
                .filter(|(further, _)| further.is_none())
                .map(|(_, standing)| standing)
                .find(|standing| standing.reset == wait),
            None => standings.min_by_key(|(further, _)| *further).map(|(_, standing)| standing),
        }
    }

    /// The same decision once the request is answered: what that says about its credential, and whether a scope counts
    /// it. Limits that it is not charged by are gone, and what does not count is there again.
    #[must_use]
    pub fn settled(mut self, accepted: Accepted, counts: impl Fn(usize) -> bool) -> Self {
        self.limits.retain(|judged| judged.stays.stays(accepted));
        for judged in self.limits.iter_mut().filter(|judged| !counts(judged.scope)) {
            if let Verdict::Admitted { remaining, .. } = &mut judged.verdict {
                *remaining = remaining.saturating_add(judged.cost).min(judged.limit.most_at_once());
            }
        }
        self
    }
}

impl Judged {
    /// Whether it denies the request.
    #[must_use]
    pub const fn denies(&self) -> bool {
        self.wait().is_some()
    }

    /// How long to wait, if it denies the request.
    const fn wait(&self) -> Option<Duration> {
        match self.verdict {
            Verdict::Denied { wait } if self.enforced => Some(wait),
            _ => None,
        }
    }

    /// How many further requests like this one it admits; `None` if it does not even admit this one.
    fn further(&self) -> Option<u32> {
        match self.verdict {
            Verdict::Admitted { remaining, .. } => Some(remaining / self.cost.max(1)),
            Verdict::Denied { .. } => None,
        }
    }

    const fn standing(&self) -> Standing {
        let (remaining, reset) = match self.verdict {
            Verdict::Admitted { remaining, reset } => (remaining, reset),
            Verdict::Denied { wait } => (0, wait),
        };
        Standing { scope: self.scope, client: self.client, limit: self.limit, remaining, reset }
    }
}
