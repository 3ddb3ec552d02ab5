//! A credential counts once the application has accepted it.

use super::{Outcome, Sent, World, get, world};
use tollgate::gate::Response;

const POLICY: &str = r#"{
    "response": { "ratelimit_headers": "x-ratelimit" },
    "client": { "credential": { "trust_for": "10min" } },
    "scopes": {
        "anon": { "rate": "6/h", "match": { "client": "anonymous" }, "key": "address" },
        "user": { "rate": "9/h", "key": ["credential", "address"], "match": { "client": "authenticated" } },
        "all":  { "rate": "100/h", "key": "global" }
    }
}"#;

fn remaining(outcome: &Outcome) -> &str {
    &outcome.quota_headers[1].1
}

/// What an anonymous client at the usual address has left, found by using it up.
fn left(world: &World) -> usize {
    world.admitted(&get("/"))
}

#[test]
fn an_honest_first_request_costs_its_address_nothing_and_its_client_one() {
    let world = world(POLICY);
    let first = world.send(&get("/").token("t"));
    assert_eq!(remaining(&first), "5", "as anonymous");
    world.answer(first, 200);
    let second = world.send(&get("/").token("t"));
    assert_eq!(remaining(&second), "7", "two of nine, as itself");
    assert!(second.pending.is_none(), "nothing is left to wait for");
    assert_eq!(left(&world), 6);
}

#[test]
fn a_scope_that_is_the_same_either_way_is_charged_once() {
    let policy = r#"{ "response": { "ratelimit_headers": "x-ratelimit" }, "scopes": { "all": { "rate": "10/h", "key": "global" } } }"#;
    let world = world(policy);
    assert!(world.exchange(&get("/").token("t"), 200));
    assert_eq!(remaining(&world.send(&get("/").token("t"))), "8");
}

#[test]
fn a_made_up_credential_buys_nothing() {
    let world = world(POLICY);
    let sprayed = (0..1_000).filter(|number| world.exchange(&get("/").token(&format!("x{number}")), 401));
    assert_eq!(sprayed.count(), 6, "the anonymous quota of the address");
    assert!(world.exchange(&get("/").token("t").from("192.0.2.2:1"), 200), "others do not notice");
    assert!(world.exchange(&get("/").token("t"), 200), "not even at the same address, once they are proved");
    assert!(!world.exchange(&get("/").token("u"), 200), "but a new one there has to wait");
}

#[test]
fn many_new_clients_behind_one_address() {
    let world = world(&POLICY.replace("100/h", "1000/h"));
    for number in 0..200 {
        assert!(world.exchange(&get("/").token(&format!("honest{number}")), 200), "{number}");
    }
}

#[test]
fn only_a_success_of_the_application_proves() {
    let proves = |response: Response| {
        let world = world(POLICY);
        let outcome = world.send(&get("/").token("t"));
        world.settle(outcome, response);
        world.send(&get("/").token("t")).pending.is_none()
    };
    let success = Response { status: 200, from_upstream: true, grpc_failed: false };
    for status in [200, 201, 204, 206, 299] {
        assert!(proves(Response { status, ..success }), "{status}");
    }
    for status in [0, 100, 199, 300, 302, 304, 400, 401, 403, 404, 429, 500, 503] {
        assert!(!proves(Response { status, ..success }), "{status}");
    }
    assert!(!proves(Response { from_upstream: false, ..success }));
    assert!(!proves(Response { grpc_failed: true, ..success }));
}

#[test]
fn a_denial_proves_nothing_and_leaves_nothing_pending() {
    let world = world(POLICY);
    assert_eq!(left(&world), 6);
    let outcome = world.send(&get("/").token("t"));
    assert!(outcome.denial.is_some() && outcome.pending.is_none());
}

#[test]
fn two_requests_of_one_new_client_at_once_are_both_right() {
    let world = world(POLICY);
    let (one, other) = (world.send(&get("/").token("t")), world.send(&get("/").token("t")));
    world.answer(other, 200);
    world.answer(one, 200);
    assert_eq!(remaining(&world.send(&get("/").token("t"))), "6", "three of nine");
    assert_eq!(left(&world), 6);
}

#[test]
fn what_moves_never_exceeds_the_quota() {
    // Requests from many addresses, in flight at once, before the first is answered.
    let world = world(POLICY);
    let sent: Vec<_> =
        (0..30).map(|number| get("/").token("t").from(&format!("192.0.2.{number}:1"))).collect();
    let in_flight: Vec<_> = sent.iter().map(|sent| world.send(sent)).collect();
    for outcome in in_flight {
        world.answer(outcome, 200);
    }
    assert!(world.send(&get("/").token("t")).denial.is_some(), "its nine are used");
    let left_at = |index: usize| world.admitted(&Sent { headers: get("/").headers, ..sent[index].clone() });
    assert_eq!(left_at(0), 6, "what it used of the first addresses' is back");
    assert_eq!(left_at(29), 5, "and what did not fit stays where it was charged");
}

#[test]
fn a_proof_lasts_from_its_last_use() {
    let mut world = world(&POLICY.replace("9/h", "100/h"));
    let proved = |world: &World| world.send(&get("/").token("t")).pending.is_none();
    assert!(world.exchange(&get("/").token("t"), 200));
    for _ in 0..5 {
        world.pass(599);
        assert!(proved(&world), "renewed by use");
    }
    world.pass(600);
    assert!(!proved(&world));
}

#[test]
fn any_credential_counts_where_that_is_wanted() {
    let world = world(&POLICY.replace(r#""trust_for": "10min""#, r#""trust": "any""#));
    let outcome = world.send(&get("/").token("t"));
    assert_eq!(remaining(&outcome), "8");
    assert!(outcome.pending.is_none());
}

#[test]
fn only_requests_that_match_prove() {
    let world = world(&POLICY.replace(r#""trust_for""#, r#""proof": { "path": "/api/**" }, "trust_for""#));
    for target in ["/", "/index.html", "/api/..%2Findex.html"] {
        assert!(world.exchange(&get(target).token("t"), 200));
        assert!(world.send(&get("/").token("t")).pending.is_some(), "{target}");
    }
    world.exchange(&get("/api/me").token("t").from("192.0.2.9:1"), 200);
    assert!(world.send(&get("/").token("t")).pending.is_none());
}

#[test]
fn a_use_that_costs_the_credential_nothing_renews_too() {
    let policy = POLICY
        .replace(r#""match": { "client": "authenticated" } },"#, r#""match": { "path": "/api/**" } },"#);
    let mut world = world(&policy);
    assert!(world.exchange(&get("/").token("t"), 200));
    for _ in 0..3 {
        world.pass(599);
        assert!(world.send(&get("/").token("t")).pending.is_none());
    }
}

#[test]
fn an_exemption_of_authenticated_clients_is_for_those_who_are() {
    let world =
        world(&POLICY.replace(r#""scopes""#, r#""exempt": [{ "client": "authenticated" }], "scopes""#));
    let sprayed = (0..20).filter(|number| world.exchange(&get("/").token(&format!("x{number}")), 401));
    assert_eq!(sprayed.count(), 6);
    assert!(world.exchange(&get("/").token("t").from("192.0.2.2:1"), 200));
    assert!(world.send(&get("/").token("t")).decision.scopes.is_empty());
}

#[test]
fn so_does_one_that_only_a_shadow_scope_would_deny() {
    let mut world = world(
        r#"{ "client": { "credential": { "trust_for": "10min" } },
             "scopes": { "seen": { "rate": "1/d", "key": "credential", "mode": "shadow" } } }"#,
    );
    assert!(world.exchange(&get("/").token("t"), 200));
    for _ in 0..3 {
        world.pass(599);
        assert!(world.send(&get("/").token("t")).pending.is_none());
    }
}
