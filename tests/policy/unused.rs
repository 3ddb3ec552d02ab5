//! What a policy has and never uses is refused, with what to write instead: places of credentials, parts of keys, claims.

use super::{assert_accepted, get, one_scope, refused, world};

#[test]
fn a_place_that_stands_before_itself() {
    let from = |places: &str| format!(r#"{{ "client": {{ "credential": {{ "from": [{places}] }} }} }}"#);
    for places in [
        r#"{ "cookie": "a" }, { "cookie": "a" }"#,
        r#"{ "header": "X-Key" }, { "header": "x-key" }"#,
        r#"{ "header": "x-key" }, { "header": "x-key", "schemes": "Token" }"#,
        r#"{ "header": "x-key", "schemes": ["Token", "Bearer"] }, { "header": "x-key", "schemes": "token" }"#,
    ] {
        let error = refused(&from(places));
        assert_eq!(
            error,
            "client.credential.from[1]: is never used: `from[0]` comes first, and takes all that this would"
        );
    }
    assert_accepted(&from(r#"{ "cookie": "a" }, { "cookie": "A" }, { "header": "a" }, { "header": "b" }"#));
    assert_accepted(&from(
        r#"{ "header": "b", "schemes": "Token" }, { "header": "b", "schemes": "Bearer" }, { "header": "b" }"#,
    ));
    let error = refused(&from(r#"{ "header": "b", "schemes": "Bearer:" }"#));
    assert_eq!(error, "client.credential.from[0].schemes: expected one word, such as `Bearer`");
}

#[test]
fn a_part_of_a_key_that_is_never_used() {
    let key = |key: &str| one_scope(&format!(r#""key": {key}"#));
    let never = |path: &str, before: &str| {
        format!(
            "scopes.only.{path}is never used: `key[{before}]` comes first, and whoever has this has that; put this one before it, or leave it out"
        )
    };
    for (parts, error) in [
        (r#"["address", "credential"]"#, never("key[1]: `credential`: ", "0")),
        (r#"["bot", "global", { "header": "a" }]"#, never("key[2]: `{…}`: ", "1")),
        (r#"["credential", "credential"]"#, never("key[1]: `credential`: ", "0")),
        (r#"[{ "header": "A" }, "bot", { "header": "a" }]"#, never("key[2]: `{…}`: ", "0")),
        (r#"["credential", { "all": ["address", "credential"] }]"#, never("key[1]: `{…}`: ", "0")),
        (
            r#"[{ "all": ["credential", "address"] }, { "all": ["bot", "credential"] }]"#,
            never("key[1]: `{…}`: ", "0"),
        ),
        (
            r#"{ "all": ["global", "credential"] }"#,
            "scopes.only.key.all[0]: `global`: tells nobody apart beside other parts; leave it out".into(),
        ),
        (
            r#"{ "all": ["credential", "credential"] }"#,
            "scopes.only.key.all[1]: `credential`: stands in the list twice".into(),
        ),
        (r#"{ "all": [] }"#, "scopes.only.key.all: `[]`: expected at least one".into()),
    ] {
        assert_eq!(refused(&key(parts)), error, "{parts}");
    }
    for parts in [
        r#"["credential", "address"]"#,
        r#"["bot", "credential", "global"]"#,
        r#"[{ "all": ["credential", { "header": "a" }] }, "credential", { "header": "a" }, "address"]"#,
        r#"{ "all": ["address"] }"#,
    ] {
        assert_accepted(&key(parts));
    }
}

#[test]
fn a_credential_that_nobody_can_have() {
    const KEY: &str =
        "scopes.only.key: counts nobody, since none of its requests has a credential; count by `address`";
    const MATCH: &str =
        "matches no request, since no client has a credential with this `client.credential.from`";
    let none = |rest: &str| format!(r#"{{ "client": {{ "credential": {{ "from": [] }} }}, {rest} }}"#);
    let scope = |fields: &str| format!(r#""scopes": {{ "only": {{ "rate": "1/s", {fields} }} }}"#);
    for key in [r#""credential""#, r#"{ "all": ["address", "credential"] }"#] {
        assert_eq!(refused(&none(&scope(&format!(r#""key": {key}"#)))), KEY);
        assert_eq!(
            refused(&one_scope(&format!(r#""key": {key}, "match": {{ "client": "anonymous" }}"#))),
            KEY
        );
    }
    let authenticated = r#""key": "address", "match": { "path": "/a", "client": ["authenticated"] }"#;
    assert_eq!(refused(&none(&scope(authenticated))), format!("scopes.only.match: {MATCH}"));
    assert_eq!(
        refused(&none(r#""exempt": [{ "path": "/" }, { "client": "authenticated" }]"#)),
        format!("exempt[1]: {MATCH}")
    );
    for fields in [
        r#""key": ["credential", "address"]"#,
        r#""key": "address", "match": { "client": ["authenticated", "bot"] }"#,
    ] {
        assert_accepted(&none(&scope(fields)));
    }
    assert_accepted(r#"{ "client": { "credential": { "from": [] } } }"#);
    assert_accepted(&one_scope(r#""key": "credential", "match": { "client": ["anonymous", "bot"] }"#));
}

#[test]
fn a_claim_inside_another() {
    let key = |claim: &str| one_scope(&format!(r#""key": {{ "jwt_claim": {claim} }}"#));
    assert_eq!(
        refused(&key(r#""realm_access.client""#)),
        "scopes.only.key.jwt_claim: `realm_access.client`: write a list, `[\"realm_access\", \"client\"]`, for a claim inside \
         another; a list of one, `[\"a.b\"]`, for a claim that has a dot in its name"
    );
    for wrong in [r#"["a", ""]"#, r#"["a", 1]"#, r#""a\u0000b""#, r#"["a\u0000b"]"#, r#"{ "a": "b" }"#] {
        let error = refused(&key(wrong));
        assert!(
            error.ends_with(
                "expected the name of a claim, or a list of names that leads to one inside others"
            ),
            "{error}"
        );
    }
    // A token in its place.
    let token = format!("eyJ{}.{}.hunter2", "x".repeat(40), "y".repeat(40));
    assert!(!refused(&key(&format!("{token:?}"))).contains("hunter2"));

    for (claim, path) in [
        (r#""sub""#, "sub"),
        (r#"["sub"]"#, "sub"),
        (r#"["realm_access", "client"]"#, "realm_access\0client"),
        (r#"["realm_access.client"]"#, "realm_access.client"),
        (r#""https://example.com/roles""#, "https://example.com/roles"),
        (r#""urn:example.com:roles""#, "urn:example.com:roles"),
    ] {
        let world = world(&key(claim));
        assert!(
            world.same_client(&get("/").claim(path, "u").token("a"), &get("/").claim(path, "u").token("b")),
            "{claim}"
        );
        assert!(!world.same_client(&get("/").claim(path, "u"), &get("/").claim(path, "v")), "{claim}");
        assert!(world.plan(&get("/").claim("other", "u")).is_empty(), "{claim}");
    }
    let one = world(&key(r#""sub""#));
    let other = world(&key(r#"["sub"]"#));
    let sent = get("/").claim("sub", "u");
    assert_eq!(one.plan(&sent)[0].client, other.plan(&sent)[0].client, "a list of one is the claim itself");
}
