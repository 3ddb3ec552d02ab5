//! A request that is planned first and decided later, and one that the counters elsewhere did not decide.

use std::time::Duration;

use tollgate::client::Client;
use tollgate::config::Config;
use tollgate::gate::{Gate, Passage, Pending};
use tollgate::redis::OnFailure;
use tollgate::request::{Headers, Request};
use tollgate::store::{
    Acceptance, Cells, Counters, Events, MemoryCells, NO_SCOPE, Plan, Stays, StoreError, Table, Unavailable,
};
use tollgate::time::Time;

use super::{SECRET, Sent, get, world};

const POLICY: &str = r#"{
    "exempt": [{ "path": "/healthz" }],
    "scopes": {
        "anon": { "rate": "6/h", "match": { "client": "anonymous" }, "key": "address" },
        "user": { "rate": "9/h", "key": "credential" },
        "seen": { "rate": "2/h", "key": "address", "mode": "shadow" }
    }
}"#;

fn planned(gate: &Gate<impl Counters>, sent: &Sent) -> Plan {
    let block = Headers::encode(&sent.headers);
    let request = Request::new(Headers::new(&block), sent);
    let client = Client::identify(&gate.config().policy.client, &request);
    let acceptance = gate.proof(&client).map_or(Acceptance::NotNeeded, Acceptance::Unknown);
    gate.plan(&client, acceptance)
}

#[test]
fn it_has_the_same_outcome() {
    let (one, other) = (world(POLICY), world(POLICY));
    for number in 0..60 {
        let sent = match number % 4 {
            0 => get("/"),
            1 => get("/").token("t"),
            2 => get("/healthz").token("t"),
            _ => get("/").token("u").from("192.0.2.2:1"),
        };
        let outcome = one.send(&sent);
        let Passage { decision, pending, .. } =
            other.gate.admit_planned(planned(&other.gate, &sent), other.now);
        assert_eq!(decision, outcome.decision, "{number}");
        assert_eq!(other.gate.awaits(&pending), one.awaits(&outcome), "{number}");
        let later = super::Outcome { decision, denial: None, quota_headers: Vec::new(), pending };
        one.answer(outcome, 200);
        other.answer(later, 200);
    }
}

/// So the counters take those of one client in one step.
#[test]
fn charges_of_one_client_stand_together() {
    let world = world(
        r#"{ "scopes": {
            "a": { "rate": "9/h", "key": "global", "match": { "client": "anonymous" } },
            "b": { "rate": "9/h", "key": "address", "match": { "client": "authenticated" } },
            "c": { "rate": "9/h", "key": "address" },
            "d": { "rate": ["9/h", "9/d"], "key": "global", "match": { "client": "authenticated" } },
            "e": { "rate": "9/h", "key": "credential" },
            "f": { "rate": "9/h", "key": "credential" } } }"#,
    );
    let plan = planned(&world.gate, &get("/").token("t"));
    let scopes = |is_proved| plan.charges(is_proved).iter().map(|charge| charge.scope).collect::<Vec<_>>();
    assert_eq!(scopes(true), [1, 2, 3, 3, 4, 5]);
    assert_eq!(
        scopes(false),
        [0, 3, 3, 2, 1, NO_SCOPE, 4, 5],
        "the limit on new credentials is the address's, too"
    );
    let (always, other) = (Stays::Always, Stays::IfAccepted);
    let stays: Vec<_> = plan.charges(false).iter().map(|charge| charge.stays).collect();
    assert_eq!(stays, [Stays::UnlessAccepted, other, other, always, other, Stays::IfNew, other, other]);
}

#[test]
fn on_failure_says_what_becomes_of_it() {
    let world = world(POLICY);
    let without =
        |on_failure| world.gate.admit_without(planned(&world.gate, &get("/")), on_failure, world.now);
    for _ in 0..9 {
        let allowed = without(OnFailure::Allow);
        assert!(
            allowed.decision.is_allowed() && allowed.pending.receipt().is_empty() && allowed.error.is_none()
        );
        let denied = world.gate.reply(&without(OnFailure::Deny).decision).expect("denied");
        assert!(denied.status == 429 && denied.headers.contains(&("retry-after", "1".to_owned())));
    }
    let allowed = (0..9).filter(|_| without(OnFailure::Local).decision.is_allowed());
    assert_eq!(allowed.count(), 6, "its own counters, which nothing else has touched");
}

/// The record in which the proof would stand, which is read first, and that of the address.
#[test]
fn what_happened_to_either_record_is_told() {
    for is_planned in [false, true] {
        let config = Config::parse(POLICY.as_bytes()).expect("a policy");
        let table = Table::new(MemoryCells::default(), config.capacity);
        let (gate, now) = (Gate::new(config, SECRET, table), Time::from_micros(1_000_000_000));
        let cells = gate.counters().cells();
        for cell in 0..=gate.config().capacity.clients() / 8 {
            let (_, version) = cells.read(cell).expect("memory");
            assert_eq!(cells.write(cell, b"no records at all", &version), Ok(true));
        }
        let sent = get("/").token("t");
        let passage = if is_planned {
            gate.admit_planned(planned(&gate, &sent), now)
        } else {
            let block = Headers::encode(&sent.headers);
            let request = Request::new(Headers::new(&block), &sent);
            let client = Client::identify(&gate.config().policy.client, &request);
            gate.admit(&client, Pending::default(), now)
        };
        assert_eq!(passage.events, Events { corrupt: 2, ..Events::default() }, "{is_planned}");
    }
}

/// Cells that cannot be reached, or in which others are always faster.
struct Hopeless {
    can_be_reached: bool,
}

impl Cells for Hopeless {
    type Version = ();

    fn read(&self, _: u32) -> Result<(Vec<u8>, ()), Unavailable> {
        if self.can_be_reached { Ok((Vec::new(), ())) } else { Err(Unavailable) }
    }

    fn write(&self, _: u32, _: &[u8], (): &()) -> Result<bool, Unavailable> {
        Ok(false)
    }
}

#[test]
fn what_was_decided_without_the_counters_says_why() {
    for (can_be_reached, wait, error) in
        [(false, None, StoreError::Unavailable), (true, Some(Duration::from_secs(1)), StoreError::Contended)]
    {
        let config = Config::parse(POLICY.as_bytes()).expect("a policy");
        let table = Table::new(Hopeless { can_be_reached }, config.capacity);
        let gate = Gate::new(config, SECRET, table);
        let sent = get("/");
        let block = Headers::encode(&sent.headers);
        let request = Request::new(Headers::new(&block), &sent);
        let client = Client::identify(&gate.config().policy.client, &request);
        let passage = gate.admit(&client, Pending::default(), Time::default());
        assert_eq!((passage.decision.wait, passage.error), (wait, Some(error)));
        assert!(!gate.awaits(&passage.pending));
    }
}
