//! The walk of one request: plan, charge, decide; and, once it is answered, what is settled.
//!
//! With the counters of this proxy the first part is one step, [`Gate::admit`]. Counters elsewhere answer later: then
//! the request is planned ([`Gate::plan`]), waits, and is concluded ([`Gate::conclude`]).

mod operators;

use std::time::Duration;

use crate::client::Client;
use crate::config::Config;
use crate::decision::{Decision, Judged};
use crate::policy::Trust;
use crate::redis::OnFailure;
use crate::reply::LocalReply;
use crate::response::Response;
use crate::scope::{Count, Counted, Reading, credential_fingerprint};
use crate::store::{
    Acceptance, Accepted, Charge, Counters, Events, Outcome, Plan, Proof, Proves, Receipt, Secret,
    Settlement, Stays, StoreError, Taken,
};
use crate::time::Time;

/// A configuration at work on these counters.
pub struct Gate<T> {
    config: Config,
    secret: Secret,
    counters: T,
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
    /// What it was charged, to be handed to [`Gate::settlement`] once it is answered.
    pub pending: Pending,
}

/// What a request was charged that has not been answered yet. If it never is, [`Gate::abandoned`] says what to do.
#[derive(Debug, Default)]
pub struct Pending {
    receipt: Receipt,
    /// The proof that is to be noted if the request proves it: it was not known, or it is time to renew it.
    proof: Option<Proof>,
    proves: Proves,
    /// What the limits have said by which it was charged for an earlier target.
    earlier: Vec<Judged>,
}

impl Pending {
    /// The same for a request that the proxy has redirected, and whose client is to be told this yet.
    #[must_use]
    pub fn of_redirected(self, told: Option<Decision>) -> Self {
        Self { earlier: told.map(|decision| decision.limits).unwrap_or_default(), ..self }
    }

    /// What its client is to be told of this decision, and of the charges that it has left out since they were taken before.
    #[must_use]
    pub fn told(&mut self, decision: Decision) -> Decision {
        let mut limits = std::mem::take(&mut self.earlier);
        if limits.is_empty() {
            return decision;
        }
        limits.extend(decision.limits);
        Decision { limits, ..decision }
    }

    /// What it was charged.
    pub const fn receipt(&self) -> &Receipt {
        &self.receipt
    }
}

impl<T: Counters> Gate<T> {
    /// A gate under this configuration. The secret keys the fingerprints of clients. The counters should have room for
    /// [`Config::capacity`] clients.
    pub const fn new(config: Config, secret: Secret, counters: T) -> Self {
        Self { config, secret, counters }
    }

    /// The configuration.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// This proxy's counters.
    pub const fn counters(&self) -> &T {
        &self.counters
    }

    /// Decides about a request of this client, by this proxy's counters. `before` is what the request was charged
    /// already, if the proxy has redirected it to another target: that is not charged again.
    pub fn admit(&self, client: &Client, before: Pending, now: Time) -> Passage {
        let admit = || {
            let mut events = Events::default();
            let Some(proof) = self.proof(client) else {
                return Ok((self.plan(client, Acceptance::NotNeeded), None, events));
            };
            let loaded = self.counters.load(proof.client, &mut events)?;
            let acceptance = match T::proved_for(&loaded, now) {
                Some(left) => Acceptance::Known(proof, left),
                None => Acceptance::Unknown(proof),
            };
            Ok((self.plan(client, acceptance), Some(loaded), events))
        };
        match admit() {
            Ok((plan, loaded, mut events)) => {
                let acts = self.acts(&mut events);
                if !acts.is_empty()
                    && let Some(blocked) = self.block(&acts, &self.identities(client), &plan, now)
                {
                    return Passage::of(blocked, events, before);
                }
                self.charge(plan, loaded, before, events, now)
            }
            Err(error) => Passage::undecided(error, before),
        }
    }

    /// Decides about a request that has been planned already, by this proxy's counters.
    pub fn admit_planned(&self, plan: Plan, now: Time) -> Passage {
        let mut events = Events::default();
        let load = |proof: Proof| self.counters.load(proof.client, &mut events);
        match plan.proof().map(load).transpose() {
            Ok(loaded) => self.charge(plan, loaded, Pending::default(), events, now),
            Err(error) => Passage::undecided(error, Pending::default()),
        }
    }

    /// Decides about a planned request without the counters that should have decided. What they were already
    /// charged, if anything, stays.
    pub fn admit_without(&self, plan: Plan, on_failure: OnFailure, now: Time) -> Passage {
        match on_failure {
            OnFailure::Local => self.admit_planned(plan, now),
            OnFailure::Allow => Passage::of(Decision::default(), Events::default(), Pending::default()),
            OnFailure::Deny => Passage::of(DENIED_FOR_A_SECOND, Events::default(), Pending::default()),
        }
    }

    /// The proof that this client needs for its credential to count; `None` if it has none or needs none.
    pub fn proof(&self, client: &Client) -> Option<Proof> {
        let Trust::Upstream { lasts, .. } = self.config.policy.trust else { return None };
        if !self.config.minds_credentials {
            return None;
        }
        let client = credential_fingerprint(client.credential()?, &self.secret);
        Some(Proof { client, lasts })
    }

    /// For how long this proxy's counters know a proof yet; `None` if they do not.
    pub fn proved_for(&self, proof: Proof, now: Time) -> Option<Duration> {
        let loaded = self.counters.load(proof.client, &mut Events::default()).ok()?;
        T::proved_for(&loaded, now)
    }

    /// What the request is to be charged. Touches no counters.
    ///
    /// A request whose credential may or may not count is charged for both: as its bearer's, so that however many are
    /// sent at once never more than the quota passes, and as an anonymous client's, so that a made-up credential buys
    /// nothing. One of the two is given back once it is answered.
    pub fn plan(&self, client: &Client, acceptance: Acceptance) -> Plan {
        let known = match acceptance {
            Acceptance::NotNeeded if client.could_be().is_empty() => None,
            Acceptance::NotNeeded => return self.plan_for_all(client),
            Acceptance::Known(proof, left) => Some((proof, left)),
            Acceptance::Unknown(proof) => {
                let proved = self.charges(client, Some(proof));
                let anonymous = self.charges(&client.anonymous(), None);
                let mut unproved = either(&proved, anonymous);
                let says = self.proves(client);
                // What is free for everybody makes nobody known: else a free page would prove whoever asks for it.
                let is_free = proved.is_empty() && unproved.is_empty();
                if !is_free
                    && matches!(says, Proves::BySuccess(_))
                    && let Some(charge) = self.config.policy.charge_for_new(client, &self.secret)
                {
                    put(charge, &mut unproved);
                }
                return Plan::Depends { proof, proved, unproved, proves: says };
            }
        };
        let charges = self.charges(client, known.map(|(proof, _)| proof));
        let proves = if known.is_some() { self.proves(client) } else { Proves::Nothing };
        Plan::Certain { charges, known, proves }
    }

    /// What a request is to be charged that presents several credentials, or one that may be read in several ways: as the bearer's of
    /// each; and as an anonymous client's, if credentials have to prove themselves, or if it may be somebody else's. It proves
    /// nothing: a success belongs to the credential that the application has used, and nobody knows which.
    fn plan_for_all(&self, client: &Client) -> Plan {
        let must_prove = matches!(self.config.policy.trust, Trust::Upstream { .. });
        let as_anonymous = self.config.minds_credentials && (must_prove || client.could_be_another());
        let mut charges = if as_anonymous { self.charges(&client.anonymous(), None) } else { Vec::new() };
        for bearer in client.could_be() {
            for charge in self.charges(&client.with(bearer), None) {
                if !charges.iter().any(|other| is_same(&charge, other)) {
                    put(charge, &mut charges);
                }
            }
        }
        Plan::Certain { charges, known: None, proves: Proves::Nothing }
    }

    /// What follows from what the counters say about a plan: for how long they know its proof (`None` if they do
    /// not), and what became of the charges that it has then.
    #[inline(never)]
    pub fn conclude(
        &self,
        plan: &Plan,
        proved_for: Option<Duration>,
        outcome: Outcome,
        before: Pending,
    ) -> Passage {
        let Outcome { verdicts, receipt, mut events } = outcome;
        let decision = Decision::of(plan.charges(proved_for.is_some()), &verdicts);
        let Pending { receipt: taken, earlier, .. } = before;
        let receipt = if taken.is_empty() { receipt } else { taken.and(receipt) };
        let (proof, proves) = match plan.proof().filter(|_| decision.is_allowed()) {
            Some(proof) => match proved_for {
                // It is noted for a little longer than it has to count, so that not every success has to be written.
                Some(left) => (Some(proof).filter(|proof| left < proof.lasts), plan.proves()),
                None if receipt.admits_new() => (Some(proof.first()), plan.proves()),
                None => {
                    let is_of_new = |charge: &Charge| charge.stays == Stays::IfNew;
                    events.held_back += u32::from(plan.charges(false).iter().any(is_of_new));
                    (None, plan.proves().but_not_noted())
                }
            },
            None => (None, plan.proves()),
        };
        Passage::of(decision, events, Pending { receipt, proof, proves, earlier })
    }

    /// Whether anything about what a request was charged depends on its response.
    pub fn awaits(&self, pending: &Pending) -> bool {
        let waits = |taken: &Taken| {
            taken.stays != Stays::Always || *self.config.policy.count(taken.scope) != Count::All
        };
        pending.proof.is_some() || pending.receipt.iter().any(waits)
    }

    /// Whether a response with this status changes anything about what a request was charged. If not, the rest of the
    /// response need not be looked at.
    pub fn matters(&self, pending: &Pending, status: u16) -> bool {
        let may_go = |taken: &Taken| {
            let count = self.config.policy.count(taken.scope);
            taken.stays != Stays::Always || count.minds_grpc() || !count.counts(status, None)
        };
        pending.proof.is_some() || pending.receipt.iter().any(may_go)
    }

    /// What is to be done now that the request is answered: charges that are not to stay are given back, and that the
    /// application has accepted its credential is noted.
    pub fn settlement(&self, pending: Pending, response: Response) -> Settlement {
        let accepted = pending.proves.by(response);
        let Pending { receipt, proof, .. } = pending;
        let goes = |taken: &Taken| !self.counts(taken.scope, response) || !taken.stays.stays(accepted);
        Settlement::new(proof.filter(|_| accepted == Accepted::Yes), receipt, goes)
    }

    /// What is to be done if the request is never answered. It keeps its charges, so that guesses do not slip through
    /// by not waiting for their answers; but nobody has accepted its credential.
    pub fn abandoned(&self, pending: Pending) -> Settlement {
        let is_bearers = |taken: &Taken| matches!(taken.stays, Stays::IfAccepted | Stays::IfNew);
        Settlement::undo(pending.receipt.only(is_bearers))
    }

    /// Does what is to be done, with this proxy's counters.
    ///
    /// # Errors
    /// If the counters cannot be reached or are contended. What was to be given back may then stay taken
    /// until its window is over.
    pub fn settle(&self, settlement: Settlement, now: Time) -> Result<Events, StoreError> {
        self.counters.settle(settlement, now)
    }

    /// The decision as it stands once the request is answered.
    pub fn settled(&self, decision: Decision, pending: &Pending, response: Response) -> Decision {
        let accepted = pending.proves.by(response);
        decision.settled(accepted, |scope| self.counts(scope, response))
    }

    /// The reply to a denied request; `None` if it is allowed.
    pub fn reply(&self, decision: &Decision) -> Option<LocalReply> {
        self.config.reply.reply(&self.config.policy, decision)
    }

    /// The fields that tell an allowed request's client its quota.
    pub fn quota_headers(&self, decision: &Decision) -> Vec<(&'static str, String)> {
        self.config.reply.quota_headers(&self.config.policy, decision)
    }

    /// Whether a charge of this scope stays. What the application may have worked on without an answer does.
    fn counts(&self, scope: usize, response: Response) -> bool {
        response.is_lost() || self.config.policy.count(scope).counts(response.status, response.grpc)
    }

    /// The charges of a request of `client`, whose credential is that of `proof` if it has one that counts.
    fn charges(&self, client: &Client, proof: Option<Proof>) -> Vec<Charge> {
        let policy = &self.config.policy;
        if policy.exempts(client) {
            return Vec::new();
        }
        let counted = proof.map(|proof| Counted::with_credential(proof.client)).unwrap_or_default();
        policy.plan(client, &self.secret, counted)
    }

    fn proves(&self, client: &Client) -> Proves {
        let asked = client.request().asked();
        match &self.config.policy.trust {
            Trust::Upstream { proof, .. } if proof.matches(client, Reading::Certain) => {
                Proves::BySuccess(asked)
            }
            Trust::Upstream { .. } => Proves::Perhaps(asked),
            Trust::Any => Proves::Nothing,
        }
    }

    /// Charges a plan. `loaded` is the record that its proof would stand in.
    fn charge(
        &self,
        mut plan: Plan,
        loaded: Option<T::Loaded>,
        before: Pending,
        events: Events,
        now: Time,
    ) -> Passage {
        plan.leave_out(&before.receipt);
        let proved_for = loaded.as_ref().and_then(|loaded| T::proved_for(loaded, now));
        match self.counters.charge(plan.charges(proved_for.is_some()), loaded, now) {
            Ok(outcome) => {
                let mut passage = self.conclude(&plan, proved_for, outcome, before);
                passage.events += events;
                passage
            }
            Err(error) => Passage::undecided(error, before),
        }
    }
}

/// The charges of a request that is either its bearer's or an anonymous client's, those of one client together.
fn either(proved: &[Charge], anonymous: Vec<Charge>) -> Vec<Charge> {
    let mut charges = anonymous;
    for charge in &mut charges {
        let stays_anyway = proved.iter().any(|other| is_same(charge, other));
        charge.stays = if stays_anyway { Stays::Always } else { Stays::UnlessAccepted };
    }
    for charge in proved {
        if !charges.iter().any(|other| is_same(charge, other)) {
            put(Charge { stays: Stays::IfAccepted, ..*charge }, &mut charges);
        }
    }
    charges
}

fn is_same(one: &Charge, other: &Charge) -> bool {
    one.client == other.client && one.counter == other.counter
}

/// One charge more, behind those of the same client.
fn put(charge: Charge, charges: &mut Vec<Charge>) {
    let behind = charges.iter().rposition(|other| other.client == charge.client);
    charges.insert(behind.map_or(charges.len(), |last| last + 1), charge);
}

const DENIED_FOR_A_SECOND: Decision = Decision::denied_for(Duration::from_secs(1));

impl Passage {
    /// A decision that is not, or not only, the counters'. `pending` is what the request was charged already.
    #[must_use]
    pub const fn of(decision: Decision, events: Events, pending: Pending) -> Self {
        Self { decision, events, error: None, pending }
    }

    /// Without counters the application is worth more than its limits; but nobody may get past a limit by
    /// making workers race.
    fn undecided(error: StoreError, pending: Pending) -> Self {
        let decision = match error {
            StoreError::Unavailable => Decision::default(),
            StoreError::Contended => DENIED_FOR_A_SECOND,
        };
        Self { error: Some(error), ..Self::of(decision, Events::default(), pending) }
    }
}
