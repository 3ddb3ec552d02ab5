//! Random policies: most of them right, some with a mistake that people make, some with anything at all.

mod client;
mod mutation;
mod names;
mod random;
mod requests;
mod scopes;
mod store;

use serde_json::{Value, json};

pub(crate) use mutation::mutate;
pub(crate) use random::Random;
use random::{number, object, some};
use requests::matched;

/// A policy.
pub(crate) fn policy(random: &mut Random) -> Value {
    let mut policy = any_policy(random);
    if policy.get("request").is_some() && !random.one_in(3) {
        policy["client"] = json!({ "credential": { "trust": "any" } });
        if random.one_in(4) {
            policy["response"] =
                json!({ "status": 403, "body": { "text": random.text(&["a", " a", "no\nmore"]) } });
        }
    }
    policy
}

fn any_policy(random: &mut Random) -> Value {
    object(
        random,
        &[
            ("$schema", 1, |random| random.text(&["policy.schema.json", ""])),
            ("client", 5, client::client),
            ("exempt", 3, |random| {
                let count = random.below(3);
                (0..count).map(|_| matched(random, 2)).collect()
            }),
            ("scopes", 8, scopes::scopes),
            ("request", 2, |random| {
                object(
                    random,
                    &[("from", 9, |random| {
                        some(random, &["direct", "direct", "forwarded", "ext_authz"], &["nginx"])
                    })],
                )
            }),
            ("response", 3, response),
            ("store", 3, store::store),
            ("mode", 2, mode),
        ],
    )
}

fn mode(random: &mut Random) -> Value {
    some(random, &["enforce", "shadow", "off"], &["on", ""])
}

fn response(random: &mut Random) -> Value {
    object(
        random,
        &[
            ("status", 5, |random| number(random, &[429, 403, 400, 599, 403], &[399, 600, 0])),
            ("body", 6, |random| match random.below(6) {
                0..3 => some(random, &["drf", "problem"], &["html"]),
                3 => json!({ "text": random.text(&["", "no\nmore", " a", "a"]) }),
                4 => {
                    json!({ "text": "a", "content_type": some(random, &["text/html; charset=utf-8", "/"], &["", "text", "a/b\r\n", "é/a"]) })
                }
                _ if random.one_in(3) => json!({ "content_type": "text/html" }),
                _ => json!({ "text": "x".repeat(2_049) }),
            }),
            ("ratelimit_headers", 4, |random| some(random, &["off", "draft", "x-ratelimit"], &["on"])),
        ],
    )
}
