//! What is never shown: passwords, tokens, and whatever else may stand in a policy in confidence.

use serde_json::{Value, json};
use tollgate::config::Config;
use tollgate::store::Secret;

/// Does not stand in any error by chance.
const MARKER: &str = "hunter2";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Every field that there is.
fn everything() -> Value {
    json!({
        "client": {
            "address": { "ipv4_prefix": 32, "ipv6_prefix": 64 },
            "credential": {
                "from": [{ "header": "authorization", "schemes": ["Token", "Bearer"] }, { "cookie": "sessionid" }],
                "trust": "upstream", "trust_for": "1h", "proof": { "path": "/api/**" }
            },
            "bots": { "acme": ["AcmeCrawler", "AcmePreview"] }
        },
        "exempt": [{ "path": "/healthz" }, { "header": { "x-internal": ["one", "two"] } }],
        "scopes": {
            "all": {
                "rate": ["20/s"], "algorithm": "token_bucket", "burst": 5, "cost": 2, "mode": "shadow",
                "key": ["credential", { "all": [{ "query": "q" }, { "header": "h" }] }, { "cookie": "c" }, { "jwt_claim": "sub" }],
                "count": { "status": [401, "5xx"] },
                "match": {
                    "method": ["GET"], "path": ["/a/*"], "host": ["a.test"], "client": ["anonymous"], "address": ["10.0.0.0/8"],
                    "query": { "q": true, "p": ["one"] }, "header": { "authorization": "Bearer x" },
                    "cookie": { "c": { "prefix": "p" } },
                    "any": [{ "path": "/b" }], "not": { "path": "/c" }
                }
            }
        },
        "request": { "from": "direct" },
        "response": { "status": 429, "body": { "text": "no", "content_type": "text/plain" }, "ratelimit_headers": "draft" },
        "store": {
            "capacity": 65536,
            "redis": { "cluster": "c", "url": "rediss://redis:6379/0", "ca": "/ca.pem", "prefix": "tollgate:", "timeout": "50ms", "on_failure": "local", "username": "u",
                       "password": "p", "secret": SECRET }
        },
        "mode": "enforce"
    })
}

/// The places of all values in a document, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                places(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                places(value, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn assert_not_shown(document: &Value, at: &str) {
    match Config::parse(document.to_string().as_bytes()) {
        Err(error) => assert!(!error.to_string().contains(MARKER), "{at}: {error}"),
        // The texts of the policy that the log names beside the names of scopes, which are words. Only a word can
        // be taken for a cluster's name, or for a host's, by mistake.
        Ok(config) => {
            let place = config.redis.map(|redis| redis.place()).unwrap_or_default();
            assert!(!place.contains(MARKER) || !place.contains('@'), "{at}");
        }
    }
}

/// Puts each of these values in each place for which `applies`, also as the name of a field.
fn try_everywhere(values: &[Value], applies: impl Fn(&str) -> bool) -> usize {
    let everything = everything();
    let mut found = Vec::new();
    places(&everything, "", &mut found);
    let mut tried = 0;
    for at in found.iter().filter(|at| applies(at)) {
        for value in values {
            let mut document = everything.clone();
            *document.pointer_mut(at).expect("a place") = value.clone();
            assert_not_shown(&document, at);
            if let (Value::String(text), Some(Value::Object(fields))) = (value, everything.pointer(at)) {
                for (name, value) in fields {
                    let mut fields = fields.clone();
                    fields.remove(name);
                    fields.insert(text.clone(), value.clone());
                    let mut document = everything.clone();
                    *document.pointer_mut(at).expect("a place") = fields.into();
                    assert_not_shown(&document, &format!("{at}/{name}"));
                }
            }
            tried += 1;
        }
    }
    tried
}

#[test]
fn a_password_in_an_address_is_shown_nowhere() {
    assert!(Config::parse(everything().to_string().as_bytes()).is_ok());
    let long = "x".repeat(50);
    let addresses: Vec<Value> = [
        format!("redis://:{MARKER}@redis:6379/0"),
        format!("rediss://tollgate:{long}{MARKER}@redis.example.com"),
        format!("redis://{MARKER}@redis"),
        format!("//tollgate:{MARKER}@redis"),
        format!("tollgate:{MARKER}@redis:6379"),
        format!("redis://:a@b:{MARKER}@redis"),
        format!("https://example.com/?password={MARKER}"),
        format!("\n\\redis://:{MARKER}@redis"),
    ]
    .into_iter()
    .map(Value::from)
    .collect();
    let wrapped: Vec<Value> =
        addresses.iter().flat_map(|address| [json!([address]), json!({ "url": address })]).collect();
    assert!(try_everywhere(&addresses, |_| true) > 500);
    assert!(try_everywhere(&wrapped, |_| true) > 500);
}

#[test]
fn where_secrets_belong_no_value_is_shown() {
    let values = [
        json!(MARKER),
        json!(format!(" {MARKER}\t")),
        json!(format!("a\n{MARKER}")),
        json!(format!("Bearer {MARKER}")),
        json!(format!("Authorization: Bearer {MARKER}")),
        json!(format!("sessionid={MARKER}; path=/")),
        json!([MARKER]),
        json!([[MARKER]]),
        json!({ "value": MARKER }),
        json!({ "environment_variable": MARKER }),
        json!({ "environment_variable": { "value": MARKER } }),
    ];
    let secret = |at: &str| {
        at.is_empty()
            || ["/store", "/client", "/exempt"].contains(&at)
            || at.starts_with("/store/redis")
            || at == "/client/credential"
            || at.starts_with("/client/credential/from")
            || ["/header", "/query", "/cookie"].iter().any(|kind| at.contains(kind))
    };
    let everything = everything();
    let mut found = Vec::new();
    places(&everything, "", &mut found);
    for at in found.iter().filter(|at| secret(at)) {
        for value in &values {
            let mut document = everything.clone();
            *document.pointer_mut(at).expect("a place") = value.clone();
            assert_not_shown(&document, at);
        }
        // Numbers are secrets of a kind, too.
        let mut document = everything.clone();
        *document.pointer_mut(at).expect("a place") = json!(481_516.5);
        let error = Config::parse(document.to_string().as_bytes()).expect_err(at).to_string();
        assert!(!error.contains("481516"), "{error}");
    }
}

#[test]
fn what_stands_in_the_environment_is_not_shown() {
    let bad: [&[u8]; 4] =
        [MARKER.as_bytes(), b"hunter2 hunter2 hunter2 hunter2 hunter2\xff", b"hunter2\0", b"\nhunter2\n"];
    for value in bad {
        for field in ["secret", "username", "password"] {
            let mut document = everything();
            document["store"]["redis"][field] = json!({ "environment_variable": "IT" });
            let config = Config::parse_with(document.to_string().as_bytes(), &|name| {
                assert_eq!(name, "IT", "nobody has asked for another");
                Some(value.to_vec())
            });
            if let Err(error) = config {
                let error = error.to_string();
                let at = format!("store.redis.{field}.environment_variable: `IT` ");
                assert!(error.starts_with(&at) && !error.contains(MARKER), "{error}");
            }
        }
    }
}

/// Where nothing is confidential, there is nothing to hide.
#[test]
fn other_fields_take_nothing_from_the_environment() {
    for field in ["cluster", "url", "ca", "prefix", "timeout", "on_failure"] {
        let mut document = everything();
        document["store"]["redis"][field] = json!({ "environment_variable": "IT" });
        let config = Config::parse_with(document.to_string().as_bytes(), &|_| Some(SECRET.into()));
        let error = config.expect_err(field).to_string();
        assert!(error.starts_with(&format!("store.redis.{field}: expected ")), "{error}");
    }
}

#[test]
fn names_that_go_on_with_a_value_end_before_it() {
    let refused =
        |document: Value| Config::parse(document.to_string().as_bytes()).expect_err("refused").to_string();
    let header = refused(json!({ "exempt": [{ "header": { "Authorization: Bearer hunter2": true } }] }));
    assert!(header.starts_with("exempt[0].header.Authorization:…: "), "{header}");
    let field = refused(json!({ "store": { "redis://:hunter2@redis": {} } }));
    assert!(field.starts_with("store.redis:…: unknown field"), "{field}");
    let line = refused(json!({ "a\nb": 1 }));
    assert!(line.starts_with("a\\nb: unknown field"), "{line}");
}

#[test]
fn what_is_no_json_is_not_shown() {
    let text = everything().to_string().replace("\"password\":\"p\"", &format!("\"password\":\"{MARKER}\""));
    assert!(text.contains(MARKER));
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        for rest in ["", "?", "\u{1}", "\"", "\\x", "}", "hunter2", "nul"] {
            let broken = format!("{}{rest}", &text[..end]);
            if let Err(error) = Config::parse(broken.as_bytes()) {
                assert!(!error.to_string().contains(MARKER), "{error}");
            }
        }
    }
    let twice = format!(r#"{{ "redis://:{MARKER}@redis": 1, "redis://:{MARKER}@redis": 2 }}"#);
    let error = Config::parse(twice.as_bytes()).expect_err("twice").to_string();
    assert!(error.contains("given twice") && !error.contains(MARKER), "{error}");
}

#[test]
fn a_cluster_is_no_address() {
    for cluster in ["redis://:hunter2@redis", "rediss://redis:6379", "tollgate:hunter2@redis:6379"] {
        let document = json!({ "store": { "redis": { "cluster": cluster, "secret": SECRET } } });
        let error = Config::parse(document.to_string().as_bytes()).expect_err(cluster).to_string();
        assert_eq!(
            error,
            "store.redis.cluster: expected the name of a cluster in the proxy's configuration, not an address"
        );
    }
    // As Istio names them.
    let document = json!({ "store": { "redis": { "cluster": "outbound|6379||redis.db.svc.cluster.local", "secret": SECRET } } });
    assert!(Config::parse(document.to_string().as_bytes()).is_ok());
}

#[test]
fn a_policy_does_not_show_its_secrets() {
    let document = json!({ "store": { "redis": { "cluster": "c", "secret": SECRET, "password": MARKER } } });
    let config = Config::parse(document.to_string().as_bytes()).expect("good");
    let shown = format!("{config:?}");
    assert!(!shown.contains(MARKER) && !shown.contains(SECRET), "{shown}");
    assert!(shown.contains("Some(Login { username: None, .. })") && shown.contains("Secret(…)"), "{shown}");
    assert_ne!(Secret::of_text(SECRET), Secret::of_text("0123456789abcdef0123456789abcdeg"));
}
