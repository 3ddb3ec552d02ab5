//! Which requests a rule is about.

use super::{Sent, World, get, one_scope, world};

fn matching(rule: &str) -> World {
    world(&one_scope(&format!(r#""key": "global", "match": {rule}"#)))
}

#[test]
fn the_default_policy_knows_three_kinds_of_clients() {
    let world = world("");
    let poll = "/api/v2/jobs/?ids_only=1&processing_service_name=p";
    let scopes = |sent: &Sent| {
        let scopes = world.scopes(sent);
        assert_eq!(scopes.last(), Some(&"address"), "the ceiling is for everybody");
        scopes[..scopes.len() - 1].join(" ")
    };
    assert_eq!(scopes(&get("/")), "anon user");
    assert_eq!(scopes(&get("/").token("t")), "user");
    for other in ["Bearer t", "Basic dTpw"] {
        assert_eq!(
            scopes(&get("/").with("authorization", other)),
            "anon user",
            "no scheme of TokenAuthentication"
        );
    }
    assert_eq!(scopes(&get("/").with("cookie", "sessionid=s")), "anon user");
    assert_eq!(scopes(&get(poll).token("t")), "user worker");
    assert_eq!(scopes(&get(poll)), "anon user worker", "known by the service's name");
    assert_eq!(scopes(&get("/api/v2/jobs?ids_only=1")), "anon user", "nobody to count");
    assert_eq!(scopes(&get("/api/v2/jobs?incomplete_only=yes").token("t")), "user worker");
    assert_eq!(scopes(&get("/api/v2/jobs?ids_only").token("t")), "user worker");
    assert_eq!(scopes(&get("/api/v2/jobs?ids_only=0").token("t")), "user");
    assert_eq!(scopes(&get("/api/v2/jobs?ids_only=FALSE").token("t")), "user");
    assert_eq!(scopes(&get("/api/v2/jobs/7?ids_only=1").token("t")), "user");
    assert_eq!(scopes(&get(poll).with(":method", "POST").token("t")), "user");
}

#[test]
fn conditions() {
    let client =
        get("/a?x=1&name=J%C3%B6rg&empty=").with("x-kind", " beta-7 ").with("cookie", "plan=free; a=b");
    for (rule, matches) in [
        (r"{}", true),
        (r#"{ "method": ["PUT", "get"] }"#, true),
        (r#"{ "method": "PUT" }"#, false),
        (r#"{ "path": ["/b", "/a/"] }"#, true),
        (r#"{ "path": "/b" }"#, false),
        (r#"{ "path": "/{a,b}" }"#, true),
        (r#"{ "path": "/**/a*" }"#, true),
        (r#"{ "path": "/a.*" }"#, false),
        (r#"{ "host": "API.example.com" }"#, true),
        (r#"{ "host": ["*.example.com"] }"#, true),
        (r#"{ "host": "example.com" }"#, false),
        (r#"{ "query": { "x": true } }"#, true),
        (r#"{ "query": { "y": true } }"#, false),
        (r#"{ "query": { "empty": true } }"#, false),
        (r#"{ "query": { "empty": "" } }"#, true),
        (r#"{ "query": { "name": "Jörg" } }"#, true),
        (r#"{ "query": { "name": "jörg" } }"#, false),
        (r#"{ "query": { "x": { "present": true }, "empty": { "present": true } } }"#, true),
        (r#"{ "query": { "none": { "present": true } } }"#, false),
        (r#"{ "not": { "query": { "none": { "present": true } } } }"#, true),
        (r#"{ "query": { "empty": { "not": ["0", "no"] } } }"#, true),
        (r#"{ "query": { "x": { "not": ["0", "1"] } } }"#, false),
        (r#"{ "query": { "name": { "not": "JöRG" } } }"#, false),
        (r#"{ "query": { "none": { "not": "1" } } }"#, false),
        (r#"{ "query": { "x": ["0", "1"] } }"#, true),
        (r#"{ "query": { "x": "1", "empty": "no" } }"#, false),
        (r#"{ "header": { "X-Kind": "beta-7" } }"#, true),
        (r#"{ "header": { "x-kind": { "prefix": "beta" } } }"#, true),
        (r#"{ "header": { "x-kind": { "suffix": "-7" } } }"#, true),
        (r#"{ "header": { "x-kind": { "contains": "ta-" } } }"#, true),
        (r#"{ "header": { "x-kind": { "contains": "alpha" } } }"#, false),
        (r#"{ "header": { "host": "api.example.com" } }"#, true),
        (r#"{ "header": { "x-none": { "prefix": "" } } }"#, false),
        (r#"{ "cookie": { "plan": "free" } }"#, true),
        (r#"{ "cookie": { "Plan": "free" } }"#, false),
        (r#"{ "client": "anonymous" }"#, true),
        (r#"{ "client": ["authenticated"] }"#, false),
        (r#"{ "address": ["10.0.0.0/8", "192.0.2.0/24"] }"#, true),
        (r#"{ "address": "2001:db8::/32" }"#, false),
        (r#"{ "any": [{ "path": "/b" }, { "path": "/a" }] }"#, true),
        (r#"{ "any": [{ "path": "/b" }, { "path": "/c" }] }"#, false),
        (r#"{ "not": { "path": "/b" } }"#, true),
        (r#"{ "not": { "not": { "path": "/b" } } }"#, false),
        (r#"{ "path": "/a", "method": "PUT" }"#, false),
    ] {
        assert_eq!(!matching(rule).scopes(&client).is_empty(), matches, "{rule}");
    }
}

#[test]
fn truthy_values() {
    let world = matching(r#"{ "query": { "x": true } }"#);
    for value in ["1", "true", "TRUE", "t", "yes", "Y", "on", "%31", "tr%75e", "+1", "on%20"] {
        assert!(!world.scopes(&get(&format!("/?x={value}"))).is_empty(), "{value}");
    }
    for value in ["", "0", "false", "f", "no", "off", "2", "11", "truee"] {
        assert!(world.scopes(&get(&format!("/?x={value}"))).is_empty(), "{value}");
    }
}

#[test]
fn the_exempt_fall_under_no_scope() {
    let world = world(
        r#"{ "exempt": [{ "path": "/healthz" }, { "address": "10.0.0.0/8" }, { "method": "OPTIONS", "path": "/**" }] }"#,
    );
    assert!(world.plan(&get("/healthz/")).is_empty());
    assert!(world.plan(&get("/").from("10.1.2.3:5")).is_empty());
    assert!(world.plan(&get("/").from("[::ffff:10.1.2.3]:5")).is_empty());
    assert!(world.plan(&get("/a").with(":method", "OPTIONS")).is_empty());
    assert!(!world.plan(&get("/healthz/x")).is_empty());
    assert!(!world.plan(&get("/").from("11.1.2.3:5")).is_empty());
}
