//! Requests that can be read in several ways: a limit applies under any of them, an exemption under all. The readings of a path
//! one by one stand in `src/request/path.rs`; parameters, headers, cookies and methods have `values.rs`.

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

/// A limit on `/login`, and one on the search for a name of one segment.
const PATHS: &str = r#"{ "scopes": {
    "login": { "rate": "5/h", "key": "global", "match": { "path": "/login" } },
    "file": { "rate": "5/h", "key": "global", "match": { "path": "/files/*/raw" } }
} }"#;

#[test]
fn a_limited_path_in_every_spelling() {
    let world = world(PATHS);
    for target in [
        // Format suffixes.
        "/login.json",
        "/login.api",
        "/login.json/",
        "/LOGIN.JSON",
        "/login%2ejson",
        "/login.json?a=1",
        "/login.json;a=1",
        // Path parameters.
        "/login;a=1",
        "/login;",
        "/;x/login",
        "/static/..;/login",
        "/static/..;a=1/login",
        "/static/%2e%2e;/login",
        "/static/x;y/../../login",
        "/login%3ba=1",
        "/login;a=%2Fb",
        // What stands behind a `#`.
        "/login#x",
        "/login#/../x",
        "/x#/../login",
        "/#/../login",
        // What stands at the end.
        "/login%20",
        "/login%0a",
        "/login%0A/",
        "/login%09",
        "/login%0d%0a",
        "/login%00",
        "/login%00.txt",
        "/login/%20",
        "/login%7f",
        // Bytes that are not UTF-8.
        "/login%ff",
        "/lo%c3gin",
        "/%80login",
        "/lo%e2%82gin",
        // Decoded twice.
        "/%256Cogin",
        "/static/%252e%252e/login",
        "/static%252F..%252Flogin",
        // More of this than there are readings for.
        "/a/..;/../login",
        r"/a;b%2fc\d/%252e/../e%ff%20",
    ] {
        assert!(world.scopes(&get(target)).contains(&"login"), "{target}");
    }
    for target in [
        // As an application reads it that resolves no dot segments.
        "/files/../raw",
        "/files/./raw",
        "/files/%2e%2e/raw",
        r"/files/a\b/raw",
        "/files/a%5Cb/raw",
        r"/files/..\x/raw",
        "/files/a;b/raw",
        "/files/a#b/raw",
        "/files/a/raw.json",
        "/files/a%ffb/raw",
    ] {
        assert!(world.scopes(&get(target)).contains(&"file"), "{target}");
    }
    for target in [
        "/",
        "/loginx",
        "/login-json",
        "/log.in",
        "/login/x",
        "/login.json/x",
        "/x?/login",
        "/files/raw",
        "/files/a/b/raw",
        "/files/a/raws",
    ] {
        assert_eq!(world.scopes(&get(target)), [""; 0], "{target}");
    }
}

#[test]
fn what_is_exempt_in_one_spelling_is_not_in_all() {
    let world = world(r#"{ "exempt": [{ "path": ["/static/**", "/favicon.ico", "/health"] }] }"#);
    for target in [
        "/favicon.ico",
        "/favicon.ico?v=1#x",
        "/health/",
        "/static/app.js",
        "/static/app.js.map",
        "/static/a%20b.css",
        "/static/.well-known",
        "/static/a;v=1",
        "/static/a%2Fb",
        "/static/a/../b",
        "/static/caf%c3%a9",
        "/static/caf%e9",
        "/static/100%25",
    ] {
        assert!(world.plan(&get(target)).is_empty(), "{target}");
    }
    for target in [
        "/health.json",
        "/favicon.ico.json",
        "/favicon",
        "/static.json",
        "/static/..;/login",
        "/static/..;a/login",
        "/static/%2e%2e;/login",
        "/static;/../login",
        r"/static/..\login",
        "/static/..%5clogin",
        "/static/%252e%252e/login",
        "/static/..%252flogin",
        "/static/.%ff./login",
        "/static/..%00/../login",
        "/static/..%20",
        "/static/x/..;/../../login",
        "/health;a=1",
        "/health%20",
        "/health%00",
        "/health%ff",
        "/health#x",
        "/login#/../health",
    ] {
        assert!(!world.plan(&get(target)).is_empty(), "{target}");
    }
}

#[test]
fn negation_turns_one_into_the_other() {
    // Everything is limited but what is certainly public.
    let world = world(&one_scope(r#""key": "global", "match": { "not": { "path": "/public/**" } }"#));
    assert!(world.scopes(&get("/public/x")).is_empty());
    for target in ["/api", "/public/..%2Fapi", "/public/..;/api", "/PUBLIC/x"] {
        assert_eq!(world.scopes(&get(target)), ["only"], "{target}");
    }
}
