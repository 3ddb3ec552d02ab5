//! What proves a credential, for how long, and what renews that.

use super::trust::{POLICY, is_bearers, is_proved, left};
use super::{answer, get, world};
use tollgate::response::{Origin, Response};

#[test]
fn a_first_proof_is_short() {
    let mut world = world(&POLICY.replace("9/h", "100/s"));
    world.exchange(&get("/").token("t"), 200);
    world.pass(337);
    assert!(is_proved(&world), "five minutes and an eighth");
    world.pass(1);
    assert!(!is_proved(&world));
    world.exchange(&get("/").token("t"), 200);
    world.exchange(&get("/").token("t"), 200);
    world.pass(600);
    assert!(is_proved(&world), "the second one is as long as the policy says");
}

#[test]
fn only_a_success_of_the_application_proves() {
    let proves = |method: &str, response: Response| {
        let world = world(POLICY);
        let sent = get("/").with(":method", method).token("t");
        let sent = if response.status == 101 { sent.with("upgrade", "websocket") } else { sent };
        world.settle(world.send(&sent), response);
        is_proved(&world)
    };
    for status in [101, 200, 201, 204, 206, 299, 304] {
        assert!(proves("GET", answer(status)), "{status}");
    }
    for status in [0, 100, 199, 300, 302, 303, 305, 400, 401, 403, 404, 429, 500, 503] {
        assert!(!proves("GET", answer(status)), "{status}");
    }
    assert!(proves("POST", answer(303)) && !proves("HEAD", answer(303)));
    for origin in [Origin::Proxy, Origin::Lost] {
        assert!(!proves("GET", Response { origin, ..answer(200) }));
    }
    assert!(proves("POST", Response { grpc: Some(0), ..answer(200) }));
    assert!(!proves("POST", Response { grpc: Some(16), ..answer(200) }));
}

#[test]
fn a_denial_proves_nothing_and_leaves_nothing_pending() {
    let world = world(POLICY);
    assert_eq!(left(&world), 6);
    let outcome = world.send(&get("/").token("t"));
    assert!(outcome.denial.is_some() && !world.awaits(&outcome));
}

#[test]
fn a_proof_lasts_from_the_last_success() {
    // No counter keeps it: the client has its quota by the second.
    let policy = POLICY.replace("9/h", "100/s");
    let mut world = world(&policy);
    for _ in 0..2 {
        assert!(world.exchange(&get("/").token("t"), 200));
    }
    for _ in 0..5 {
        world.pass(599);
        let outcome = world.send(&get("/").token("t"));
        assert!(is_bearers(&outcome));
        world.answer(outcome, 200);
    }
    for _ in 0..6 {
        world.pass(100);
        world.exchange(&get("/").token("t"), 404);
    }
    world.pass(75);
    assert!(!is_proved(&world), "only a success renews");
}

#[test]
fn a_credential_that_is_refused_lapses_however_often_it_is_sent() {
    let mut world = world(&POLICY.replace("9/h", "1000/min"));
    assert!(world.exchange(&get("/").token("t"), 200));
    // Its counter matters all the time.
    for _ in 0..68 {
        world.exchange(&get("/").token("t"), 401);
        world.pass(10);
    }
    let refused = world.answer(world.send(&get("/").token("t")), 401);
    assert!(refused.decision.limits.iter().any(|judged| judged.scope == 0), "anonymous again");
}

#[test]
fn what_is_free_for_everybody_proves_nothing() {
    let world = world(&POLICY.replace(r#""scopes""#, r#""exempt": [{ "path": "/healthz" }], "scopes""#));
    for number in 0..20 {
        let token = format!("made-up{number}");
        assert!(world.exchange(&get("/healthz").token(&token), 200));
    }
    let passed = (0..20).filter(|number| world.exchange(&get("/").token(&format!("made-up{number}")), 401));
    assert_eq!(passed.count(), 6, "the anonymous quota of the address");
}

#[test]
fn a_proof_is_renewed_once_the_eighth_that_it_is_noted_for_longer_is_over() {
    // No counter of credentials matters for longer than ten minutes.
    let mut world = world(&POLICY.replace("9/h", "9/min"));
    for _ in 0..2 {
        assert!(world.exchange(&get("/").token("t"), 200));
    }
    for (seconds, is_renewed) in [(1, false), (74, false), (1, true)] {
        world.pass(seconds);
        assert_eq!(world.awaits(&world.send(&get("/").token("t"))), is_renewed, "{seconds} s later");
    }
}

#[test]
fn a_proof_lasts_as_long_as_a_counter_of_its_client() {
    let policy = r#"{ "scopes": {
        "anon": { "rate": "50/h", "match": { "client": "anonymous" }, "key": "address" },
        "user": { "rate": "3/d", "key": "credential" } } }"#;
    let mut world = world(policy);
    let mut admitted = 0;
    for _ in 0..24 {
        admitted += world.admitted(&get("/").token("t"));
        world.pass(3_599);
    }
    assert_eq!(admitted, 3);
    let denied = world.send(&get("/").token("t"));
    let wait = denied.decision.wait.expect("a denial");
    world.pass(wait.as_secs());
    assert!(world.exchange(&get("/").token("t"), 200), "Retry-After is true");
}

#[test]
fn only_requests_that_match_prove() {
    // Whether it is said that this is about `upstream`, or not.
    for trust in ["", r#""trust": "upstream", "#] {
        let proof = format!(r#"{trust}"proof": {{ "path": "/api/**" }}, "trust_for""#);
        let world = world(&POLICY.replace(r#""trust_for""#, &proof));
        for target in ["/", "/index.html", "/api/..%2Findex.html"] {
            assert!(world.exchange(&get(target).token("t"), 200));
            assert!(!is_proved(&world), "{trust} {target}");
        }
        world.exchange(&get("/api/me").token("t").from("192.0.2.9:1"), 200);
        assert!(is_proved(&world), "{trust}");
    }
}

#[test]
fn a_use_that_costs_the_credential_nothing_renews_too() {
    let policy = POLICY
        .replace(r#""match": { "client": "authenticated" } },"#, r#""match": { "path": "/api/**" } },"#)
        .replace(r#""scopes""#, r#""exempt": [{ "client": "authenticated", "path": "/free" }], "scopes""#);
    for target in ["/", "/free"] {
        let mut world = world(&policy);
        for _ in 0..2 {
            assert!(world.exchange(&get("/").token("t"), 200));
        }
        for _ in 0..5 {
            world.pass(599);
            let outcome = world.send(&get(target).token("t"));
            assert!(is_bearers(&outcome), "{target}");
            world.answer(outcome, 200);
        }
    }
}

#[test]
fn where_credentials_make_no_difference_none_is_proved() {
    for policy in [
        r#"{ "mode": "off" }"#,
        r#"{ "mode": "off", "exempt": [{ "client": "authenticated", "path": "/free" }] }"#,
        r#"{ "scopes": { "all": { "rate": "9/h", "key": ["address"], "match": { "not": { "client": "bot" } } } } }"#,
    ] {
        let world = world(policy);
        assert!(!world.awaits(&world.send(&get("/").token("t"))), "nothing to wait for: {policy}");
        let written = world.gate.counters().bytes();
        assert!(written == 0 || policy.contains("scopes"), "{policy}");
    }
}
