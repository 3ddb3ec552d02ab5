//! From a configuration and a request to what the client is told.

#[path = "../common/both.rs"]
mod both;
mod configuration;
mod counting;
mod effect;
mod forwarded;
mod keys;
mod matching;
mod operators;
mod planned;
mod proofs;
mod readings;
mod responses;
mod secrets;
#[path = "../common/settlement.rs"]
mod settled;
mod settlement;
mod settling;
mod several;
mod size;
mod store;
mod trust;
mod unused;
mod values;

use std::borrow::Cow;
use std::time::Duration;

use tollgate::client::Client;
use tollgate::config::Config;
use tollgate::decision::Decision;
use tollgate::gate::{Gate, Pending};
use tollgate::reply::LocalReply;
use tollgate::request::{Headers, Properties, Request};
use tollgate::response::{Origin, Response};
use tollgate::scope::Counted;
use tollgate::store::{Charge, Events, Secret};
use tollgate::time::Time;

use both::Both;

const SECRET: Secret = Secret::new([1; 16]);

/// A request as a client would send it.
#[derive(Clone)]
struct Sent {
    address: String,
    claim: Option<(String, String)>,
    headers: Vec<(String, String)>,
}

/// `GET` of this target from 192.0.2.1.
fn get(target: &str) -> Sent {
    Sent { address: "192.0.2.1:4711".into(), claim: None, headers: Vec::new() }
        .with(":method", "GET")
        .with(":authority", "api.example.com")
        .with(":path", target)
}

impl Sent {
    /// One more header; of a pseudo-header there is only one.
    fn with(mut self, name: &str, value: &str) -> Self {
        if name.starts_with(':') {
            self.headers.retain(|(known, _)| known != name);
        }
        self.headers.push((name.into(), value.into()));
        self
    }

    fn from(mut self, address: &str) -> Self {
        self.address = address.into();
        self
    }

    /// With a verified claim; the names that lead to one inside others are separated by NUL.
    fn claim(mut self, path: &str, value: &str) -> Self {
        self.claim = Some((path.into(), value.into()));
        self
    }

    fn token(self, token: &str) -> Self {
        self.with("authorization", &format!("Token {token}"))
    }
}

impl Properties for Sent {
    fn source_address(&self) -> Cow<'_, [u8]> {
        self.address.as_bytes().into()
    }

    fn jwt_claim(&self, path: &str) -> Option<Cow<'_, [u8]>> {
        self.claim.as_ref().filter(|(known, _)| known == path).map(|(_, value)| value.as_bytes().into())
    }
}

/// A configuration at work, on a clock that stands still.
struct World {
    gate: Gate<Both>,
    now: Time,
}

/// The outcome of one request.
struct Outcome {
    decision: Decision,
    denial: Option<LocalReply>,
    quota_headers: Vec<(&'static str, String)>,
    pending: Pending,
}

fn world(document: &str) -> World {
    let config = Config::parse(document.as_bytes()).unwrap_or_else(|error| panic!("{error}: {document}"));
    let table = Both::new(config.capacity);
    World { gate: Gate::new(config, SECRET, table), now: Time::from_micros(1_000_000_000) }
}

impl World {
    fn plan(&self, sent: &Sent) -> Vec<Charge> {
        let policy = &self.gate.config().policy;
        let block = Headers::encode(&sent.headers);
        let request = Request::new(Headers::new(&block), sent);
        let client = Client::identify(&policy.client, &request);
        if policy.exempts(&client) { Vec::new() } else { policy.plan(&client, &SECRET, Counted::default()) }
    }

    /// The names of the scopes that the request falls under.
    fn scopes(&self, sent: &Sent) -> Vec<&str> {
        let mut scopes: Vec<usize> = self.plan(sent).iter().map(|charge| charge.scope).collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes.into_iter().map(|scope| self.gate.config().policy.scopes[scope].name.as_str()).collect()
    }

    fn send(&self, sent: &Sent) -> Outcome {
        self.charge(sent, Pending::default())
    }

    /// The proxy redirects a request that it has let through.
    fn redirect(&self, outcome: Outcome, sent: &Sent) -> Outcome {
        self.charge(sent, outcome.pending)
    }

    fn charge(&self, sent: &Sent, before: Pending) -> Outcome {
        let block = Headers::encode(&sent.headers);
        let request = Request::new(Headers::new(&block), sent);
        let client = Client::identify(&self.gate.config().policy.client, &request);
        let passage = self.gate.admit(&client, before, self.now);

        let events = Events { held_back: passage.events.held_back, ..Events::default() };
        assert_eq!((passage.error, passage.events), (None, events));
        let denial = self.gate.reply(&passage.decision);
        let quota_headers = self.gate.quota_headers(&passage.decision);
        Outcome { decision: passage.decision, denial, quota_headers, pending: passage.pending }
    }

    /// The application's response to a request that was let through.
    fn answer(&self, outcome: Outcome, status: u16) -> Outcome {
        self.settle(outcome, answer(status))
    }

    /// What is left of the outcome is what its client is told.
    fn settle(&self, outcome: Outcome, response: Response) -> Outcome {
        let Outcome { decision, denial, quota_headers, pending } = outcome;
        if !self.gate.matters(&pending, response.status) {
            return Outcome { decision, denial, quota_headers, pending: Pending::default() };
        }
        let decision = self.gate.settled(decision, &pending, response);
        let settlement = self.gate.settlement(pending, response);
        self.gate.settle(settlement, self.now).expect("memory is always there");
        let quota_headers = self.gate.quota_headers(&decision);
        Outcome { decision, denial, quota_headers, pending: Pending::default() }
    }

    /// The client goes away before its request is answered.
    fn abandon(&self, outcome: Outcome) {
        let settlement = self.gate.abandoned(outcome.pending);
        self.gate.settle(settlement, self.now).expect("memory is always there");
    }

    /// Whether anything depends on the response.
    fn awaits(&self, outcome: &Outcome) -> bool {
        self.gate.awaits(&outcome.pending)
    }

    /// Sends a request and, if it is let through, answers it with this status. Returns whether it was.
    fn exchange(&self, sent: &Sent, status: u16) -> bool {
        let outcome = self.send(sent);
        let allowed = outcome.decision.is_allowed();
        self.answer(outcome, status);
        allowed
    }

    /// How many of one request it counts as held back.
    fn held_back(&self, sent: &Sent) -> u32 {
        let block = Headers::encode(&sent.headers);
        let request = Request::new(Headers::new(&block), sent);
        let client = Client::identify(&self.gate.config().policy.client, &request);
        self.gate.admit(&client, Pending::default(), self.now).events.held_back
    }

    /// How often in a row the request is let through, up to 1,000 times, and answered with a success.
    fn admitted(&self, sent: &Sent) -> usize {
        (0..1_000).take_while(|_| self.exchange(sent, 200)).count()
    }

    /// Whether the two are one client to the scope `only`.
    fn same_client(&self, one: &Sent, other: &Sent) -> bool {
        self.plan(one)[0].client == self.plan(other)[0].client
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }
}

/// The application's answer with this status.
const fn answer(status: u16) -> Response {
    Response { status, grpc: None, origin: Origin::Application }
}

/// What the refusal of this policy says.
fn refused(document: &str) -> String {
    Config::parse(document.as_bytes()).map(|_| ()).expect_err(document).to_string()
}

fn assert_accepted(document: &str) {
    if let Err(error) = Config::parse(document.as_bytes()) {
        panic!("{document}: {error}");
    }
}

/// A policy with one scope of 5 per hour and these further fields.
fn one_scope(fields: &str) -> String {
    one_scope_and(fields, r#""mode": "enforce""#)
}

/// The same, with another section.
fn one_scope_and(fields: &str, section: &str) -> String {
    format!(r#"{{ {section}, "scopes": {{ "only": {{ "rate": "5/h", {fields} }} }} }}"#)
}
