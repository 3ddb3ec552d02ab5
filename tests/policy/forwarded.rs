//! When another proxy asks: what is judged, what it is answered, and what cannot be asked for.

use tollgate::config::Config;
use tollgate::policy::Trust;
use tollgate::request::RequestFrom;

use super::{World, get, refused, world};

const ANY: &str = r#""client": { "credential": { "trust": "any" } }"#;

/// A policy that another proxy asks about, with these further fields.
fn asked(from: &str, fields: &str) -> String {
    format!(r#"{{ "request": {{ "from": "{from}" }}, {ANY}, {fields} }}"#)
}

#[test]
fn a_request_is_direct_unless_it_is_said() {
    for (document, from) in [
        ("{}".to_owned(), RequestFrom::Direct),
        (r#"{ "request": {} }"#.into(), RequestFrom::Direct),
        (r#"{ "request": { "from": "direct" } }"#.into(), RequestFrom::Direct),
        (asked("forwarded", r#""mode": "enforce""#), RequestFrom::Forwarded),
        (asked("ext_authz", r#""mode": "enforce""#), RequestFrom::ExtAuthz),
    ] {
        assert_eq!(Config::parse(document.as_bytes()).expect(&document).request_from, from);
    }
}

#[test]
fn what_needs_the_response_is_refused() {
    for from in ["forwarded", "ext_authz"] {
        let request = format!(r#""request": {{ "from": "{from}" }}"#);
        for client in [
            String::new(),
            r#", "client": {}"#.into(),
            r#", "client": { "credential": { "trust": "upstream" } }"#.into(),
            r#", "client": { "credential": { "proof": { "path": "/api/**" } } }"#.into(),
        ] {
            let error = refused(&format!("{{ {request}{client} }}"));
            assert!(error.starts_with("client.credential.trust: `upstream`, the default, takes"), "{error}");
            assert!(error.contains(r#"say `"trust": "any"`"#), "{error}");
        }
        let scope = |fields: &str| {
            format!(r#""scopes": {{ "login": {{ "rate": "5/h", "key": "address", {fields} }} }}"#)
        };
        let error = refused(&asked(from, &scope(r#""count": { "status": [401] }"#)));
        assert!(error.starts_with("scopes.login.count: the response's status is not known"), "{error}");
        world(&asked(from, &scope(r#""count": "all""#)));
    }
    // Where nobody has a credential, none needs to be proved.
    let nobody = r#"{ "request": { "from": "forwarded" }, "client": { "credential": { "from": [] } } }"#;
    assert_ne!(world(nobody).gate.config().policy.trust, Trust::Any);
}

fn denial(world: &World) -> tollgate::reply::LocalReply {
    assert_eq!(world.admitted(&get("/")), 2);
    world.send(&get("/")).denial.expect("denied")
}

#[test]
fn nginx_gets_the_body_in_a_header() {
    let scopes = r#""scopes": { "all": { "rate": "2/h", "key": "address" } }"#;
    let policy = |from: &str, response: &str| {
        world(&asked(from, &format!(r#"{scopes}, "response": {{ {response} }}"#)))
    };
    for body in [r#""drf""#, r#""problem""#, r#"{ "text": "Bitte später." }"#] {
        let inline = denial(&policy("ext_authz", &format!(r#""body": {body}"#)));
        let nginx = denial(&policy("forwarded", &format!(r#""body": {body}, "status": 403"#)));
        assert_eq!((inline.status, nginx.status), (429, 403));
        // The client's own status is 429 there too.
        assert_eq!(nginx.body, "", "or nginx would not keep its connection");
        let mut headers = inline.headers.clone();
        assert_eq!(headers[0].0, "content-type");
        headers[0].0 = "x-tollgate-type";
        headers.push(("x-tollgate-body", inline.body));
        assert_eq!(nginx.headers, headers);
    }
    for (from, status) in [("forwarded", 429), ("ext_authz", 403)] {
        let others = denial(&policy(from, &format!(r#""status": {status}"#)));
        assert!(others.headers.iter().all(|(name, _)| *name != "x-tollgate-body"), "{from}");
    }
}

#[test]
fn a_reply_is_known_by_its_details() {
    let rules = &world(&asked("forwarded", r#""response": { "status": 403 }"#)).gate.config().reply.clone();
    for details in [&b"tollgate_denied"[..], b"tollgate_denied{worker}", b"tollgate_blocked"] {
        assert_eq!(rules.status_of(details), Some(403));
    }
    assert_eq!(rules.status_of(b"tollgate_malformed"), Some(400));
    assert_eq!(rules.status_of(b"via_upstream"), None);
    assert_eq!(rules.status_of(b""), None);
}

#[test]
fn a_text_that_no_header_can_hold_is_refused() {
    let policy = |from: &str, status: u16, text: &str| {
        asked(from, &format!(r#""response": {{ "status": {status}, "body": {{ "text": "{text}" }} }}"#))
    };
    for text in ["later\\n".to_owned(), "a\\u0000b".into(), " later".into(), "a".repeat(2_049)] {
        let error = refused(&policy("forwarded", 403, &text));
        assert!(
            error.starts_with("response.body.text: with status 403 the text travels to nginx"),
            "{error}"
        );
        world(&policy("forwarded", 429, &text));
        world(&policy("ext_authz", 403, &text));
    }
    world(&policy("forwarded", 403, &"é".repeat(1_024)));
}
