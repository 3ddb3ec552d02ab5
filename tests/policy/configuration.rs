//! What is refused, and how the error reads. What `store` says stands in `store.rs`.

use tollgate::config::{Config, DEFAULT, Failure};

use super::{assert_accepted, get, refused, world};

#[test]
fn an_empty_document_is_the_default_policy() {
    let default = Config::parse(DEFAULT.as_bytes()).expect("the default");
    let schema = r#"{ "$schema": "policy.schema.json" }"#;
    for document in ["", " \n\t", "{}", r#"{ "mode": "enforce" }"#, r#"{ "client": {} }"#, schema] {
        assert_eq!(Config::parse(document.as_bytes()).expect(document), default, "{document:?}");
    }
}

#[test]
fn a_section_leaves_the_others_as_they_are() {
    let document = r#"{ "client": { "address": { "ipv4_prefix": 24 } } }"#;
    let world = world(document);
    assert_eq!(world.admitted(&get("/")), 60);
    assert_eq!(world.admitted(&get("/").from("192.0.2.200:1")), 0);
    let with_token = get("/api/v2/").token("t").from("198.51.100.1:1");
    assert_eq!(world.admitted(&with_token), 300, "credentials are still looked for");
}

#[test]
fn what_happens_to_a_request_that_tollgate_fails_at_is_said_by_the_policy() {
    let failure = |document: &str| Config::parse(document.as_bytes()).expect(document).failure;
    assert_eq!(failure("{}"), Failure::Allow);
    assert_eq!(failure(r#"{ "failure": "allow" }"#), Failure::Allow);
    assert_eq!(failure(r#"{ "failure": "deny" }"#), Failure::Deny);
}

#[test]
fn an_error_names_the_field_and_what_was_expected() {
    let scope = |fields: &str| format!(r#"{{ "scopes": {{ "worker": {{ {fields} }} }} }}"#);
    let matching =
        |fields: &str| scope(&format!(r#""rate": "1/s", "key": "global", "match": {{ {fields} }}"#));
    let key = |key: &str| scope(&format!(r#""rate": "1/s", "key": {key}"#));
    let from = |source: &str| format!(r#"{{ "client": {{ "credential": {{ "from": [{source}] }} }} }}"#);
    for (document, error) in [
        ("{", "not valid JSON: EOF while parsing an object at line 1 column 1".to_owned()),
        ("[]", "`[]`: expected an object, `{ … }`".into()),
        (r#"{ "mode": "off", "mode": "off" }"#, "not valid JSON: field `mode` is given twice at line 1 column 32".into()),
        (r#"{ "mood": 1 }"#, "mood: unknown field; expected one of `client`, `exempt`, `scopes`, `response`, `store`, `mode`, `request`, `access_log`, `failure`, `$schema`".into()),
        (r#"{ "$schema": 1 }"#, "$schema: `1`: expected where the schema is".into()),
        (r#"{ "mode": "on" }"#, "mode: `on`: expected `enforce`, `shadow` or `off`".into()),
        (r#"{ "failure": "open" }"#, "failure: `open`: expected `allow` or `deny`".into()),
        (r#"{ "failure": true }"#, "failure: `true`: expected `allow` or `deny`".into()),
        (r#"{ "request": { "from": "headers" } }"#, "request.from: `headers`: expected `direct`, `forwarded` or `ext_authz`".into()),
        (r#"{ "request": { "form": "forwarded" } }"#, "request.form: unknown field; expected one of `from`".into()),
        (r#"{ "scopes": {} }"#, "scopes: `{}`: limits nothing; leave `scopes` out for the default policy, or say `\"mode\": \"off\"`".into()),
        (r#"{ "scopes": { "a b": {} } }"#, "scopes.a b: a scope's name is 1 to 64 letters, digits, `_` and `-`".into()),
        (r#"{ "scopes": { "scope-38827": { "rate": "1/h", "key": "global" }, "scope-64672": { "rate": "9/h", "key": "address" } } }"#, "scopes.scope-64672: its name falls together with another scope's; rename it".into()),
        (&scope(r#""key": "global""#), "scopes.worker.rate: is missing: say how much, such as `\"60/min\"`".into()),
        (&scope(r#""rate": "1/s""#), "scopes.worker.key: is missing: say who is counted, such as `\"address\"` or `[\"credential\", \"address\"]`".into()),
        (&scope(r#""rate": "30/fortnight", "key": "global""#), "scopes.worker.rate: `30/fortnight`: window must be s, min, h or d, optionally with a number (`10/5m`)".into()),
        (&scope(r#""rate": ["1/s", "x"], "key": "global""#), "scopes.worker.rate[1]: `x`: a rate is written QUOTA/WINDOW, such as `60/min` or `10/5m`".into()),
        (&scope(r#""rate": [], "key": "global""#), "scopes.worker.rate: `[]`: expected at least one".into()),
        (&scope(r#""rate": 60, "key": "global""#), "scopes.worker.rate: `60`: expected a rate, such as `60/min`".into()),
        (&scope(r#""rate": "1/s", "key": "global", "rates": 1"#), "scopes.worker.rates: unknown field; expected one of `rate`, `algorithm`, `burst`, `match`, `key`, `cost`, `mode`, `count`".into()),
        (&scope(r#""rate": "1/s", "key": "global", "algorithm": "leaky""#), "scopes.worker.algorithm: `leaky`: expected `sliding_window` or `token_bucket`".into()),
        (&scope(r#""rate": "1/s", "key": "global", "burst": 5"#), "scopes.worker.burst: `5`: only a token bucket has a burst; add `\"algorithm\": \"token_bucket\"`".into()),
        (&scope(r#""rate": ["1/s", "2/min"], "key": "global", "algorithm": "token_bucket", "burst": 5"#), "scopes.worker.burst: `5`: belongs to one rate; with several, each one's burst is its quota".into()),
        (&scope(r#""rate": "0/s", "key": "global", "algorithm": "token_bucket""#), "scopes.worker.rate: `0/s`: a token bucket that nothing flows into admits its burst once and then never again".into()),
        (&scope(r#""rate": ["9/min", "5/s"], "key": "global", "cost": 6"#), "scopes.worker.cost: `6`: is more than the 5 units that the scope ever admits at once".into()),
        (&scope(r#""rate": "5/s", "key": "global", "cost": 0"#), "scopes.worker.cost: `0`: expected a whole number from 1 to 4294967295".into()),
        (&scope(r#""rate": "5/s", "key": "global", "cost": 1.5"#), "scopes.worker.cost: `1.5`: expected a whole number from 1 to 4294967295".into()),
        (&scope(r#""rate": "5/s", "key": "global", "count": "none""#), "scopes.worker.count: `none`: expected `all`, an object with `status`, `grpc` or both, or `{ \"not\": { … } }` around such an object".into()),
        (&scope(r#""rate": "5/s", "key": "global", "count": { "status": [99] }"#), "scopes.worker.count.status[0]: `99`: expected a whole number from 100 to 599".into()),
        (&scope(r#""rate": "5/s", "key": "global", "count": { "status": "6xx" }"#), "scopes.worker.count.status: `6xx`: expected a status, such as 401, or a class, such as `5xx`".into()),
        (&key(r#"[["address"]]"#), "scopes.worker.key[0]: `[…]`: expected `address`, `credential`, `bot`, `global`, or an object with `header`, `query`, `cookie`, `jwt_claim` or `all`".into()),
        (&key(r#""ip""#), "scopes.worker.key: `ip`: expected `address`, `credential`, `bot`, `global`, or an object with `header`, `query`, `cookie`, `jwt_claim` or `all`".into()),
        (&key(r#"["address", { "jwt_claim": "" }]"#), "scopes.worker.key[1].jwt_claim: expected the name of a claim, or a list of names that leads to one inside others".into()),
        (&key(r#"{ "header": "a b" }"#), "scopes.worker.key.header: expected the name of a header; method, path and host are fields of `match`".into()),
        (&key(r#"{ "all": [] }"#), "scopes.worker.key.all: `[]`: expected at least one".into()),
        (&key("{}"), "scopes.worker.key: `{}`: expected `address`, `credential`, `bot`, `global`, or an object with `header`, `query`, `cookie`, `jwt_claim` or `all`".into()),
        (&matching(r#""path": "/a?b""#), "scopes.worker.match.path: `/a?…`: a path has no `?` or `#`; match parameters with `query`".into()),
        (&matching(r#""path": ["/a", "b"]"#), "scopes.worker.match.path[1]: `b`: a path starts with `/`".into()),
        (&matching(r#""method": "G T""#), "scopes.worker.match.method: `G T`: expected a method, such as `GET`".into()),
        (&matching(r#""host": "a:80""#), "scopes.worker.match.host: `a:80`: expected a host without port, such as `example.com` or `*.example.com`".into()),
        (&matching(r#""client": "robot""#), "scopes.worker.match.client: `robot`: expected `anonymous`, `authenticated` or `bot`".into()),
        (&matching(r#""query": {}"#), "scopes.worker.match.query: `{}`: expected at least one name".into()),
        (&matching(r#""query": { "a": false }"#), "scopes.worker.match.query.a: expected `true`, a string, a list of strings, or one of `present`, `not`, `prefix`, `suffix`, `contains`".into()),
        (&matching(r#""query": { "a": { "prefix": "x", "suffix": "y" } }"#), "scopes.worker.match.query.a: expected `true`, a string, a list of strings, or one of `present`, `not`, `prefix`, `suffix`, `contains`".into()),
        (&matching(r#""header": { "a b": true }"#), "scopes.worker.match.header.a b: expected the name of a header; method, path and host are fields of `match`".into()),
        (&matching(r#""any": [{ "path": "/a" }, {}]"#), "scopes.worker.match.any[1]: `{}`: matches every request; name a condition".into()),
        (&matching(r#""not": { "nod": {} }"#), "scopes.worker.match.not.nod: unknown field; expected one of `method`, `path`, `host`, `query`, `header`, `cookie`, `client`, `address`, `any`, `not`".into()),
        (&matching(r#""address": "10.0.0.1/8""#), "scopes.worker.match.address: `10.0.0.1/8`: has bits set beyond its prefix; did you mean `10.0.0.0/8`?".into()),
        (r#"{ "exempt": [{}] }"#, "exempt[0]: `{}`: matches every request; name a condition".into()),
        (r#"{ "exempt": { "path": "/" } }"#, "exempt: `{…}`: expected a list".into()),
        (r#"{ "client": { "address": { "ipv4_prefix": 33 } } }"#, "client.address.ipv4_prefix: `33`: expected a whole number from 1 to 32".into()),
        (r#"{ "client": { "credential": { "trust": "maybe" } } }"#, "client.credential.trust: `maybe`: expected `upstream` or `any`".into()),
        (r#"{ "client": { "credential": { "trust_for": "soon" } } }"#, "client.credential.trust_for: `soon`: expected a span from `1s` to `31d`, such as `1h`".into()),
        (r#"{ "client": { "credential": { "trust": "any", "proof": { "path": "/" } } } }"#, "client.credential.proof: has no meaning where any credential is trusted".into()),
        (&from(r#"{ "header": "Authorization" }"#), "client.credential.from[0].header: needs `schemes`, those that the application accepts, such as [\"Token\", \"Bearer\"]".into()),
        (&from(r#"{ "cookie": "a", "schemes": ["B"] }"#), "client.credential.from[0].schemes: a cookie has no scheme".into()),
        (&from(r#"{ "header": "a", "cookie": "b" }"#), "client.credential.from[0]: expected either `header` or `cookie`".into()),
        (&from(r#"{ "header": "a", "schemes": "b c" }"#), "client.credential.from[0].schemes: expected one word, such as `Bearer`".into()),
        (r#"{ "response": { "status": 200 } }"#, "response.status: `200`: expected a whole number from 400 to 599".into()),
        (r#"{ "response": { "body": "xml" } }"#, "response.body: `xml`: expected `drf`, `problem` or `{ \"text\": … }`".into()),
        (r#"{ "response": { "body": { "text": "", "content_type": "a/b\r\nx: y" } } }"#, "response.body.content_type: `a/b\\r\\nx: y`: expected a media type, such as `text/html; charset=utf-8`".into()),
        (r#"{ "response": { "ratelimit_headers": true } }"#, "response.ratelimit_headers: `true`: expected `off`, `draft` or `x-ratelimit`".into()),
    ] {
        assert_eq!(refused(document), error, "{document}");
    }
}

/// Of the two names that are refused above, with other windows or algorithms.
#[test]
fn names_of_which_no_counters_fall_together_are_taken() {
    for (one, other) in [
        (r#""rate": "1/h""#, r#""rate": "1/min""#),
        (r#""rate": "1/h""#, r#""rate": "1/h", "algorithm": "token_bucket""#),
    ] {
        let document = format!(
            r#"{{ "scopes": {{ "scope-38827": {{ "key": "global", {one} }}, "scope-64672": {{ "key": "global", {other} }} }} }}"#
        );
        assert_eq!(world(&document).gate.config().policy.scopes.len(), 2, "{document}");
    }
}

#[test]
fn what_is_just_within_its_bounds_is_taken() {
    let named = |length| {
        let name = "x".repeat(length);
        format!(r#"{{ "scopes": {{ "{name}": {{ "rate": "1/h", "key": "global" }} }} }}"#)
    };
    for length in [1, 64] {
        assert_accepted(&named(length));
    }
    for length in [0, 65] {
        assert!(
            refused(&named(length)).ends_with(": a scope's name is 1 to 64 letters, digits, `_` and `-`")
        );
    }
    for fields in [
        r#""rate": ["9/min", "5/s"], "cost": 5"#,
        r#""rate": ["9/min", "5/s"], "cost": 5, "algorithm": "sliding_window""#,
        r#""rate": "1/s", "cost": 5, "algorithm": "token_bucket", "burst": 5"#,
        // Nobody is let through anyway.
        r#""rate": "0/s", "cost": 5"#,
    ] {
        assert_accepted(&format!(r#"{{ "scopes": {{ "only": {{ {fields}, "key": "global" }} }} }}"#));
    }
}

#[test]
fn a_long_value_is_shown_short() {
    let long = "é".repeat(500);
    assert!(refused(&format!(r#"{{ "mode": "{long}" }}"#)).len() < 250);
}

#[test]
fn documents_without_end_are_refused() {
    for document in
        ["[".repeat(100_000), r#"{"mode":"#.repeat(100_000), "\u{feff}{}".into(), "{\r\n\t".into()]
    {
        assert!(refused(&document).starts_with("not valid JSON: "));
    }
}

#[test]
fn modes() {
    let of = |all: &str, one: &str| {
        let world = world(&format!(
            r#"{{ "mode": "{all}", "scopes": {{ "a": {{ "rate": "2/h", "key": "global", "mode": "{one}" }} }} }}"#
        ));
        world.gate.config().policy.scopes.first().map(|scope| scope.enforced)
    };
    assert_eq!(of("enforce", "enforce"), Some(true));
    for (all, one) in [("shadow", "enforce"), ("enforce", "shadow"), ("shadow", "shadow")] {
        assert_eq!(of(all, one), Some(false), "{all} {one}");
    }
    for (all, one) in [("off", "enforce"), ("enforce", "off"), ("shadow", "off"), ("off", "shadow")] {
        assert_eq!(of(all, one), None, "{all} {one}");
    }
}
