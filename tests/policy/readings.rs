//! Requests that can be read in several ways: a limit applies under any of them, an exemption under all.

use super::{get, one_scope, world};

#[test]
fn a_limit_applies_under_any_reading() {
    let world = world(&one_scope(
        r#""key": "global", "match": { "path": "/files/*/raw", "not": { "query": { "free": true } } }"#,
    ));
    for target in [
        "/files/7/raw",
        "/FILES/7/Raw/",
        "/files/a%2Fb/raw",
        "/files/x/..%2f7/raw",
        "/other/..%2Ffiles/7/raw",
        "/files/7/raw?free=0",
        "/files/7/raw?free=1&free=0",
        "/files/7/raw?free=0&free=1",
    ] {
        assert_eq!(world.scopes(&get(target)), ["only"], "{target}");
    }
    for target in ["/files/7/8/raw", "/files/7/raw?free=1", "/files/7/raw?free=1&free=yes"] {
        assert!(world.scopes(&get(target)).is_empty(), "{target}");
    }
}

#[test]
fn an_exemption_holds_only_under_every_reading() {
    let world = world(
        r#"{ "exempt": [{ "path": "/static/**" }, { "path": "/Docs" }, { "query": { "probe": true } }] }"#,
    );
    for target in ["/static/a", "/static/a%20b", "/static/a%2Fb", "/Docs", "/x?probe=1"] {
        assert!(world.plan(&get(target)).is_empty(), "{target}");
    }
    for target in [
        "/static/..%2Fapi",
        "/static/%2e%2e/api",
        "/static/..%5capi",
        "/static/../api",
        "/static\\..\\api",
        "/STATIC/a",
        "/docs",
        "/x?probe=1&probe=0",
        "/x?probe=0&probe=1",
    ] {
        assert!(!world.plan(&get(target)).is_empty(), "{target}");
    }
}

#[test]
fn negation_turns_one_into_the_other() {
    // Everything is limited but what is certainly public.
    let world = world(&one_scope(r#""key": "global", "match": { "not": { "path": "/public/**" } }"#));
    assert!(world.scopes(&get("/public/x")).is_empty());
    for target in ["/api", "/public/..%2Fapi", "/PUBLIC/x"] {
        assert_eq!(world.scopes(&get(target)), ["only"], "{target}");
    }
}
