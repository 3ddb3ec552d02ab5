//! The command as people run it: what it prints, and its exit codes.

mod harness;

use harness::{Ran, file, run, run_with};

/// A policy of one scope, and a ceiling.
const POLICY: &str = r#"{
  "client": { "credential": { "proof": { "path": "/api/**" } } },
  "exempt": [ { "path": "/healthz" } ],
  "scopes": {
    "address": { "rate": "1200/min", "key": "address" },
    "login": { "rate": "5/min", "key": "address", "match": { "method": "POST", "path": "/api/auth/login" }, "count": { "status": [401, 403] } }
  },
  "response": { "body": "problem", "ratelimit_headers": "draft" }
}"#;

fn json(ran: &Ran) -> serde_json::Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out))
}

#[test]
fn check_says_what_a_policy_means() {
    let policy = file("means.json", POLICY);
    let ran = run(&["check", &policy]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for expected in [
        "Envoy would take it",
        "at most 5 requests in any minute",
        "the method is POST and the path is /api/auth/login",
        "only those answered with 401 or 403; others are given back",
        "each address",
        "no traps",
    ] {
        assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
    }
    let answer = json(&run(&["check", &policy, "--format", "json"]));
    assert_eq!(answer["policies"][0]["words"]["scopes"][1]["name"], "login");
    assert_eq!(answer["policies"][0]["traps"], serde_json::json!([]));
}

#[test]
fn check_says_what_envoys_log_would() {
    let refused =
        file("refused.json", r#"{ "scopes": { "worker": { "rate": "30/fortnight", "key": "address" } } }"#);
    let ran = run(&["check", "default", &refused]);
    assert_eq!(ran.code, 2);
    let expected = "the configuration is refused: scopes.worker.rate: `30/fortnight`: window must be s, min, h or d, optionally with a number (`10/5m`)";
    assert!(ran.out.contains(expected), "{}", ran.out);
    let answer = json(&run(&["--format", "json", "check", &refused]));
    assert_eq!(answer["policies"][0]["refused"]["path"], "scopes.worker.rate");
    let ran = run(&["check", "target/there/is/no/such.json"]);
    assert!(ran.code == 2 && ran.out.contains("cannot be read"), "{ran:?}");
}

#[test]
fn traps_have_names_and_can_be_allowed() {
    let policy = file(
        "traps.json",
        r#"{ "scopes": { "s": { "rate": "600/min", "key": { "header": "X-Id" }, "mode": "shadow" } } }"#,
    );
    let ran = run(&["check", "--quiet", &policy]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("shadow-left (scopes.s.mode)"), "{}", ran.out);
    assert_eq!(run(&["check", "--allow", "shadow-left", &policy]).code, 0);
    let ran = run(&["check", "--allow", "shadow", &policy]);
    assert!(ran.code == 2 && ran.err.contains("shadow-left"), "the names are told: {ran:?}");
}

#[test]
fn policies_come_from_stdin_and_from_envoys_configuration() {
    assert_eq!(run_with(&["check", "-"], POLICY.as_bytes()).code, 0);
    assert_eq!(run_with(&["check", "-"], b"").code, 0, "an empty document is the default policy");
    // The authz service sees no redirects, and so counts both requests of a poll.
    for (name, code, expected) in [
        ("inline.yaml", 0, "no traps"),
        ("authz.yaml", 1, "breaks-poller"),
        ("redis.yaml", 0, "no traps"),
        ("authz-redis.yaml", 1, "breaks-poller"),
        ("native.yaml", 0, "no traps"),
        ("ext_authz.yaml", 2, "has no filter of Tollgate"),
    ] {
        let ran = run(&["check", &format!("{}/../envoy/{name}", env!("CARGO_MANIFEST_DIR"))]);
        assert!(ran.code == code && ran.out.contains(expected), "{name}: {}", ran.out);
    }
    let console = "[ { vm_config: { vm_id: tollgate }, failure_policy: FAIL_RELOAD, configuration: { value: '{}' } }, { vm_config: { vm_id: tollgate }, configuration: { value: '{ \"console\": { \"tokens\": {} } }' } } ]";
    let ran = run(&["check", &file("console.yaml", console)]);
    assert!(ran.code == 2 && ran.out.contains("no traps") && ran.out.contains("console.tokens"), "{ran:?}");
    let structure = "a: { vm_config: {}, configuration: { \"@type\": type.googleapis.com/google.protobuf.Struct, value: { scopes: {} } } }";
    let ran = run(&["check", &file("struct.yaml", structure)]);
    assert!(
        ran.code == 2 && ran.out.contains("by `\"@type\": type.googleapis.com/google.protobuf.StringValue`"),
        "{ran:?}"
    );
    let two = "[ { vm_config: { vm_id: other }, configuration: { value: x } }, { vm_config: { vm_id: tollgate }, failure_policy: FAIL_RELOAD, configuration: { value: '{}' } } ]";
    assert_eq!(
        run(&["check", &file("two.yaml", two)]).code,
        0,
        "another filter's configuration is not looked at"
    );
    let ran = run_with(&["check", &file("other.yaml", "a: 1\n")], b"");
    assert!(ran.code == 2 && ran.out.contains("has no filter of Tollgate"), "{ran:?}");
}

#[test]
fn explain_says_which_condition_decides() {
    let policy = file("explain.json", POLICY);
    let ran = run(&[
        "explain",
        &policy,
        "POST",
        "https://a.test/api/auth/login",
        "--from",
        "198.51.100.7",
        "--status",
        "401",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for expected in [
        "198.51.100.7",
        "✓ the path is /api/auth/login",
        "5/min: admitted, 4 left",
        "ratelimit: \"login\";r=4;t=60",
    ] {
        assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
    }
    let ran = run(&["explain", &policy, "GET", "/api/auth/login"]);
    assert!(ran.out.contains("✗ the method is POST"), "{}", ran.out);
    let ran = run(&["explain", &policy, "GET", "/healthz"]);
    assert!(ran.out.contains("by exempt[0], so it falls under no scope"), "{}", ran.out);
    let ran = run(&["explain", &policy, "GET", "/static/..%2fapi;x/auth/login"]);
    assert!(ran.out.contains("readings"), "{}", ran.out);
}

#[test]
fn explain_plays_requests_on_a_clock_of_its_own() {
    let policy = file("plays.json", POLICY);
    let login = ["explain", &policy, "POST", "/api/auth/login", "--times", "8", "--every", "5s"];
    let answer = json(&run(&[&login[..], &["--status", "401", "--format", "json"]].concat()));
    let requests = answer["requests"].as_array().expect("requests");
    let denied: Vec<_> = requests.iter().filter(|request| request["decision"] == "denied").collect();
    assert_eq!((requests.len(), denied.len()), (8, 3));
    assert_eq!((&denied[0]["at"], &denied[0]["retry_after"]), (&25.0.into(), &35.into()));
    assert_eq!(denied[0]["denied_by"], serde_json::json!(["login"]));
    // What is answered with a success does not count.
    let answer = json(&run(&[&login[..], &["--status", "200", "--format", "json"]].concat()));
    assert!(
        answer["requests"].as_array().is_some_and(|all| all.iter().all(|one| one["decision"] == "allowed"))
    );
    let ran = run(&[&login[..], &["--status", "401"]].concat());
    assert!(
        ran.out.contains("denied      by login first at 25 s") && ran.out.contains("retry-after: 35"),
        "{}",
        ran.out
    );
}

#[test]
fn a_credential_proves_itself() {
    let poll = [
        "explain",
        "default",
        "GET",
        "/api/v2/jobs/?ids_only=1",
        "-H",
        "Authorization: Token abc",
        "--times",
        "2",
        "--format",
        "json",
    ];
    let answer = json(&run(&poll));
    assert_eq!(answer["client"]["credential"], "unproved");
    let remaining = |index: usize, scope: &str| answer["requests"][index]["remaining"][scope].clone();
    assert_eq!((remaining(0, "anon"), remaining(1, "anon")), (59.into(), serde_json::Value::Null));
    assert_eq!((remaining(0, "worker"), remaining(1, "worker")), (29.into(), 28.into()));
    assert!(!run(&poll).out.contains("abc"), "a credential is never shown");
}

#[test]
fn requests_come_from_what_is_at_hand() {
    let curl =
        "curl 'https://a.test/api/v2/jobs/?ids_only=1' \\\n  -H 'authorization: Token abc' --compressed";
    let answer = json(&run(&["explain", "default", "--curl", curl, "--format", "json"]));
    assert_eq!(answer["request"], "GET /api/v2/jobs/?ids_only=1 of a.test, from 192.0.2.1");
    assert_eq!(answer["client"]["credential"], "unproved");
    let raw = b"GET /api/v2/jobs/?ids_only=1 HTTP/1.1\r\nHost: a.test\r\nAuthorization: Token abc\r\n\r\n";
    let answer_of_raw = json(&run_with(&["explain", "default", "--raw", "-", "--format", "json"], raw));
    assert_eq!(answer_of_raw["scopes"], answer["scopes"]);
    let entry = |second: usize, status: usize| {
        format!(
            r#"{{ "startedDateTime": "2026-11-28T09:00:{second:02}Z", "request": {{ "method": "POST", "url": "https://a.test/api/auth/login",
                 "headers": [] }}, "response": {{ "status": {status} }} }}"#
        )
    };
    let entries: Vec<String> = (0..7).map(|second| entry(second, 401)).collect();
    let har = file("session.har", format!(r#"{{ "log": {{ "entries": [ {} ] }} }}"#, entries.join(",")));
    let policy = file("har.json", POLICY);
    let ran = run(&["explain", &policy, "--har", &har]);
    assert!(ran.code == 0 && ran.out.contains("7 requests, 2 denied"), "{}", ran.out);
    let ran = run(&["explain", &policy, "--har", &har, "--entry", "6"]);
    assert!(ran.out.contains("denied      by login"), "{}", ran.out);
}

#[test]
fn grpc_and_questions_are_told_in_their_own_way() {
    let policy = file("grpc.json", r#"{ "scopes": { "a": { "rate": "1/min", "key": "address" } } }"#);
    let call = ["explain", &policy, "POST", "/a.B/C", "-H", "Content-Type: application/grpc", "--times", "2"];
    let ran = run(&call);
    assert!(ran.out.contains("RESOURCE_EXHAUSTED"), "{}", ran.out);
    let asked = r#"{ "request": { "from": "forwarded" }, "response": { "status": 403 }, "client": { "credential": { "trust": "any" } },
                     "scopes": { "a": { "rate": "1/min", "key": { "jwt_claim": ["realm", "sub"] },
                                        "match": { "not": { "client": "bot", "method": "PUT" } } } } }"#;
    let asked = file("asked.json", asked);
    let ran = run(&["explain", &asked, "GET", "/", "--claim", "realm.sub=bob", "--times", "2"]);
    for expected in [
        "asked about as nginx does",
        "`bob` of the claim `realm.sub`",
        "✓ not all of these hold:",
        "x-tollgate-body: {",
    ] {
        assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
    }
}

#[test]
fn tests_pass_and_fail() {
    file("cases-policy.json", POLICY);
    let good = r"
policy: cases-policy.json
tests:
  - name: five failed logins a minute, and no sixth
    from: 192.0.2.7
    steps:
      - { request: POST /api/auth/login, status: 401, times: 5, every: 1s, expect: allowed }
      - request: POST /api/auth/login
        after: 1s
        expect: { decision: denied, by: login, retry_after: 55, status: 429 }
      - { request: POST /api/auth/login, from: 192.0.2.8, status: 401, expect: { remaining: { login: 4 }, scopes: [address, login] } }
      - { request: POST /api/auth/login, at: 1min, status: 200, expect: allowed }
  - name: the health check is never counted
    steps:
      - { request: GET /healthz, times: 2000, expect: { allowed: 2000, scopes: [] } }
";
    let ran = run(&["test", &file("good.yaml", good)]);
    assert_eq!((ran.code, ran.out.contains("2 passed, 0 failed")), (0, true), "{ran:?}");
    let bad = good.replace("times: 5", "times: 6");
    let ran = run(&["test", &file("bad.yaml", &bad)]);
    assert_eq!(ran.code, 1);
    for expected in [
        "FAILED",
        "step 1, request 6, at 5 s",
        "decision: expected allowed, found denied by login",
        "✓ the path is /api/auth/login",
        "retry-after: 55",
    ] {
        assert!(ran.out.contains(expected), "{expected}: {}", ran.out);
    }
    let answer = json(&run(&["test", &file("bad2.yaml", &bad), "--format", "json"]));
    assert_eq!((&answer["passed"], &answer["failed"]), (&1.into(), &1.into()));
    assert_eq!(answer["files"][0]["tests"][0]["failure"]["step"], 1);
    let as_json = r#"{ "policy": "default", "tests": [ { "name": "a", "steps": [ { "request": "GET /", "times": 61,
        "expect": { "allowed": 60, "denied": 1, "by": "anon", "headers": { "Retry-After": 60 } } } ] } ] }"#;
    assert_eq!(run(&["test", &file("cases.json", as_json)]).code, 0);
    let inline = "policy: { scopes: { a: { rate: 1/s, key: address } } }\ntests: [ { name: a, steps: [ { request: GET /, times: 2, expect: { denied: 1 } } ] } ]\n";
    assert_eq!(run_with(&["test", "-"], inline.as_bytes()).code, 0);
}

#[test]
fn a_test_that_cannot_be_right_is_refused() {
    for (cases, expected) in [
        ("", "unexpected end of input"),
        ("policy: default\ntests: []\n", "nothing in it to test"),
        ("tests: [ { name: a, steps: [ { request: GET / } ] } ]", "which policy?"),
        ("policy: default\ntests: [ { name: a, steps: [ { requst: GET / } ] } ]", "requst"),
        (
            "policy: default\ntests: [ { name: a, steps: [ { request: GET /, expect: perhaps } ] } ]",
            "allowed",
        ),
        (
            "policy: default\ntests: [ { name: a, steps: [ { request: GET /, expect: { by: wroker } } ] } ]",
            "no scope `wroker`",
        ),
        (
            "policy: default\ntests: [ { name: a, steps: [ { request: GET /, at: 5s }, { request: GET /, at: 1s } ] } ]",
            "step 2: `at` is 1 s",
        ),
        (
            "policy: default\ntests: [ { name: a, steps: [ { request: GET /, at: 5s, after: 1s } ] } ]",
            "either `at` or `after`",
        ),
        (
            "policy: default\ntests: [ { name: a, steps: [ { request: GET /, every: soon } ] } ]",
            "not a span of time",
        ),
        (
            "policy: default\ntests: [ { name: a, steps: [ { request: GET /, status: 700 } ] } ]",
            "101 or 200 to 599",
        ),
        ("policy: default\ntests: [ { name: a, steps: [ { request: GET /, times: 0 } ] } ]", "expected 1 to"),
        ("policy: no-such.json\ntests: [ { name: a, steps: [ { request: GET / } ] } ]", "cannot be read"),
        ("policy: { scopes: {} }\ntests: [ { name: a, steps: [ { request: GET / } ] } ]", "limits nothing"),
    ] {
        let ran = run_with(&["test", "-"], cases.as_bytes());
        assert!(ran.code == 2 && ran.err.contains(expected), "{cases}: {ran:?}");
    }
}

#[test]
fn schema_completions_and_manual_are_printed() {
    let schema = run(&["schema"]);
    assert_eq!((schema.code, schema.out.as_str()), (0, include_str!("../../docs/policy.schema.json")));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("tollgate") && ran.out.contains("unblock"), "{shell}");
        assert!(!ran.out.contains("--token"), "{shell} completes what is no argument");
    }
    assert!(run(&["man"]).out.contains(".TH tollgate") && run(&["man", "explain"]).out.contains("grpc"));
    assert!(run(&["man", "clients", "block"]).out.contains(".TH tollgate-clients-block"));
    assert_eq!(run(&["man", "nothing"]).code, 2);
    assert_eq!(run(&["man", "clients", "explain"]).code, 2);
    assert_eq!(run(&["--version"]).out.trim(), "tollgate 0.1.0");
}

#[test]
fn parameters_that_servers_read_in_several_ways_are_shown() {
    let out = run(&["explain", "default", "GET", "/?ids_only=1;incomplete_only=0"]).out;
    let rows = "parameter   `ids_only`: 2 readings; a limit applies if it would under any
            `1;incomplete_only=0`
            `1`
parameter   `incomplete_only`: 2 readings; a limit applies if it would under any
            `0`
            missing
client ";
    assert!(out.contains(rows), "{out}");
    let charset = ["-H", "Content-Type: text/plain; charset=utf-16"];
    let out = run(&[&["explain", "default", "GET", "/?ids_only=1"], &charset[..]].concat()).out;
    assert!(out.contains("parameter   `ids_only` may be anything, or missing"), "{out}");
    let json = json(&run(&["explain", "default", "GET", "/?ids_only=1&ids_only=2", "--format", "json"]));
    let expected = serde_json::json!([{ "name": "ids_only", "values": ["1", "2"], "may_be_missing": false }]);
    assert_eq!(json["parameters"], expected);
}
