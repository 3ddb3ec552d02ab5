//! What a request is charged, and what follows from the verdicts.

use std::time::Duration;

use crate::client::{Client, ClientRules};
use crate::limit::Verdict;
use crate::rate::Rate;
use crate::request::Request;
use crate::scope::{Count, Counted, Matcher, Reading, Scope};
use crate::store::redis::Lasting;
use crate::store::{Charge, CounterId, Fingerprinter, Secret};

/// The rules that requests are judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How clients are told apart.
    pub client: ClientRules,
    /// When a credential counts.
    pub trust: Trust,
    /// Requests that fall under no scope at all.
    pub exempt: Vec<Matcher>,
    /// The scopes, in the order in which they were written. Those that are off are not among them.
    pub scopes: Vec<Scope>,
}

/// When a credential makes its bearer a client of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Always.
    Any,
    /// Once the application has answered a request that presents it with a success.
    Upstream {
        /// How long that counts, from the last use.
        lasts: Duration,
        /// The requests whose success says so: those for which the application insists on a credential.
        proof: Matcher,
    },
}

/// What one request's charges led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The scopes (by their place in the policy) that the request fell under, and how each judged it.
    pub scopes: Vec<(usize, Judgement)>,
    /// How long to wait, if the request is denied: the longest wait of the enforced scopes that denied it.
    pub wait: Option<Duration>,
    /// The limit to tell the client about: the one that denied the request and wants the longest wait, or
    /// else the enforced one that admits the fewest further requests like this one.
    pub nearest: Option<Standing>,
}

/// How one scope judged a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Judgement {
    /// Within the limit.
    Allowed,
    /// Over the limit, and enforced.
    Denied,
    /// Over the limit, but only shadowed.
    Shadowed,
}

/// Where a client stands with one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The scope's place in the policy.
    pub scope: usize,
    /// The limit's rate.
    pub rate: Rate,
    /// Whole units left.
    pub remaining: u32,
    /// How long until there are more; for a denied request, until it would be admitted.
    pub reset: Duration,
}

impl Policy {
    /// Whether the request falls under no scope whatever.
    #[must_use]
    pub fn exempts(&self, request: &Request, client: &Client) -> bool {
        self.exempt.iter().any(|exempt| exempt.matches(request, client, Reading::Certain))
    }

    /// The charges for a request of this client: one for each rate of each scope that it falls under, those
    /// of one counted client together. `counted` says what is known already of whom the keys count.
    #[must_use]
    pub fn plan<'p>(
        &'p self,
        request: &Request,
        client: &Client,
        secret: &Secret,
        mut counted: Counted<'p>,
    ) -> Vec<Charge> {
        let mut charges = Vec::with_capacity(self.scopes.len());
        for (index, scope) in self.scopes.iter().enumerate() {
            if !scope.matcher.matches(request, client, Reading::Possible) {
                continue;
            }
            let Some(whom) = scope.key.client(request, client, secret, &mut counted) else { continue };
            // Behind those of the same client, of which there are few.
            let behind = charges.iter().rposition(|charge: &Charge| charge.client == whom);
            let place = behind.map_or(charges.len(), |last| last + 1);
            let of_scope = scope.limits.iter().zip(&scope.counters).map(|(limit, counter)| Charge {
                client: whom,
                counter: *counter,
                limit: *limit,
                cost: scope.cost,
                scope: index,
                enforced: scope.enforced,
            });
            charges.splice(place..place, of_scope);
        }
        charges
    }

    /// Whether a charge of this scope stays when the request is answered with this status.
    #[must_use]
    pub fn counts(&self, scope: usize, status: u16) -> bool {
        self.scopes.get(scope).is_none_or(|scope| scope.count.counts(status))
    }

    /// Whether a charge of this scope may have to be given back when the response comes.
    #[must_use]
    pub fn awaits_response(&self, scope: usize) -> bool {
        self.scopes.get(scope).is_some_and(|scope| scope.count != Count::All)
    }

    /// Which denials last as long as they say.
    #[must_use]
    pub fn lasting(&self) -> Lasting {
        Lasting {
            scopes: self.scopes.iter().map(|scope| scope.count == Count::All).collect(),
            nothing_moves: self.trust == Trust::Any,
        }
    }
}

/// Which counter belongs to the `rate`th rate of a scope. It stays the same when the rate itself or the
/// scopes around it change, so that a new configuration goes on with the old counters.
#[must_use]
pub fn counter_id(scope: &str, rate: usize) -> CounterId {
    let mut name = Fingerprinter::new(&Secret::new(*b"tollgate.counter"));
    name.piece(0, scope.as_bytes());
    name.piece(1, &(rate as u64).to_le_bytes());
    let [a, b, c, d, ..] = name.finish().to_bytes();
    CounterId(u32::from_le_bytes([a, b, c, d]))
}

impl Decision {
    /// What follows from the verdicts on these charges, one for each.
    #[must_use]
    pub fn of(charges: &[Charge], verdicts: &[Verdict]) -> Self {
        let mut decision = Self { scopes: Vec::with_capacity(charges.len()), wait: None, nearest: None };
        // How many further requests the nearest limit admits.
        let mut fewest = u32::MAX;
        for (charge, verdict) in charges.iter().zip(verdicts) {
            let rate = charge.limit.rate;
            decision.judge(charge, *verdict);
            match *verdict {
                _ if !charge.enforced => {}
                Verdict::Denied { wait } if decision.wait.is_none_or(|longest| wait > longest) => {
                    decision.wait = Some(wait);
                    decision.nearest =
                        Some(Standing { scope: charge.scope, rate, remaining: 0, reset: wait });
                }
                Verdict::Admitted { remaining, reset } if decision.wait.is_none() => {
                    let further = remaining / charge.cost.max(1);
                    if decision.nearest.is_none() || further < fewest {
                        fewest = further;
                        decision.nearest = Some(Standing { scope: charge.scope, rate, remaining, reset });
                    }
                }
                _ => {}
            }
        }
        decision
    }

    /// Whether the request may go on to the application.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        self.wait.is_none()
    }

    fn judge(&mut self, charge: &Charge, verdict: Verdict) {
        let judgement = match verdict {
            Verdict::Admitted { .. } => Judgement::Allowed,
            Verdict::Denied { .. } if charge.enforced => Judgement::Denied,
            Verdict::Denied { .. } => Judgement::Shadowed,
        };
        match self.scopes.iter_mut().find(|(scope, _)| *scope == charge.scope) {
            Some((_, known)) if judgement != Judgement::Allowed => *known = judgement,
            Some(_) => {}
            None => self.scopes.push((charge.scope, judgement)),
        }
    }
}
