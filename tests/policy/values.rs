//! Parameters, headers, cookies and methods that can be read in several ways.

use super::{get, one_scope, world};

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
