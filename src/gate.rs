//! The walk of one request: plan, charge, decide; and, when the response comes, what is settled.

use std::time::Duration;

use crate::client::Client;
use crate::config::Config;
use crate::limiter::{Decision, Trust};
use crate::request::Request;
use crate::response::Denial;
use crate::scope::{Counted, Reading, credential_fingerprint};
use crate::store::{Cells, Charge, Charged, Events, Fingerprint, Receipt, Secret, StoreError, Table};
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
    /// What waits for the response, to be handed to [`Gate::settle`]. If no response ever comes, the charges
    /// stay.
    pub pending: Option<Pending>,
}

/// What waits for the response.
pub struct Pending {
    receipt: Receipt,
    unproved: Option<Unproved>,
}

/// A credential that the application has not accepted yet.
struct Unproved {
    client: Fingerprint,
    /// What the request would have been charged if it had been accepted.
    charges: Vec<Charge>,
    /// Whether a success of this request says that it is accepted.
    is_proof: bool,
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

    /// Decides about a request of this client.
    pub fn admit(&self, request: &Request, client: &Client, now: Time) -> Passage {
        self.decide(request, client, now).unwrap_or_else(Passage::undecided)
    }

    /// Gives back what is not to stay now that the request is answered, and notes that the application has
    /// accepted its credential. Returns whether it noted that.
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
        let policy = &self.config.policy;
        let Pending { receipt, unproved } = pending;
        // A request that the application never answered keeps its charges.
        let stays = |scope| !response.from_upstream || policy.counts(scope, response.status);
        let accepted = unproved.filter(|unproved| unproved.is_proof && response.is_success());
        let (Some(unproved), Trust::Upstream { lasts, .. }) = (accepted, &policy.trust) else {
            return Ok((false, self.table.refund(receipt.of_scopes(|scope| !stays(scope)), now)?));
        };
        // What was charged to the address for want of a proof moves to the credential. If there is no room for
        // all of it, the address has paid: somebody must.
        let mut due = unproved.charges;
        due.retain(|charge| stays(charge.scope));
        let moved: Vec<Charge> = due.iter().filter(|charge| !receipt.has(charge)).copied().collect();
        let mut events = self.table.prove(unproved.client, now.after(*lasts), now)?;
        let (all_fit, more) = self.table.take_what_fits(&moved, now)?;
        events += more;
        let given_back =
            if all_fit { receipt.without(&due) } else { receipt.of_scopes(|scope| !stays(scope)) };
        events += self.table.refund(given_back, now)?;
        Ok((true, events))
    }

    /// The reply to a denied request; `None` if it is allowed.
    pub fn denial(&self, decision: &Decision) -> Option<Denial> {
        self.config.response.denial(&self.config.policy, decision)
    }

    /// The fields that tell an allowed request's client its quota.
    pub fn quota_headers(&self, decision: &Decision) -> Vec<(&'static str, String)> {
        self.config.response.quota_headers(&self.config.policy, decision)
    }

    fn unproved(&self, bearer: Fingerprint, request: &Request, client: &Client) -> Unproved {
        let policy = &self.config.policy;
        let is_proof = match &policy.trust {
            Trust::Upstream { proof, .. } => proof.matches(request, client, Reading::Certain),
            Trust::Any => false,
        };
        let charges = policy.plan(request, client, &self.secret, Counted::with_credential(bearer));
        Unproved { client: bearer, charges, is_proof }
    }

    fn decide(&self, request: &Request, client: &Client, now: Time) -> Result<Passage, StoreError> {
        let policy = &self.config.policy;
        let mut events = Events::default();
        let mut counted = Counted::default();
        let mut opened = None;
        let mut unproved = None;
        if let (Trust::Upstream { lasts, .. }, Some(credential)) = (&policy.trust, client.credential()) {
            let bearer = credential_fingerprint(credential, &self.secret);
            let record = self.table.open(bearer, &mut events)?;
            if record.is_proved(now) {
                opened = Some(record.prolonged(now.after(*lasts)));
                counted = Counted::with_credential(bearer);
            } else {
                unproved = Some(bearer);
            }
        }
        let anonymous = client.anonymous();
        let believed = if unproved.is_some() { &anonymous } else { client };
        if policy.exempts(request, believed) {
            return Ok(Passage::of(Decision::of(&[], &[]), events, None));
        }
        let charges = policy.plan(request, believed, &self.secret, counted);
        let unproved = unproved.map(|bearer| self.unproved(bearer, request, client));
        let Charged { verdicts, receipt, events: more } = self.table.charge(&charges, opened, now)?;
        events += more;
        let decision = Decision::of(&charges, &verdicts);
        let waits = unproved.is_some() || receipt.scopes().any(|scope| policy.awaits_response(scope));
        let pending = (waits && decision.is_allowed()).then_some(Pending { receipt, unproved });
        Ok(Passage::of(decision, events, pending))
    }
}

impl Passage {
    const fn of(decision: Decision, events: Events, pending: Option<Pending>) -> Self {
        Self { decision, events, error: None, pending }
    }

    /// Without counters the application is worth more than its limits; but nobody may get past a limit by
    /// making workers race.
    fn undecided(error: StoreError) -> Self {
        let wait = match error {
            StoreError::Unavailable => None,
            StoreError::Contended => Some(Duration::from_secs(1)),
        };
        let decision = Decision { scopes: Vec::new(), wait, nearest: None };
        Self { error: Some(error), ..Self::of(decision, Events::default(), None) }
    }
}
