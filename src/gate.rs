//! The walk of one request: plan, charge, decide; and, when the response comes, what is settled.
//!
//! With the counters of this proxy that is one step, [`Gate::admit`]. Counters elsewhere answer later: then the
//! request is planned ([`Gate::plan`]), waits, and is concluded ([`Gate::conclude`]).

use std::time::Duration;

use crate::client::Client;
use crate::config::Config;
use crate::limiter::{Decision, Trust};
use crate::request::Request;
use crate::response::Denial;
use crate::scope::{Counted, Reading, credential_fingerprint};
use crate::store::redis::OnFailure;
use crate::store::{
    Acceptance, Cells, Charge, Charged, Charges, Events, Fingerprint, Opened, Plan, Proof, Receipt, Secret,
    Settlement, StoreError, Table,
};
use crate::time::Time;

/// A configuration at work on counters in these cells.
pub struct Gate<C> {
    config: Config,
    secret: Secret,
    table: Table<C>,
}

/// What was decided about one request.
pub struct Passage {
    /// Whether it may go on, and what its client is to be told.
    pub decision: Decision,
    /// What else happened.
    pub events: Events,
    /// Why it was decided without the counters: with [`StoreError::Unavailable`] it is let through, with
    /// [`StoreError::Contended`] denied.
    pub error: Option<StoreError>,
    /// What waits for the response, to be handed to [`Gate::settle`], or, if counters elsewhere were charged, to
    /// [`Gate::settlement`]. If no response ever comes, the charges stay.
    pub pending: Option<Pending>,
}

/// What waits for the response.
#[derive(Debug)]
pub struct Pending {
    receipt: Receipt,
    unproved: Option<Unproved>,
}

/// A credential that the application has not accepted yet.
#[derive(Debug)]
struct Unproved {
    proof: Proof,
    /// What the request would have been charged if it had been accepted.
    charges: Vec<Charge>,
    /// Whether a success of this request says that it is accepted.
    proves: bool,
}

/// A response, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Whether the application made it, and not the proxy in its place (because it could not be reached, say).
    pub from_upstream: bool,
    /// Whether it says by a gRPC status that the call has failed.
    pub grpc_failed: bool,
}

impl Response {
    /// Whether the application has answered with a success. Nothing less shows that it has accepted a
    /// credential: an application that looks for none says `404` too, and sends whoever has none to its
    /// login page by `302`.
    const fn is_success(self) -> bool {
        self.from_upstream && !self.grpc_failed && matches!(self.status, 200..=299)
    }
}

impl<C: Cells> Gate<C> {
    /// A gate under this configuration. The secret keys the fingerprints of clients.
    pub const fn new(config: Config, secret: Secret, cells: C) -> Self {
        let table = Table::new(cells, config.capacity);
        Self { config, secret, table }
    }

    /// The configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The cells with the counters.
    pub const fn cells(&self) -> &C {
        self.table.cells()
    }

    /// Decides about a request of this client, by this proxy's counters.
    pub fn admit(&self, request: &Request, client: &Client, now: Time) -> Passage {
        let admit = || {
            let mut events = Events::default();
            let Some(proof) = self.proof(client) else {
                return self.charge(self.plan(request, client, Acceptance::NotNeeded), None, events, now);
            };
            let opened = self.table.open(proof.client, &mut events)?;
            let known = opened.is_proved(now);
            let acceptance = if known { Acceptance::Known(proof) } else { Acceptance::Unknown(proof) };
            self.charge(self.plan(request, client, acceptance), Some(opened), events, now)
        };
        admit().unwrap_or_else(Passage::undecided)
    }

    /// Decides about a request that has been planned already, by this proxy's counters.
    pub fn admit_planned(&self, plan: Plan, now: Time) -> Passage {
        let admit = || {
            let mut events = Events::default();
            let proof = plan.proof();
            let opened = proof.map(|proof| self.table.open(proof.client, &mut events)).transpose()?;
            self.charge(plan, opened, events, now)
        };
        admit().unwrap_or_else(Passage::undecided)
    }

    /// Decides about a planned request without the counters that should have decided. What they were already
    /// charged, if anything, stays.
    pub fn admit_without(&self, plan: Plan, on_failure: OnFailure, now: Time) -> Passage {
        match on_failure {
            OnFailure::Local => self.admit_planned(plan, now),
            OnFailure::Allow => Passage::of(Decision::of(&[], &[]), Events::default(), None),
            OnFailure::Deny => Passage::denied_for_a_second(),
        }
    }

    /// The proof that this client needs for its credential to count; `None` if it has none or needs none.
    pub fn proof(&self, client: &Client) -> Option<Proof> {
        let Trust::Upstream { lasts, .. } = self.config.policy.trust else { return None };
        let client = credential_fingerprint(client.credential()?, &self.secret);
        Some(Proof { client, lasts })
    }

    /// What the request is to be charged. Touches no counters.
    pub fn plan(&self, request: &Request, client: &Client, acceptance: Acceptance) -> Plan {
        let renews = match acceptance {
            Acceptance::NotNeeded => None,
            Acceptance::Known(proof) => Some(proof),
            Acceptance::Unknown(proof) => {
                return Plan::Open {
                    proof,
                    proved: self.charges(request, client, Some(proof.client)),
                    unproved: self.charges(request, &client.anonymous(), None),
                    proves: self.proves(request, client),
                };
            }
        };
        let bearer = renews.map(|proof| proof.client);
        Plan::Certain { charges: self.charges(request, client, bearer), renews }
    }

    /// What follows from what the counters say about a plan: whether they know its proof, and what became of
    /// the charges that it has then.
    #[inline(never)]
    pub fn conclude(&self, plan: Plan, is_proved: bool, outcome: Charged) -> Passage {
        let Charged { verdicts, receipt, events } = outcome;
        let Some(charges) = plan.charges(is_proved) else {
            return Passage::of(Decision::of(&[], &[]), events, None);
        };
        let decision = Decision::of(charges, &verdicts);
        let unproved = match plan {
            Plan::Open { proof, proved, proves, .. } if !is_proved => {
                Some(Unproved { proof, charges: proved.unwrap_or_default(), proves })
            }
            _ => None,
        };
        let awaits = |scope| self.config.policy.awaits_response(scope);
        let waits = unproved.is_some() || receipt.scopes().any(awaits);
        let pending = (waits && decision.is_allowed()).then_some(Pending { receipt, unproved });
        Passage::of(decision, events, pending)
    }

    /// What is to be done now that the request is answered: charges that are not to stay are given back, and
    /// that the application has accepted its credential is noted.
    pub fn settlement(&self, pending: Pending, response: Response) -> Settlement {
        let Pending { receipt, unproved } = pending;
        // A request that the application never answered keeps its charges.
        let goes = |scope| response.from_upstream && !self.config.policy.counts(scope, response.status);
        let (given_back, stays) = receipt.split(goes);
        let Some(Unproved { proof, mut charges, .. }) =
            unproved.filter(|unproved| unproved.proves && response.is_success())
        else {
            return Settlement::undo(given_back);
        };
        // What was charged to the address for want of a proof moves to the credential. If there is no room for
        // all of it, the address has paid: somebody must.
        charges.retain(|charge| !goes(charge.scope));
        let due = charges.iter().filter(|charge| !stays.has(charge)).copied().collect();
        Settlement { proof: Some(proof), due, given_back, made_up_for: stays.without(&charges) }
    }

    /// Does what is to be done when the request is answered, with this proxy's counters. Returns whether the
    /// application has accepted its credential.
    ///
    /// # Errors
    /// If the counters cannot be reached or are contended. What was to be given back may then stay taken
    /// until its window is over.
    pub fn settle(
        &self,
        pending: Pending,
        response: Response,
        now: Time,
    ) -> Result<(bool, Events), StoreError> {
        let settlement = self.settlement(pending, response);
        let proved = settlement.proof.is_some();
        Ok((proved, self.table.settle(settlement, now)?))
    }

    /// The reply to a denied request; `None` if it is allowed.
    pub fn denial(&self, decision: &Decision) -> Option<Denial> {
        self.config.response.denial(&self.config.policy, decision)
    }

    /// The fields that tell an allowed request's client its quota.
    pub fn quota_headers(&self, decision: &Decision) -> Vec<(&'static str, String)> {
        self.config.response.quota_headers(&self.config.policy, decision)
    }

    /// The charges of a request of `client`, whose credential is that of `bearer` if it has one that counts.
    fn charges(&self, request: &Request, client: &Client, bearer: Option<Fingerprint>) -> Charges {
        let policy = &self.config.policy;
        let counted = bearer.map(Counted::with_credential).unwrap_or_default();
        (!policy.exempts(request, client)).then(|| policy.plan(request, client, &self.secret, counted))
    }

    fn proves(&self, request: &Request, client: &Client) -> bool {
        match &self.config.policy.trust {
            Trust::Upstream { proof, .. } => proof.matches(request, client, Reading::Certain),
            Trust::Any => false,
        }
    }

    /// Charges a plan. `opened` is the record that its proof would stand in.
    fn charge(
        &self,
        plan: Plan,
        opened: Option<Opened<C::Version>>,
        events: Events,
        now: Time,
    ) -> Result<Passage, StoreError> {
        let opened = opened.filter(|opened| opened.is_proved(now));
        let is_proved = opened.is_some();
        let charged = match plan.charges(is_proved) {
            None => Charged::default(),
            Some(charges) => {
                let lasts = plan.proof().map(|proof| proof.lasts).unwrap_or_default();
                self.table.charge(charges, opened.map(|opened| opened.prolonged(now.after(lasts))), now)?
            }
        };
        let mut passage = self.conclude(plan, is_proved, charged);
        passage.events += events;
        Ok(passage)
    }
}

impl Passage {
    const fn of(decision: Decision, events: Events, pending: Option<Pending>) -> Self {
        Self { decision, events, error: None, pending }
    }

    /// Without counters the application is worth more than its limits; but nobody may get past a limit by
    /// making workers race.
    fn undecided(error: StoreError) -> Self {
        let passage = match error {
            StoreError::Unavailable => Self::of(Decision::of(&[], &[]), Events::default(), None),
            StoreError::Contended => Self::denied_for_a_second(),
        };
        Self { error: Some(error), ..passage }
    }

    fn denied_for_a_second() -> Self {
        let decision = Decision { scopes: Vec::new(), wait: Some(Duration::from_secs(1)), nearest: None };
        Self::of(decision, Events::default(), None)
    }
}
