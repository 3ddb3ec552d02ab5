//! Several policies on one table: an update, or listeners side by side.

use std::time::Duration;

use tollgate::client::Client;
use tollgate::config::Config;
use tollgate::gate::{Gate, Pending};
use tollgate::request::{Headers, Request};
use tollgate::response::{Origin, Response};
use tollgate::store::Capacity;
use tollgate::time::Time;

use super::both::Both;
use super::{SECRET, Sent, answer, get};

/// Policies with one scope each, of one name.
struct Shared {
    counters: Both,
    now: Time,
}

fn scope(fields: &str) -> String {
    format!(r#"{{ "scopes": {{ "only": {{ "key": "address", {fields} }} }} }}"#)
}

fn rate(rate: &str) -> String {
    scope(&format!(r#""rate": {rate}"#))
}

impl Shared {
    fn new() -> Self {
        Self { counters: Both::new(Capacity::default()), now: Time::from_micros(1_000_000_000) }
    }

    /// Whether a request is let through under this policy, which is then answered with 200.
    fn send(&self, document: &str, sent: &Sent) -> bool {
        let config = Config::parse(document.as_bytes()).expect(document);
        let gate = Gate::new(config, SECRET, &self.counters);
        let block = Headers::encode(&sent.headers);
        let request = Request::new(Headers::new(&block), sent);
        let client = Client::identify(&gate.config().policy.client, &request);
        let passage = gate.admit(&client, Pending::default(), self.now);
        assert_eq!((passage.error, passage.events.corrupt), (None, 0), "every record reads back");
        let allowed = passage.decision.is_allowed();
        if allowed {
            let settlement = gate.settlement(passage.pending, answer(200));
            gate.settle(settlement, self.now).expect("memory is always there");
        }
        allowed
    }

    fn admits(&self, document: &str) -> usize {
        (0..2_000).take_while(|_| self.send(document, &get("/"))).count()
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }
}

#[test]
fn a_rate_beside_another_grants_nothing() {
    let shared = Shared::new();
    assert_eq!(shared.admits(&rate(r#""10/h""#)), 10);
    assert_eq!(shared.admits(&rate(r#"["5/s", "10/h"]"#)), 0);
}

#[test]
fn the_order_of_rates_means_nothing() {
    let mut shared = Shared::new();
    for _ in 0..4 {
        shared.admits(&rate(r#"["100/min", "200/h"]"#));
        shared.pass(61);
    }
    assert_eq!(shared.admits(&rate(r#"["200/h", "100/min"]"#)), 0, "the hour's 200 are used");
}

#[test]
fn two_windows_of_one_scope_stand_side_by_side() {
    let mut shared = Shared::new();
    let mut of_hour = 0;
    for _ in 0..60 {
        of_hour += usize::from(shared.send(&rate(r#""5/h""#), &get("/")));
        shared.send(&rate(r#""5/s""#), &get("/"));
        shared.pass(1);
    }
    assert_eq!(of_hour, 5);
    assert_eq!(shared.admits(&rate(r#""5/s""#)), 5, "of the last second nothing is left");
}

#[test]
fn a_window_and_a_bucket_of_one_scope_stand_side_by_side() {
    let shared = Shared::new();
    let bucket = scope(r#""rate": "5/h", "algorithm": "token_bucket""#);
    let both =
        (0..1_000).map(|_| (shared.send(&rate(r#""5/h""#), &get("/")), shared.send(&bucket, &get("/"))));
    let (window, bucket): (Vec<bool>, Vec<bool>) = both.unzip();
    let count = |sent: Vec<bool>| sent.into_iter().filter(|allowed| *allowed).count();
    assert_eq!((count(window), count(bucket)), (5, 5));
}

#[test]
fn an_hour_does_not_begin_anew_when_it_comes_back() {
    let shared = Shared::new();
    assert_eq!(shared.admits(&rate(r#""5/h""#)), 5);
    assert_eq!(shared.admits(&rate(r#""5/s""#)), 5);
    assert_eq!(shared.admits(&rate(r#""5/h""#)), 0);
}

#[test]
fn a_shorter_window_denies_for_no_longer_than_itself() {
    let mut shared = Shared::new();
    assert_eq!(shared.admits(&rate(r#""1000/h""#)), 1_000);
    assert_eq!(shared.admits(&rate(r#""60/min""#)), 60);
    shared.pass(60);
    assert_eq!(shared.admits(&rate(r#""60/min""#)), 60);
    shared.pass(3_600 - 60);
    assert_eq!(shared.admits(&rate(r#""1000/h""#)), 0, "marks are rounded, by less than a minute");
    shared.pass(57);
    assert_eq!(shared.admits(&rate(r#""1000/h""#)), 1_000);
}

#[test]
fn a_much_shorter_window_loses_no_other_counter_and_no_proof() {
    let mut shared = Shared::new();
    let policy = |rate: &str| {
        format!(
            r#"{{ "scopes": {{
                "anon": {{ "rate": "1/d", "key": "address", "match": {{ "client": "anonymous" }} }},
                "user": {{ "rate": "{rate}", "key": "credential" }},
                "all": {{ "rate": "300/d", "key": "credential" }} }} }}"#
        )
    };
    let sent = get("/").token("t");
    for _ in 0..200 {
        assert!(shared.send(&policy("1000/d"), &sent));
        shared.pass(60);
    }
    let mut admitted = 0;
    for _ in 0..200 {
        admitted += usize::from(shared.send(&policy("20/min"), &sent));
        shared.pass(60);
    }
    assert_eq!(admitted, 100, "300 a day, and the address has but one");
}

#[test]
fn what_one_policy_has_in_flight_counts_for_the_other() {
    let shared = Shared::new();
    let login = scope(r#""rate": "2/h", "count": { "status": [401] }"#);
    let config = Config::parse(login.as_bytes()).expect("a policy");
    let gate = Gate::new(config, SECRET, &shared.counters);
    let sent = get("/");
    let block = Headers::encode(&sent.headers);
    let request = Request::new(Headers::new(&block), &sent);
    let client = Client::identify(&gate.config().policy.client, &request);
    let in_flight = gate.admit(&client, Pending::default(), shared.now).pending;
    assert_eq!(shared.admits(&rate(r#""3/h""#)), 2);
    let response = Response { status: 200, grpc: None, origin: Origin::Application };
    gate.settle(gate.settlement(in_flight, response), shared.now).expect("memory is always there");
    assert_eq!(shared.admits(&rate(r#""3/h""#)), 1, "it is there again");
}
