//! What the client is told.

use super::{get, one_scope, world};
use tollgate::decision::Judgement;
use tollgate::time::Time;

fn header<'h>(headers: &'h [(&str, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
}

#[test]
fn a_denial_as_drf_words_it() {
    let mut world = world(&one_scope(r#""key": "global""#));
    assert_eq!(world.admitted(&get("/")), 5);
    let denial = world.send(&get("/")).denial.expect("a denial");
    assert_eq!(denial.status, 429);
    assert_eq!(
        denial.headers,
        [("content-type", "application/json".into()), ("retry-after", "3600".to_owned())]
    );
    assert_eq!(denial.body, r#"{"detail":"Request was throttled. Expected available in 3600 seconds."}"#);
    assert_eq!(denial.grpc_message, "Request was throttled. Expected available in 3600 seconds.");
    world.now = Time::from_micros(world.now.micros() + 3_599_000_001);
    let denial = world.send(&get("/")).denial.expect("a denial");
    assert_eq!(header(&denial.headers, "retry-after"), Some("1"));
    assert_eq!(denial.body, r#"{"detail":"Request was throttled. Expected available in 1 second."}"#);
    world.now = Time::from_micros(world.now.micros() + 999_999);
    assert!(world.send(&get("/")).denial.is_none());
}

#[test]
fn other_bodies_and_statuses() {
    let with = |response: &str| {
        world(&format!(
            r#"{{ "response": {response}, "scopes": {{ "a": {{ "rate": "0/s", "key": "global" }}, "b": {{ "rate": "0/min", "key": "address" }}, "c": {{ "rate": "9/h", "key": "global" }} }} }}"#
        ))
    };
    let denial = with(r#"{ "body": "problem" }"#).send(&get("/")).denial.expect("a denial");
    assert_eq!(header(&denial.headers, "content-type"), Some("application/problem+json"));
    let problem: serde_json::Value = serde_json::from_str(&denial.body).expect("JSON");
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
    assert_eq!(problem["status"], 429);
    assert_eq!(problem["detail"], "Request was throttled. Expected available in 60 seconds.");
    assert_eq!(problem["violated-policies"], serde_json::json!(["a", "b"]));

    let text = r#"{ "status": 503, "body": { "text": "Slow \"down\".\n" } }"#;
    let denial = with(text).send(&get("/")).denial.expect("a denial");
    assert_eq!((denial.status, denial.body.as_str()), (503, "Slow \"down\".\n"));
    assert_eq!(header(&denial.headers, "content-type"), Some("text/plain; charset=utf-8"));
    let html = r#"{ "body": { "text": "<p>", "content_type": "text/html" } }"#;
    let denial = with(html).send(&get("/")).denial.expect("a denial");
    assert_eq!(header(&denial.headers, "content-type"), Some("text/html"));
}

const TWO_RATES: &str = r#""scopes": {
    "wide": { "rate": ["9/min", "100/h"], "key": "address" },
    "dear": { "rate": "10/10s", "key": "global", "cost": 4, "match": { "path": "/dear" } },
    "seen": { "rate": "1/d", "key": "global", "mode": "shadow" }
}"#;

#[test]
fn the_draft_fields_describe_the_limit_closest_to_its_end() {
    let world = world(&format!(r#"{{ "response": {{ "ratelimit_headers": "draft" }}, {TWO_RATES} }}"#));
    let outcome = world.send(&get("/"));
    let policy = header(&outcome.quota_headers, "ratelimit-policy");
    assert_eq!(policy, Some(r#""wide/min";q=9;w=60, "wide/h";q=100;w=3600"#));
    assert_eq!(header(&outcome.quota_headers, "ratelimit"), Some(r#""wide/min";r=8;t=60"#));
    for _ in 0..3 {
        world.send(&get("/"));
    }
    let outcome = world.send(&get("/dear"));
    assert_eq!(
        header(&outcome.quota_headers, "ratelimit"),
        Some(r#""dear";r=6;t=10"#),
        "one more; of the four that are left of the other limit there are four more"
    );
    world.send(&get("/dear"));
    let denial = world.send(&get("/dear")).denial.expect("a denial");
    assert_eq!(header(&denial.headers, "ratelimit"), Some(r#""dear";r=0;t=10"#));
    assert_eq!(header(&denial.headers, "retry-after"), Some("10"));
    let policy = header(&denial.headers, "ratelimit-policy");
    assert_eq!(policy, Some(r#""wide/min";q=9;w=60, "wide/h";q=100;w=3600, "dear";q=10;w=10"#));
}

#[test]
fn a_buckets_quota_is_its_burst_and_its_window_the_time_in_which_that_flows_in() {
    for (rate, burst, field) in [
        ("60/min", 5, r#""only";q=5;w=5"#),
        ("60/min", 90, r#""only";q=90;w=90"#),
        ("7/min", 3, r#""only";q=3;w=26"#),
        ("7/s", 15, r#""only";q=15;w=3"#),
    ] {
        let world = world(&format!(
            r#"{{ "response": {{ "ratelimit_headers": "draft" }}, "scopes": {{ "only": {{ "rate": "{rate}", "burst": {burst}, "algorithm": "token_bucket", "key": "global" }} }} }}"#
        ));
        let outcome = world.send(&get("/"));
        assert_eq!(header(&outcome.quota_headers, "ratelimit-policy"), Some(field));
    }
}

#[test]
fn the_older_fields() {
    let world = world(&format!(r#"{{ "response": {{ "ratelimit_headers": "x-ratelimit" }}, {TWO_RATES} }}"#));
    let outcome = world.send(&get("/"));
    let fields = [
        ("x-ratelimit-limit", "9".to_owned()),
        ("x-ratelimit-remaining", "8".into()),
        ("x-ratelimit-reset", "60".into()),
    ];
    assert_eq!(outcome.quota_headers, fields);
    world.admitted(&get("/"));
    let denial = world.send(&get("/")).denial.expect("a denial");
    assert_eq!(header(&denial.headers, "x-ratelimit-remaining"), Some("0"));
}

#[test]
fn off_says_nothing_and_so_does_a_request_without_scopes() {
    for silent in ["", r#"{ "response": { "ratelimit_headers": "off" } }"#].map(world) {
        assert!(silent.send(&get("/")).quota_headers.is_empty());
        assert!(!silent.gate.config().reply.tells_quota());
    }
    let world =
        world(r#"{ "response": { "ratelimit_headers": "draft" }, "exempt": [{ "path": "/healthz" }] }"#);
    assert!(world.send(&get("/healthz")).quota_headers.is_empty());
    assert!(world.gate.config().reply.tells_quota());
}

#[test]
fn the_longest_wait_of_the_scopes_that_deny_wins() {
    let world = world(
        r#"{ "scopes": { "short": { "rate": "1/s", "key": "global" }, "long": { "rate": "1/h", "key": "global" },
                         "open": { "rate": "9/h", "key": "global" },
                         "first": { "rate": ["1/s", "9/h"], "key": "global" },
                         "last": { "rate": ["9/h", "1/s"], "key": "global" } } }"#,
    );
    assert!(world.send(&get("/")).decision.is_allowed());
    let decision = world.send(&get("/")).decision;
    assert_eq!(decision.wait.map(|wait| wait.as_secs()), Some(3600));
    let [denied, allowed] = [Judgement::Denied, Judgement::Allowed];
    assert_eq!(
        decision.scopes().collect::<Vec<_>>(),
        [(0, denied), (1, denied), (2, allowed), (3, denied), (4, denied)]
    );
}

#[test]
fn a_shadow_scope_is_judged_but_never_told() {
    let world = world(
        r#"{ "response": { "ratelimit_headers": "draft" },
             "scopes": { "a": { "rate": "1/h", "key": "global", "mode": "shadow" } } }"#,
    );
    assert_eq!(world.send(&get("/")).decision.scopes().collect::<Vec<_>>(), [(0, Judgement::Allowed)]);
    let outcome = world.send(&get("/"));
    assert_eq!(outcome.decision.scopes().collect::<Vec<_>>(), [(0, Judgement::Shadowed)]);
    assert!(outcome.decision.is_allowed() && outcome.quota_headers.is_empty());
}

#[test]
fn a_denied_request_is_charged_to_no_scope() {
    let world = world(
        r#"{ "scopes": { "narrow": { "rate": "2/h", "key": "global", "match": { "path": "/narrow" } },
                         "wide": { "rate": "10/h", "key": "address" } } }"#,
    );
    assert_eq!(world.admitted(&get("/narrow")), 2);
    for _ in 0..50 {
        assert!(!world.send(&get("/narrow")).decision.is_allowed());
    }
    assert_eq!(world.admitted(&get("/")), 8);
}
