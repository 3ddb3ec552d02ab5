//! From a configuration and a request to what the client is told.

mod configuration;
mod keys;
mod matching;
mod readings;
mod responses;

use tollgate::config::Config;
use tollgate::limiter::Decision;
use tollgate::request::{Headers, Properties, Request};
use tollgate::response::Denial;
use tollgate::store::{Charge, MemoryCells, Secret, Table};
use tollgate::time::Time;

/// A request as a client would send it.
#[derive(Clone)]
struct Sent {
    address: String,
    headers: Vec<(String, String)>,
}

/// `GET` of this target from 192.0.2.1.
fn get(target: &str) -> Sent {
    Sent { address: "192.0.2.1:4711".into(), headers: Vec::new() }
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

    fn token(self, token: &str) -> Self {
        self.with("authorization", &format!("Token {token}"))
    }
}

impl Properties for Sent {
    fn source_address(&self) -> Vec<u8> {
        self.address.clone().into_bytes()
    }
}

/// A configuration at work, on a clock that stands still.
struct Gate {
    config: Config,
    table: Table<MemoryCells>,
    now: Time,
}

/// The outcome of one request.
struct Outcome {
    decision: Decision,
    denial: Option<Denial>,
    quota_headers: Vec<(&'static str, String)>,
}

fn gate(document: &str) -> Gate {
    let config = Config::parse(document.as_bytes()).unwrap_or_else(|error| panic!("{error}: {document}"));
    let table = Table::new(MemoryCells::default(), config.capacity);
    Gate { config, table, now: Time::from_micros(1_000_000_000) }
}

impl Gate {
    fn plan(&self, sent: &Sent) -> Vec<Charge> {
        let block = Headers::encode(&sent.headers);
        self.config.policy.plan(&Request::new(Headers::new(&block), sent), &Secret::new([1; 16]))
    }

    /// The names of the scopes that the request falls under.
    fn scopes(&self, sent: &Sent) -> Vec<&str> {
        let mut scopes: Vec<usize> = self.plan(sent).iter().map(|charge| charge.scope).collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes.into_iter().map(|scope| self.config.policy.scopes[scope].name.as_str()).collect()
    }

    fn send(&self, sent: &Sent) -> Outcome {
        let charges = self.plan(sent);
        let outcome = self.table.charge(&charges, self.now).expect("memory is always there");
        drop(outcome.receipt);
        let decision = Decision::of(&charges, &outcome.verdicts);
        let Config { policy, response, .. } = &self.config;
        let denial = response.denial(policy, &decision);
        let quota_headers = response.quota_headers(policy, &decision);
        Outcome { decision, denial, quota_headers }
    }

    /// How often in a row the request is let through, up to 1,000 times.
    fn admitted(&self, sent: &Sent) -> usize {
        (0..1_000).take_while(|_| self.send(sent).decision.is_allowed()).count()
    }

    /// Whether the two are one client to the scope `only`.
    fn same_client(&self, one: &Sent, other: &Sent) -> bool {
        self.plan(one)[0].client == self.plan(other)[0].client
    }
}

/// A policy with one scope of 5 per hour and these further fields.
fn one_scope(fields: &str) -> String {
    format!(r#"{{ "scopes": {{ "only": {{ "rate": "5/h", {fields} }} }} }}"#)
}
