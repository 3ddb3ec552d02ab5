//! Each trap, and what comes close to it.

use super::traps::find;
use crate::policy::Policy;

fn names(document: &str) -> Vec<String> {
    let policy = Policy::parse("test", document.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    find(&policy).iter().map(|trap| trap.name.text()).collect()
}

/// A policy with these scopes besides a ceiling, whose credentials have to prove themselves.
fn with(scopes: &str) -> String {
    format!(
        r#"{{ "client": {{ "credential": {{ "proof": {{ "path": "/api/**" }} }} }},
              "scopes": {{ "address": {{ "rate": "1200/min", "key": "address" }}, {scopes} }} }}"#
    )
}

#[test]
fn the_default_policy_has_none() {
    assert!(names("{}").is_empty());
    assert!(names(&with(r#""u": { "rate": "300/min", "key": ["credential", "address"] }"#)).is_empty());
}

#[test]
fn a_key_that_clients_choose() {
    let alone =
        |key: &str| names(&format!(r#"{{ "scopes": {{ "s": {{ "rate": "600/min", "key": {key} }} }} }}"#));
    for key in [
        r#"{ "header": "x-id" }"#,
        r#"{ "query": "a" }"#,
        r#"{ "cookie": "a" }"#,
        r#"[ { "header": "x-id" }, "address" ]"#,
        r#"{ "all": [ "address", { "header": "x-id" } ] }"#,
    ] {
        assert_eq!(alone(key), ["chosen-key"], "{key}");
    }
    assert!(alone(r#""address""#).is_empty() && alone(r#"{ "jwt_claim": "sub" }"#).is_empty());
    assert!(names(&with(r#""s": { "rate": "600/min", "key": { "header": "x-id" } }"#)).is_empty());
}

#[test]
fn a_ceiling_that_is_none() {
    let policy = |ceiling: &str| {
        names(&format!(
            r#"{{ "client": {{ "credential": {{ "proof": {{ "path": "/api/**" }} }} }}, "scopes": {{
                  "u": {{ "rate": "300/min", "key": ["credential", "address"], "match": {{ "path": "/api/**" }} }},
                  "c": {ceiling} }} }}"#
        ))
    };
    for ceiling in [
        r#"{ "rate": "1200/min", "key": "address", "count": { "status": ["2xx"] } }"#,
        r#"{ "rate": "1200/min", "key": "address", "match": { "client": "anonymous" } }"#,
        r#"{ "rate": "1200/min", "key": "address", "match": { "path": "/other/**" } }"#,
        r#"{ "rate": "1200/min", "key": ["credential", "address"] }"#,
    ] {
        assert_eq!(policy(ceiling), ["no-ceiling"], "{ceiling}");
    }
    assert_eq!(
        policy(r#"{ "rate": "1200/min", "key": "address", "mode": "shadow" }"#),
        ["no-ceiling", "shadow-left"]
    );
    assert!(policy(r#"{ "rate": "1200/min", "key": "address", "match": { "path": "/api/**" } }"#).is_empty());
    let any = r#"{ "client": { "credential": { "trust": "any" } },
                   "scopes": { "a": { "rate": "60/min", "key": "address", "match": { "client": "anonymous" } } } }"#;
    assert_eq!(names(any), ["no-ceiling"]);
}

#[test]
fn a_proof_that_is_missing() {
    let document = r#"{ "scopes": { "u": { "rate": "300/min", "key": "credential" },
                                    "a": { "rate": "1200/min", "key": "address" } } }"#;
    assert_eq!(names(document), ["no-proof"]);
}

#[test]
fn scopes_without_requests() {
    for scope in [
        r#"{ "rate": "600/min", "key": "address", "match": { "path": "/a", "not": { "path": "/a" } } }"#,
        r#"{ "rate": "600/min", "key": "bot", "match": { "not": { "client": "bot" } } }"#,
        r#"{ "rate": "600/min", "key": { "cookie": "a" }, "match": { "not": { "cookie": { "a": { "present": true } } } } }"#,
        r#"{ "rate": "600/min", "key": "address", "match": { "path": "/a", "any": [ { "path": "/b" }, { "path": "/c/*" } ] } }"#,
    ] {
        assert_eq!(names(&with(&format!(r#""s": {scope}"#))), ["never-applies"], "{scope}");
    }
    let exempt = |exempt: &str, matched: &str| {
        names(&format!(
            r#"{{ "exempt": [ {exempt} ], "scopes": {{ "s": {{ "rate": "600/min", "key": "address", "match": {matched} }} }} }}"#
        ))
    };
    assert_eq!(exempt(r#"{ "path": "/static/**" }"#, r#"{ "path": "/static/js/*" }"#), ["all-exempt"]);
    assert_eq!(exempt(r#"{ "path": "/**" }"#, "{}"), ["all-exempt"]);
    assert!(exempt(r#"{ "path": "/static/a" }"#, r#"{ "path": "/static/*" }"#).is_empty());
}

#[test]
fn long_windows_want_room() {
    let day = |capacity: &str| {
        names(&format!(
            r#"{{ "store": {{ {capacity} }}, "scopes": {{ "s": {{ "rate": "90000/d", "key": "address" }} }} }}"#
        ))
    };
    assert_eq!(day(""), ["long-window"]);
    assert!(day(r#""capacity": 96000"#).is_empty());
    assert!(names(r#"{ "scopes": { "s": { "rate": "90000/d", "key": "global" } } }"#).is_empty());
}

#[test]
fn what_is_off_or_in_shadow() {
    assert_eq!(names(r#"{ "mode": "off" }"#), ["switched-off"]);
    assert!(names(r#"{ "mode": "shadow" }"#).contains(&"shadow-left".to_owned()));
    assert_eq!(
        names(&with(r#""s": { "rate": "600/min", "key": "address", "mode": "shadow" }"#)),
        ["shadow-left"]
    );
}

#[test]
fn a_poller() {
    let scope =
        |fields: &str| names(&with(&format!(r#""s": {{ "key": ["credential", "address"], {fields} }}"#)));
    assert_eq!(scope(r#""rate": "30/min""#), ["breaks-poller"]);
    assert!(scope(r#""rate": "30/min", "count": { "not": { "status": [301, 308] } }"#).is_empty());
    assert!(scope(r#""rate": "48/min""#).is_empty());
    assert!(scope(r#""rate": "10/h", "match": { "path": "/api/files/**" }"#).is_empty());
}

#[test]
fn private_networks() {
    for network in ["10.0.0.0/8", "127.0.0.1", "192.168.1.0/24", "100.64.0.0/10", "fd00::/8", "::1"] {
        let document = format!(r#"{{ "exempt": [ {{ "address": "{network}" }} ] }}"#);
        assert_eq!(names(&document), ["private-address"], "{network}");
    }
    assert!(names(r#"{ "exempt": [ { "address": ["203.0.113.0/24", "2001:db8::/32"] } ] }"#).is_empty());
    let nested = r#"{ "exempt": [ { "any": [ { "not": { "address": "10.0.0.0/8" } } ] } ] }"#;
    assert!(names(nested).contains(&"private-address".to_owned()));
}
