//! A match that no request passes is refused, with what to write instead; and what that does.

use tollgate::config::Config;

use super::{assert_accepted, get, one_scope, refused, world};

fn matching(rule: &str) -> String {
    one_scope(&format!(r#""key": "global", "match": {{ {rule} }}"#))
}

/// Each match is refused with this reason, which stands behind the path of its field.
fn assert_matches_refused(cases: &[(&str, &str)]) {
    for (rule, error) in cases {
        assert_eq!(refused(&matching(rule)), format!("scopes.only.match.{error}"), "{rule}");
    }
}

#[test]
fn a_list_of_nothing_never_matches() {
    assert_matches_refused(&[
        (r#""any": []"#, "any: `[]`: can never match; name a match in it, or leave `any` out"),
        (r#""not": { "any": [] }"#, "not.any: `[]`: can never match; name a match in it, or leave `any` out"),
        (r#""method": []"#, "method: `[]`: expected at least one"),
        (r#""path": []"#, "path: `[]`: expected at least one"),
        (r#""host": []"#, "host: `[]`: expected at least one"),
        (r#""client": []"#, "client: `[]`: expected at least one"),
        (r#""address": []"#, "address: `[]`: expected at least one"),
        (r#""query": { "q": [] }"#, "query.q: expected at least one"),
    ]);
    for (document, path) in [
        (one_scope(r#""key": []"#), "scopes.only.key: "),
        (one_scope(r#""key": { "jwt_claim": [] }"#), "scopes.only.key.jwt_claim: "),
        (one_scope(r#""key": "global", "count": { "status": [] }"#), "scopes.only.count.status: "),
        (r#"{ "client": { "bots": { "acme": [] } } }"#.into(), "client.bots.acme: "),
        (
            r#"{ "client": { "credential": { "from": [{ "header": "a", "schemes": [] }] } } }"#.into(),
            "client.credential.from[0].schemes: ",
        ),
    ] {
        let error = refused(&document);
        assert!(error.starts_with(path) && error.ends_with("expected at least one"), "{error}");
    }
    for nothing_to_add in [r#"{ "exempt": [] }"#, r#"{ "client": { "bots": {} } }"#] {
        assert_eq!(Config::parse(nothing_to_add.as_bytes()), Config::parse(b""), "{nothing_to_add}");
    }
}

#[test]
fn a_host_that_no_request_has() {
    const FORM: &str = "expected a host without port, such as `example.com` or `*.example.com`";
    const ASCII: &str = "no request has letters outside ASCII in its host; write its ASCII form, `xn--…`";
    for (host, reason) in [
        (".", FORM),
        ("..", FORM),
        ("*..", FORM),
        ("*.", FORM),
        (".example.com", FORM),
        ("*..example.com", FORM),
        ("example..com", FORM),
        ("example.com..", FORM),
        ("example.com ", FORM),
        ("exam\u{a0}ple.com", ASCII),
        ("user@example.com", FORM),
        ("[::1", FORM),
        ("[::1]:80", FORM),
        ("::1", FORM),
        ("[example.com]", FORM),
        ("[fe80::1%eth0]", FORM),
        ("*.[::1]", FORM),
        ("b\u{fc}cher.example", ASCII),
        ("*.b\u{fc}cher.example", ASCII),
        ("example\u{3002}com", ASCII),
    ] {
        let error = refused(&matching(&format!(r#""host": ["a.test", "{host}"]"#)));
        assert_eq!(error, format!("scopes.only.match.host[1]: `{host}`: {reason}"));
    }
    for (host, sent) in [
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("my_service.local.", "my_service.local"),
        ("[2001:DB8:0::1]", "[2001:db8::1]:443"),
        ("192.0.2.7", "192.0.2.7:80"),
    ] {
        let world = world(&matching(&format!(r#""host": "{host}""#)));
        assert_eq!(world.scopes(&get("/").with(":authority", sent)), ["only"], "{host}");
    }
}

#[test]
fn a_network_is_digits() {
    const FORM: &str = "expected an address or a network, such as `10.0.0.0/8` or `2001:db8::/32`";
    for network in [
        "10.0.0.0/+8",
        "10.0.0.0/08",
        "10.0.0.0/ 8",
        "2001:db8::/+32",
        "fe80::1%eth0",
        "[::1]",
        "10.0.0.1:80",
    ] {
        let error = refused(&matching(&format!(r#""address": "{network}""#)));
        assert_eq!(error, format!("scopes.only.match.address: `{network}`: {FORM}"));
    }
    assert_accepted(&matching(r#""address": ["0.0.0.0/0", "::/0"]"#));
}

#[test]
fn a_placeholder_of_another_language() {
    const REASON: &str = "for a segment of any value write `*`, for one of several `{a,b}`; there are no other placeholders, nor \
                          regular expressions; if this is what stands in the path, percent-encode it (`%7B` for `{`, `%3A` for `:`)";
    for path in [
        "/jobs/{id}",
        "/jobs/{id}.json",
        "/jobs/v{version}/x",
        "/jobs/{path:path}",
        "/jobs/:id",
        "/jobs/:id/result",
        "/jobs/:_id",
        "/:id",
        "/jobs/<id>",
        "/jobs/<int:id>/",
        "/jobs/[id]",
        "/jobs/[^/]+/x",
        "/jobs/[0-9]+",
        "/jobs/(a|b)",
        "/jobs/a|b",
        "/jobs/.+",
        "/jobs/.*",
        "/jobs/(.*)",
        "/jobs/[0-9]*",
        "/jobs/:id*",
        "/jobs/{id}*",
        "/{jobs,tasks}/{id}",
        "/jobs/{a",
        "/jobs/{a,{b,c}}",
        "/jobs/$",
        "/jobs$",
        r"/jobs/\\d+",
    ] {
        let error = refused(&matching(&format!(r#""path": "{path}""#)));
        let (shown, reason) = error.rsplit_once("`: for ").unwrap_or_else(|| panic!("{error}"));
        assert_eq!(shown, format!("scopes.only.match.path: `{path}"));
        assert_eq!(format!("for {reason}"), REASON);
    }
    assert_eq!(
        refused(&matching(r#""path": "^/api""#)),
        "scopes.only.match.path: `^/api`: a path starts with `/`"
    );
    for (path, sent, another) in [
        ("/files:upload", vec!["/files:upload", "/files%3Aupload"], "/files"),
        ("/v1/files/7:undelete", vec!["/v1/files/7:undelete"], "/v1/files/8:undelete"),
        ("/at/12:30", vec!["/at/12:30"], "/at/12"),
        ("/odata/$metadata", vec!["/odata/$metadata"], "/odata/7"),
        ("/odata/Products(1)", vec!["/odata/Products(1)"], "/odata/Products(2)"),
        ("/c++/a.b", vec!["/c++/a.b"], "/c/a.b"),
        ("/jobs/:7", vec!["/jobs/:7"], "/jobs/7"),
        ("/jobs/%3Aid", vec!["/jobs/:id", "/jobs/%3aid"], "/jobs/7"),
        ("/jobs/%7Bid%7d", vec!["/jobs/{id}", "/jobs/%7bid%7D"], "/jobs/7"),
        ("/jobs/%3Cid%3E", vec!["/jobs/<id>", "/jobs/%3Cid%3E"], "/jobs/7"),
        ("/jobs/%5Bid%5D", vec!["/jobs/[id]"], "/jobs/7"),
        ("/jobs/%2A", vec!["/jobs/*", "/jobs/%2a"], "/jobs/7"),
        ("/jobs/a%2Ab/*", vec!["/jobs/a*b/7"], "/jobs/ab/7"),
    ] {
        let world = world(&matching(&format!(r#""path": "{path}""#)));
        for sent in sent {
            assert_eq!(world.scopes(&get(sent)), ["only"], "{path} {sent}");
        }
        assert_eq!(world.scopes(&get(another)), [""; 0], "{path} {another}");
    }
}

#[test]
fn stars_and_alternatives_where_they_mean_nothing() {
    const STARS: &str = "`**` stands for any segments, alone between two slashes, with no `..` behind it; within a segment write \
                         `*`; a `*` itself is `%2A`";
    const ALTERNATIVES: &str = "`{a,b}` stands for one of several texts within a segment, of which at most 64 may come together; \
                                for other paths write a list of patterns";
    let many = format!("/{}", "{a,b}".repeat(7));
    for (path, reason) in [
        ("/jobs**", STARS),
        ("/**.json", STARS),
        ("/a/***/b", STARS),
        ("/a/**/../b", STARS),
        ("/{,jobs}", ALTERNATIVES),
        ("/{jobs,..}", ALTERNATIVES),
        ("/{jobs,a%2Fb}", ALTERNATIVES),
        (&many, ALTERNATIVES),
    ] {
        let error = refused(&matching(&format!(r#""path": "{path}""#)));
        assert_eq!(error, format!("scopes.only.match.path: `{path}`: {reason}"));
    }
    for path in ["/jobs*", "/*.json", "/a/**/b", "/{jobs,tasks}.{json,api}", "/**/**", "/a*b*"] {
        assert_accepted(&matching(&format!(r#""path": "{path}""#)));
    }
}

#[test]
fn a_test_of_what_is_there() {
    for (test, error) in [
        (
            r#"{ "present": false }"#,
            ".present: expected `true`; for what must not be there put the match with `\"present\": true` into its `not`",
        ),
        (
            r#"{ "present": 1 }"#,
            ".present: expected `true`; for what must not be there put the match with `\"present\": true` into its `not`",
        ),
        (r#"{ "not": [] }"#, ".not: expected at least one"),
        (r#"{ "not": true }"#, ".not: expected a string or a list of strings"),
        (
            r#"{ "not": "a", "prefix": "b" }"#,
            ": expected `true`, a string, a list of strings, or one of `present`, `not`, `prefix`, `suffix`, `contains`",
        ),
    ] {
        let error = format!("scopes.only.match.query.q{error}");
        assert_eq!(refused(&matching(&format!(r#""query": {{ "q": {test} }}"#))), error, "{test}");
    }
}

#[test]
fn a_value_that_no_header_has() {
    const REASON: &str = "no header's value has this: spaces at its ends are cut off, and control characters never stand in it";
    for test in [
        r#"" a""#,
        r#""a ""#,
        r#"["b", "a\t"]"#,
        r#""a\nb""#,
        r#""a\u0000""#,
        r#"{ "not": ["b", " a"] }"#,
        r#"{ "prefix": " a" }"#,
        r#"{ "suffix": "a " }"#,
        r#"{ "contains": "a\u007f" }"#,
    ] {
        let error = refused(&matching(&format!(r#""header": {{ "x-kind": {test} }}"#)));
        assert_eq!(error, format!("scopes.only.match.header.x-kind: {REASON}"), "{test}");
    }
    for rule in [
        r#""header": { "x-kind": { "prefix": "a " } }"#,
        r#""header": { "x-kind": { "suffix": " a" } }"#,
        r#""header": { "x-kind": { "contains": " a " } }"#,
        r#""header": { "x-kind": ["", "a\tb", "é"] }"#,
        r#""query": { "q": " a\n" }"#,
        r#""cookie": { "c": " a\n" }"#,
    ] {
        assert_accepted(&matching(rule));
    }
    for there in [r#"{ "present": true }"#, r#"{ "prefix": "" }"#] {
        let there = world(&matching(&format!(r#""header": {{ "x-kind": {there} }}"#)));
        assert_eq!(there.scopes(&get("/").with("x-kind", "")), ["only"], "it is there, and empty");
        assert_eq!(there.scopes(&get("/")), [""; 0]);
    }
}

#[test]
fn a_name_that_nothing_has() {
    const COOKIE: &str = "expected the name of a cookie, without `=`, `;` and spaces at its ends";
    const PARAMETER: &str = "expected the name of a parameter";
    const HEADER: &str = "expected the name of a header; method, path and host are fields of `match`";
    for (kind, name, reason) in [
        ("cookie", "", COOKIE),
        ("cookie", "a=b", COOKIE),
        ("cookie", "a;b", COOKIE),
        ("cookie", " a", COOKIE),
        ("cookie", "a\\t", COOKIE),
        ("cookie", "a\\u0000b", COOKIE),
        ("query", "", PARAMETER),
        ("header", "", HEADER),
        ("header", ":path", HEADER),
        ("header", "a b", HEADER),
        ("header", "a:", HEADER),
    ] {
        let matched = refused(&matching(&format!(r#""{kind}": {{ "{name}": true }}"#)));
        assert!(matched.starts_with(&format!("scopes.only.match.{kind}.")), "{matched}");
        assert!(matched.ends_with(&format!(": {reason}")), "{matched}");
        let counted = refused(&one_scope(&format!(r#""key": {{ "{kind}": "{name}" }}"#)));
        assert_eq!(counted, format!("scopes.only.key.{kind}: {reason}"));
        if kind != "query" {
            let document =
                format!(r#"{{ "client": {{ "credential": {{ "from": [{{ "{kind}": "{name}" }}] }} }} }}"#);
            assert_eq!(refused(&document), format!("client.credential.from[0].{kind}: {reason}"));
        }
    }
    for document in [
        matching(r#""cookie": { "a b": true, "é": "1" }, "query": { "=": "1", " ": "2" }"#),
        one_scope(r#""key": { "cookie": "__Host-id" }"#),
    ] {
        assert_accepted(&document);
    }
}
