//! Which answers count, by their HTTP and gRPC statuses.

use tollgate::config::Config;
use tollgate::response::{Origin, Response};
use tollgate::scope::Count;

use super::{assert_accepted, get, one_scope, refused, world};

fn scope(count: &str) -> String {
    one_scope(&format!(r#""key": "address", "count": {count}"#))
}

fn count(count: &str) -> Count {
    let document = scope(count);
    let config = Config::parse(document.as_bytes()).unwrap_or_else(|error| panic!("{error}: {document}"));
    config.policy.scopes[0].count.clone()
}

#[test]
fn which_answers_count() {
    const OK: Option<u32> = Some(0);
    const UNAUTHENTICATED: Option<u32> = Some(16);
    for (listed, counted, others) in [
        (r#""all""#, vec![(200, None), (401, None), (200, OK), (200, UNAUTHENTICATED)], vec![]),
        (r#"{ "status": 401 }"#, vec![(401, None), (401, OK)], vec![(200, None), (200, UNAUTHENTICATED)]),
        (
            r#"{ "status": [401, "5xx"] }"#,
            vec![(401, None), (500, None), (599, None)],
            vec![(400, None), (600, None), (0, None)],
        ),
        (
            r#"{ "status": [101, 200, 599, "1xx"] }"#,
            vec![(101, None), (200, None), (599, None)],
            vec![(302, None)],
        ),
        (
            r#"{ "grpc": "UNAUTHENTICATED" }"#,
            vec![(200, UNAUTHENTICATED), (0, UNAUTHENTICATED)],
            vec![
                (200, OK),
                (200, None),
                (401, None),
                (16, None),
                (200, Some(17)),
                (200, Some(48)),
                (200, Some(u32::MAX)),
            ],
        ),
        (
            r#"{ "grpc": ["unauthenticated", 7, "Ok"] }"#,
            vec![(200, UNAUTHENTICATED), (200, Some(7)), (200, OK)],
            vec![(200, Some(1))],
        ),
        (
            r#"{ "status": [401], "grpc": ["UNAUTHENTICATED"] }"#,
            vec![(401, None), (200, UNAUTHENTICATED), (401, OK)],
            vec![(200, None), (200, OK)],
        ),
        (
            r#"{ "not": { "status": [301, 308] } }"#,
            vec![(200, None), (302, None), (200, OK)],
            vec![(301, None), (308, OK)],
        ),
        (r#"{ "not": { "grpc": "OK" } }"#, vec![(200, None), (200, UNAUTHENTICATED)], vec![(200, OK)]),
        // Whoever names one twice means it.
        (r#"{ "grpc": ["OK", 0, "Ok"] }"#, vec![(200, OK)], vec![(200, UNAUTHENTICATED)]),
        (r#"{ "grpc": ["OK", 0] }"#, vec![(200, OK)], vec![(200, UNAUTHENTICATED)]),
        (
            r#"{ "not": { "status": "2xx", "grpc": ["NOT_FOUND"] } }"#,
            vec![(404, None), (404, OK)],
            vec![(200, None), (200, OK), (404, Some(5))],
        ),
    ] {
        let count = count(listed);
        for (status, grpc) in counted {
            assert!(count.counts(status, grpc), "{listed} {status} {grpc:?}");
        }
        for (status, grpc) in others {
            assert!(!count.counts(status, grpc), "{listed} {status} {grpc:?}");
        }
    }
}

#[test]
fn grpc_statuses_by_name_and_number() {
    let names = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    for (number, name) in (0..).zip(names) {
        let by_name = count(&format!(r#"{{ "grpc": "{name}" }}"#));
        assert_eq!(by_name, count(&format!(r#"{{ "grpc": {number} }}"#)), "{name}");
        for other in 0..40 {
            assert_eq!(by_name.counts(200, Some(other)), other == number, "{name} {other}");
        }
    }
}

#[test]
fn a_count_that_never_counts() {
    const FORM: &str = "expected `all`, an object with `status`, `grpc` or both, or `{ \"not\": { … } }` around such an object";
    const STATUS: &str = "expected a status, such as 401, or a class, such as `5xx`";
    const GRPC: &str =
        "expected the name of a gRPC status, such as `UNAUTHENTICATED`, or its number, 0 to 16";
    for (count, error) in [
        (r#""none""#, format!(": `none`: {FORM}")),
        ("7", format!(": `7`: {FORM}")),
        ("{}", format!(": `{{}}`: {FORM}")),
        (r#"{ "not": {} }"#, format!(".not: `{{}}`: {FORM}")),
        (r#"{ "not": "all" }"#, ".not: expected an object, `{ … }`".into()),
        (
            r#"{ "not": { "not": { "status": 401 } } }"#,
            ".not.not: unknown field; expected one of `status`, `grpc`".into(),
        ),
        (
            r#"{ "not": { "status": 401 }, "status": 402 }"#,
            ".not: stands alone; what counts cannot be listed beside what does not".into(),
        ),
        (r#"{ "stats": 401 }"#, ".stats: unknown field; expected one of `status`, `grpc`, `not`".into()),
        (r#"{ "status": [] }"#, ".status: `[]`: expected at least one".into()),
        (r#"{ "grpc": [] }"#, ".grpc: `[]`: expected at least one".into()),
        (r#"{ "status": "401" }"#, format!(".status: `401`: {STATUS}")),
        (r#"{ "status": "6xx" }"#, format!(".status: `6xx`: {STATUS}")),
        (r#"{ "status": [401, 600] }"#, ".status[1]: `600`: expected a whole number from 100 to 599".into()),
        (
            r#"{ "status": 100 }"#,
            ".status: `100`: is never the last answer; only those from 200 are, and 101".into(),
        ),
        (
            r#"{ "status": 199 }"#,
            ".status: `199`: is never the last answer; only those from 200 are, and 101".into(),
        ),
        (
            r#"{ "status": "UNAUTHENTICATED" }"#,
            ".status: `UNAUTHENTICATED`: is a gRPC status; write it under `grpc`".into(),
        ),
        (
            r#"{ "status": "not_found" }"#,
            ".status: `not_found`: is a gRPC status; write it under `grpc`".into(),
        ),
        (r#"{ "status": 16 }"#, ".status: `16`: is a gRPC status; write it under `grpc`".into()),
        (r#"{ "grpc": "5xx" }"#, format!(".grpc: `5xx`: {GRPC}")),
        (r#"{ "grpc": "UNAUTHENTICATE" }"#, format!(".grpc: `UNAUTHENTICATE`: {GRPC}")),
        (r#"{ "grpc": "" }"#, format!(".grpc: ``: {GRPC}")),
        (r#"{ "grpc": 17 }"#, format!(".grpc: `17`: {GRPC}")),
        (r#"{ "grpc": 1.5 }"#, format!(".grpc: `1.5`: {GRPC}")),
        (r#"{ "grpc": -1 }"#, format!(".grpc: `-1`: {GRPC}")),
        (r#"{ "grpc": true }"#, format!(".grpc: `true`: {GRPC}")),
        (r#"{ "grpc": ["OK", 418] }"#, format!(".grpc[1]: `418`: {GRPC}")),
    ] {
        assert_eq!(refused(&scope(count)), format!("scopes.only.count{error}"), "{count}");
    }
    for (http, name) in [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (409, "ALREADY_EXISTS"),
        (429, "RESOURCE_EXHAUSTED"),
        (499, "CANCELLED"),
        (500, "INTERNAL"),
        (501, "UNIMPLEMENTED"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
        (200, "OK"),
    ] {
        let error = refused(&scope(&format!(r#"{{ "grpc": [{http}] }}"#)));
        assert_eq!(
            error,
            format!("scopes.only.count.grpc[0]: `{http}`: is an HTTP status; gRPC's is `{name}`")
        );
    }
}

#[test]
fn grpc_calls_are_answered_with_200() {
    const REASON: &str = "scopes.only.count: counts nothing, since a gRPC call is answered with the HTTP status 200, whatever \
                          comes of it; list what counts under `grpc`, such as `UNAUTHENTICATED`";
    let policy = |rule: &str, count: &str| {
        one_scope(&format!(r#""key": "address", "match": {{ {rule} }}, "count": {count}"#))
    };
    let grpc = r#""header": { "content-type": { "prefix": "application/grpc" } }"#;
    for rule in [
        grpc,
        r#""path": "/a", "header": { "Content-Type": ["application/grpc", "application/grpc+proto"] }"#,
        r#""any": [{ "header": { "content-type": "application/grpc" } }, { "path": "/b", "header": { "content-type": "application/grpc+json" } }]"#,
    ] {
        for count in [r#"{ "status": [401, "5xx"] }"#, r#"{ "not": { "status": "2xx" } }"#] {
            assert_eq!(refused(&policy(rule, count)), REASON, "{rule} {count}");
        }
        for count in [
            r#""all""#,
            r#"{ "status": "2xx" }"#,
            r#"{ "status": [401], "grpc": ["UNAUTHENTICATED"] }"#,
            r#"{ "not": { "status": [401] } }"#,
            r#"{ "not": { "grpc": "OK" } }"#,
        ] {
            assert_accepted(&policy(rule, count));
        }
    }
    for rule in [
        r#""header": { "content-type": ["application/grpc", "application/json"] }"#,
        r#""header": { "content-type": { "contains": "grpc" } }"#,
        r#""header": { "content-type": { "prefix": "application/" } }"#,
        r#""header": { "x-kind": "application/grpc" }"#,
        r#""any": [{ "header": { "content-type": "application/grpc" } }, { "path": "/b" }]"#,
        r#""not": { "header": { "content-type": "application/grpc" } }"#,
    ] {
        assert_accepted(&policy(rule, r#"{ "status": [401] }"#));
    }
}

#[test]
fn a_grpc_call_is_not_settled_before_its_status_is_known() {
    for (listed, of_ok, of_others) in [
        (r#"{ "grpc": "OK" }"#, 5, 20),
        (r#"{ "not": { "grpc": "OK" } }"#, 20, 5),
        (r#"{ "not": { "status": "5xx", "grpc": "OK" } }"#, 20, 5),
    ] {
        for (status, admitted) in [(0, of_ok), (16, of_others)] {
            let world = world(&scope(listed));
            let response = Response { status: 200, grpc: Some(status), origin: Origin::Application };
            let call = || {
                let outcome = world.send(&get("/"));
                let allowed = outcome.decision.is_allowed();
                world.settle(outcome, response);
                allowed
            };
            assert_eq!((0..20).filter(|_| call()).count(), admitted, "{listed} {status}");
        }
    }
}

#[test]
fn without_an_answer_nothing_can_wait_for_one() {
    for from in ["forwarded", "ext_authz"] {
        for count in [r#"{ "status": 401 }"#, r#"{ "grpc": "OK" }"#, r#"{ "not": { "status": 301 } }"#] {
            let document = format!(
                r#"{{ "request": {{ "from": "{from}" }}, "client": {{ "credential": {{ "trust": "any" }} }},
                      "scopes": {{ "only": {{ "rate": "1/s", "key": "address", "count": {count} }} }} }}"#
            );
            assert!(
                refused(&document).starts_with("scopes.only.count: the response's status is not known"),
                "{document}"
            );
        }
    }
}
