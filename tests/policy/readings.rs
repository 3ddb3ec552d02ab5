//! Requests that can be read in several ways: a limit applies under any of them, an exemption under all. The readings of a path
//! one by one stand in `src/request/path.rs`.

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

/// Requests that a test of `ids_only` may be about, in other words.
const ASKED: [&str; 26] = [
    "ids_only=1",
    "a=1;ids_only=1",
    "ids_only=1;a=1",
    "ids_only[]=1",
    "ids_only[0]=1",
    "ids_only%5b%5d=1",
    "[ids_only]=1",
    "ids.only=1",
    "ids+only=1",
    "ids%20only=1",
    "ids[only=1",
    "IDS_ONLY=1",
    "Ids_Only=1",
    "ids_only%00=1",
    "ids_only%00x=1",
    "ids_only%20=1",
    "+ids_only=1",
    "%0aids_only=1",
    "ids%ff_only=1",
    "ids_only=1%00",
    "ids_only=1%00x",
    "ids_only=1%20",
    "ids_only=%091",
    "ids_only=+1",
    "ids_only=1%ff",
    "ids_only=0&IDS_only=1",
];

#[test]
fn a_parameter_in_every_spelling() {
    for test in ["true", r#""1""#, r#"{ "not": ["0", ""] }"#, r#"{ "prefix": "1" }"#] {
        let world = world(&one_scope(&format!(
            r#""key": "global", "match": {{ "query": {{ "ids_only": {test} }} }}"#
        )));
        for query in ASKED {
            assert_eq!(world.scopes(&get(&format!("/?{query}"))), ["only"], "{test} {query}");
        }
        assert_eq!(world.scopes(&get("/#?ids_only=1")), ["only"], "{test}");
        assert_eq!(
            world.scopes(&get(&format!("/?{}ids_only=0", "a=1&".repeat(1024)))),
            ["only"],
            "too many to look at"
        );
        for query in [
            "",
            "ids_only=0",
            "ids_only",
            "ids=1",
            "only=1",
            "ids_only_=1",
            "xids_only=1",
            "a=ids_only=1",
            "ids-only=1",
            "ids_only=0;a=1",
        ] {
            assert!(
                query == "ids_only=0;a=1" && test.contains("not")
                    || world.scopes(&get(&format!("/?{query}"))).is_empty(),
                "{test} {query}"
            );
        }
    }
}

#[test]
fn an_exemption_by_parameter_minds_the_spelling() {
    let world = world(r#"{ "exempt": [{ "query": { "probe": "1" } }] }"#);
    for query in ["probe=1", "a=0&probe=1&b=2", "%70robe=%31", "probe=1&probe=1", "probe=1&PROBE=1"] {
        assert!(world.plan(&get(&format!("/?{query}"))).is_empty(), "{query}");
    }
    for query in [
        "PROBE=1",
        "probe[]=1",
        "probe%00=1",
        "probe=1;a=1",
        "a=1;probe=1",
        "probe=1%20",
        "probe=1%00",
        "probe=1%ff",
        "probe=1&probe[]=0",
        "probe=1&Probe=0",
        "probe=1#",
        "probe=1#&probe=0",
    ] {
        assert!(!world.plan(&get(&format!("/?{query}"))).is_empty(), "{query}");
    }
    assert!(!world.plan(&get("/?probe=1").with("content-type", "text/plain; charset=utf-7")).is_empty());
    assert!(!world.plan(&get(&format!("/?probe=1{}", "&a".repeat(1024)))).is_empty());
}

#[test]
fn in_another_charset_parameters_may_say_anything() {
    let world = world(&one_scope(r#""key": "global", "match": { "query": { "ids_only": true } }"#));
    let sent = |content_type: &str| get("/?+AGk-ds_only=1").with("content-type", content_type);
    for strange in [
        "text/plain; charset=utf-7",
        "text/plain;Charset=\"UTF-7\"",
        "a/b; charset=utf-8; charset=utf-16",
        "a/b; charset=cp037",
    ] {
        assert_eq!(world.scopes(&sent(strange)), ["only"], "{strange}");
        let second = get("/?a=1").with("content-type", "application/json").with("content-type", strange);
        assert_eq!(world.scopes(&second), ["only"], "{strange}");
    }
    for known in [
        "text/plain",
        "a/b; charset=UTF-8",
        "a/b; charset=\"utf8\"",
        "a/b; charset=latin1",
        "a/b; charset=us-ascii",
        "a/b; charset=ISO-8859-1",
    ] {
        assert_eq!(world.scopes(&sent(known)), [""; 0], "{known}");
    }
    assert_eq!(
        world.scopes(&get("/").with("content-type", "a/b; charset=utf-7")),
        [""; 0],
        "no query at all"
    );
}

#[test]
fn a_method_that_is_overridden() {
    let limited = world(&one_scope(r#""key": "global", "match": { "method": "DELETE" }"#));
    let exempt = world(r#"{ "exempt": [{ "method": "OPTIONS" }] }"#);
    let others = world(&one_scope(r#""key": "global", "match": { "not": { "method": "OPTIONS" } }"#));
    let options = get("/").with(":method", "OPTIONS");
    assert!(
        limited.scopes(&options).is_empty()
            && exempt.plan(&options).is_empty()
            && others.scopes(&options).is_empty()
    );
    for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
        for method in ["DELETE", "delete", "Delete"] {
            let sent = options.clone().with(name, method);
            assert_eq!(limited.scopes(&sent), ["only"], "{name}: {method}");
            assert!(!exempt.plan(&sent).is_empty(), "{name}: {method}");
            assert_eq!(others.scopes(&sent), ["only"], "{name}: {method}");
        }
        assert!(
            exempt.plan(&options.clone().with(name, "options")).is_empty(),
            "{name}: it stays what it is"
        );
    }
    for query in ["_method=DELETE", "a=1&_METHOD=delete", "_method[]=Delete", "_method=delete%20"] {
        let sent = get(&format!("/?{query}")).with(":method", "OPTIONS");
        assert_eq!(limited.scopes(&sent), ["only"], "{query}");
        assert!(!exempt.plan(&sent).is_empty(), "{query}");
    }
    let plain = get("/").with(":method", "DELETE").with("x-http-method-override", "GET");
    assert_eq!(limited.scopes(&plain), ["only"], "what is not overridden everywhere");
}

#[test]
fn too_many_values_may_be_any() {
    let limited = world(&one_scope(r#""key": "global", "match": { "query": { "a": "1" } }"#));
    let exempt = world(r#"{ "exempt": [{ "query": { "a": { "not": "0" } } }] }"#);
    for (query, possible, certain) in [
        ("a=2".to_owned(), false, true),
        ("a=2&".repeat(1024), false, true),
        ("a=2&".repeat(1025), true, false),
        ("a=%202&".repeat(100), false, true),
        ("a=%202&".repeat(200), true, false),
        (format!("a={}", "2".repeat(50_000)), false, true),
        (format!("a={}", "%20".repeat(17_000)), true, false),
    ] {
        let sent = get(&format!("/?{query}"));
        assert_eq!(!limited.scopes(&sent).is_empty(), possible, "{} bytes", query.len());
        assert_eq!(exempt.plan(&sent).is_empty(), certain, "{} bytes", query.len());
    }
}

#[test]
fn a_cookie_that_frameworks_read_in_different_ways_may_be_anything() {
    let limited = world(&one_scope(r#""key": "global", "match": { "cookie": { "a": "1" } }"#));
    let exempt = world(r#"{ "exempt": [{ "cookie": { "a": "1" } }] }"#);
    for (cookies, possible, certain) in [
        ("a=1".to_owned(), true, true),
        ("b=1".into(), false, false),
        ("x=a; ab=1; ba=1; b=\"1\"".into(), false, false),
        (format!("a=1{}", ";b=2".repeat(1024)), true, true),
        ("a=2;".repeat(17), true, false),
        (format!("a={}", "2".repeat(5_000)), true, false),
        // By octal numbers, by backslashes, at white space, by a comma that a proxy has put there.
        (r#"a="\061""#.into(), true, false),
        (r#"a="\1""#.into(), true, false),
        ("a=\u{85}1".into(), true, false),
        ("x=y a=1".into(), true, false),
        ("a=2,a=1".into(), true, false),
        ("a".into(), true, false),
    ] {
        let sent = get("/").with("cookie", &cookies);
        assert_eq!(!limited.scopes(&sent).is_empty(), possible, "{} bytes", cookies.len());
        assert_eq!(exempt.plan(&sent).is_empty(), certain, "{} bytes", cookies.len());
    }
}

#[test]
fn what_proxies_join_by_a_comma_is_read_in_parts_too() {
    let limited = |rule: &str| world(&one_scope(&format!(r#""key": "global", "match": {rule}"#)));
    let header = limited(r#"{ "header": { "x-plan": "free" } }"#);
    for (value, is_limited) in
        [("free", true), ("free,paid", true), ("paid, free", true), ("paid", false), ("freedom,x", false)]
    {
        assert_eq!(!header.scopes(&get("/").with("x-plan", value)).is_empty(), is_limited, "{value}");
    }
    let method = limited(r#"{ "method": "DELETE" }"#);
    for value in ["DELETE, PUT", "PUT,delete"] {
        assert_eq!(method.scopes(&get("/").with("x-http-method-override", value)), ["only"], "{value}");
    }
    let host = |host: &str| get("/").with("host", host);
    let limited = limited(r#"{ "host": "api.test" }"#);
    let exempt = world(r#"{ "exempt": [{ "host": "cheap.test" }] }"#);
    for (name, is_limited, is_exempt) in [
        ("api.test", true, false),
        ("cheap.test:80", false, true),
        ("cheap.test:x", false, false),
        ("cheap.test,api.test", true, false),
        ("api.test:1, cheap.test", true, false),
    ] {
        assert_eq!(!limited.scopes(&host(name)).is_empty(), is_limited, "{name}");
        assert_eq!(exempt.plan(&host(name)).is_empty(), is_exempt, "{name}");
    }
}

#[test]
fn parts_of_lists_and_what_is_trimmed_in_front() {
    let truth =
        world(&one_scope(r#""key": "global", "match": { "query": { "a": { "not": ["false", "0"] } } }"#));
    for query in ["a[]=0", "a[x][y]=0", "a%5B%5D=false", "[a]=0", "?a=1"] {
        assert_eq!(truth.scopes(&get(&format!("/?{query}"))), ["only"], "{query}");
    }
    assert!(truth.scopes(&get("/?a=0")).is_empty());
    let kind = world(&one_scope(r#""key": "global", "match": { "query": { "kind": "export" } }"#));
    for value in ["export", "%00export", "%c2%a0export", "%e2%80%83export%1f", "%20%00export"] {
        assert_eq!(kind.scopes(&get(&format!("/?kind={value}"))), ["only"], "{value}");
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
