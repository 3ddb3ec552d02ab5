//! A policy at work on a clock of its own, with the counters in memory.

use std::time::Duration;

use tollgate::client::Client;
use tollgate::decision::Decision;
use tollgate::gate::{Gate, Passage, Pending};
use tollgate::limit::MAX_WINDOW;
use tollgate::reply::LocalReply;
use tollgate::request::{Headers, Request};
use tollgate::response::{Origin, Response};
use tollgate::store::{Acceptance, Charge, MemoryTable, NO_SCOPE, Plan, Secret, Stays};
use tollgate::time::Time;

use crate::policy::Policy;
use crate::request::Sent;

/// Whom the fingerprints stand for is nobody's secret here.
pub(crate) const SECRET: Secret = Secret::new(*b"tollgate.command");

/// A policy at work.
pub(crate) struct World<'p> {
    pub(crate) policy: &'p Policy,
    gate: Gate<MemoryTable>,
}

/// What the application answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With these statuses of HTTP and, if it is a gRPC call, of gRPC.
    Status(u16, Option<u32>),
    /// Never: the client has gone, or the application is stuck.
    Never,
}

impl Default for Answer {
    fn default() -> Self {
        Self::Status(200, None)
    }
}

/// What became of one request.
pub(crate) struct Outcome {
    /// What was known of its client's credential.
    pub(crate) acceptance: Acceptance,
    /// As it was decided.
    pub(crate) decision: Decision,
    /// What it was planned to be charged, each beside what its limit has said.
    pub(crate) charges: Vec<Charge>,
    /// The reply in the application's place, if there is one.
    pub(crate) reply: Option<LocalReply>,
    /// Whether its client wants a denial as a gRPC status.
    pub(crate) is_grpc: bool,
    /// The fields that an allowed request's client is told.
    pub(crate) fields: Vec<(&'static str, String)>,
    /// What was given back when it was answered: the places of scopes, and which of their charges.
    given_back: Vec<(usize, Stays)>,
    /// Whether its credential has proved itself.
    pub(crate) has_proved: bool,
    /// Whether it could not prove its credential, since too many new ones have come from its address.
    pub(crate) is_held_back: bool,
}

impl Outcome {
    /// Whether the application is asked.
    pub(crate) const fn is_allowed(&self) -> bool {
        self.reply.is_none()
    }

    /// Whether this charge was given back when the request was answered. (The charges of one scope that stay or go by the same
    /// rule do so together.)
    pub(crate) fn has_given_back(&self, charge: &Charge) -> bool {
        self.given_back.contains(&(charge.scope, charge.stays))
    }

    /// What `Retry-After` says.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        let headers = &self.reply.as_ref()?.headers;
        headers.iter().find(|(name, _)| *name == "retry-after")?.1.parse().ok()
    }
}

impl<'p> World<'p> {
    /// With no client known.
    pub(crate) fn new(policy: &'p Policy) -> Self {
        let config = policy.config.clone();
        let table = MemoryTable::new(config.capacity);
        Self { policy, gate: Gate::new(config, SECRET, table) }
    }

    /// Looks at who sends a request. If another proxy asks, and its question does not tell the request, there is the reply.
    pub(crate) fn with_client<T>(
        &self,
        sent: &Sent,
        look: impl FnOnce(&Client) -> T,
    ) -> Result<T, LocalReply> {
        let config = &self.policy.config;
        let block = Headers::encode(&sent.pairs(config.request_from));
        let request =
            Request::read(config.request_from, Headers::new(&block), sent).map_err(LocalReply::malformed)?;
        Ok(look(&Client::identify(&config.policy.client, &request)))
    }

    /// What is known of a client's credential at this moment, and what its request would be charged.
    fn plan(&self, client: &Client, at: Duration) -> (Acceptance, Plan) {
        let acceptance = match self.gate.proof(client) {
            None => Acceptance::NotNeeded,
            Some(proof) => match self.gate.proved_for(proof, moment(at)) {
                Some(left) => Acceptance::Known(proof, left),
                None => Acceptance::Unknown(proof),
            },
        };
        (acceptance, self.gate.plan(client, acceptance))
    }

    /// Sends a request at this time, which is answered at once if it is let through.
    pub(crate) fn send(&self, sent: &Sent, at: Duration, answer: Answer) -> Outcome {
        let admitted = self.with_client(sent, |client| {
            let (acceptance, plan) = self.plan(client, at);
            let charges = plan.charges(matches!(acceptance, Acceptance::Known(..))).to_vec();
            let is_grpc = client.request().is_grpc() && !self.policy.config.request_from.is_asked();
            (is_grpc, acceptance, charges, self.gate.admit(client, Pending::default(), moment(at)))
        });
        match admitted {
            Ok((is_grpc, acceptance, charges, passage)) => {
                Outcome { acceptance, is_grpc, ..self.answered(charges, passage, at, answer) }
            }
            Err(reply) => Outcome {
                acceptance: Acceptance::NotNeeded,
                is_grpc: false,
                decision: Decision::default(),
                charges: Vec::new(),
                reply: Some(reply),
                fields: Vec::new(),
                given_back: Vec::new(),
                has_proved: false,
                is_held_back: false,
            },
        }
    }

    fn answered(&self, charges: Vec<Charge>, passage: Passage, at: Duration, answer: Answer) -> Outcome {
        let Passage { decision, events, pending, .. } = passage;
        let mut outcome = Outcome {
            acceptance: Acceptance::NotNeeded,
            // Of the limit on new credentials nobody is told.
            charges: charges.into_iter().filter(|charge| charge.scope != NO_SCOPE).collect(),
            reply: self.gate.reply(&decision),
            is_grpc: false,
            fields: self.gate.quota_headers(&decision),
            given_back: Vec::new(),
            has_proved: false,
            is_held_back: events.held_back > 0,
            decision,
        };
        let is_asked = self.policy.config.request_from.is_asked();
        if outcome.reply.is_some() || is_asked {
            return outcome;
        }
        let settlement = match answer {
            Answer::Status(status, grpc) => {
                let response = Response { status, grpc, origin: Origin::Application };
                let told = self.gate.settled(outcome.decision.clone(), &pending, response);
                outcome.fields = self.gate.quota_headers(&told);
                self.gate.settlement(pending, response)
            }
            Answer::Never => self.gate.abandoned(pending),
        };
        outcome.given_back = settlement.given_back.iter().map(|taken| (taken.scope, taken.stays)).collect();
        outcome.has_proved = settlement.proof.is_some();
        // Memory is always there, and nobody else is at it.
        let _ = self.gate.settle(settlement, moment(at));
        outcome
    }
}

/// The clock begins late enough for every window to lie behind it, and where the marks of most windows lie on whole units of time.
fn moment(at: Duration) -> Time {
    Time::default().after(Duration::from_secs(400 * u64::from(MAX_WINDOW))).after(at)
}
