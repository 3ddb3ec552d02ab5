//! Scopes.

use serde_json::{Map, Value, json};

use super::names::{cookie_name, header_name, parameter_name};
use super::random::{Make, Random, number, object, one_or_more, some};
use super::{matched, mode};

pub(super) fn scopes(random: &mut Random) -> Value {
    let mut scopes = Map::new();
    for _ in 0..=random.below(3) {
        let name = random.pick(&["anon", "user", "a", "A-b_9", "worker", "login", "s1", "s2"]).to_owned();
        let name = if random.one_in(60) { random.pick(&["", "a b", "é", "a.b"]).to_owned() } else { name };
        let name = if random.one_in(200) { "x".repeat(65) } else { name };
        // Two names whose hashes meet.
        let name = if random.one_in(50) { collide(&mut scopes, random) } else { name };
        scopes.insert(name, scope(random));
    }
    if random.one_in(60) { json!({}) } else { Value::Object(scopes) }
}

/// Puts one of two scopes there that share a counter's name, and returns the other's.
fn collide(scopes: &mut Map<String, Value>, random: &mut Random) -> String {
    let mut first = scope(random);
    first["rate"] = "1/h".into();
    scopes.insert("scope-38827".to_owned(), first);
    "scope-64672".to_owned()
}

fn scope(random: &mut Random) -> Value {
    let mut scope = object(
        random,
        &[
            ("rate", 10, |random| one_or_more(random, rate)),
            ("key", 10, |random| one_or_more(random, |random| part(random, 2))),
            ("match", 5, |random| matched(random, 2)),
            ("count", 3, count),
            ("cost", 2, |random| number(random, &[1, 1, 2, 5, 20], &[0, 4_294_967_295, 4_294_967_296])),
            ("algorithm", 3, |random| some(random, &["sliding_window", "token_bucket"], &["bucket"])),
            ("mode", 2, mode),
        ],
    );
    if random.one_in(8) {
        scope["burst"] = number(random, &[1, 10, 4_294_967_295], &[0]);
        if !random.one_in(5) {
            scope["algorithm"] = "token_bucket".into();
        }
    }
    if random.one_in(20) {
        // A scope for gRPC alone.
        scope["match"] = json!({ "header": { "content-type": { "prefix": "application/grpc" } } });
    }
    scope
}

fn rate(random: &mut Random) -> Value {
    some(
        random,
        &[
            "60/min",
            "300/m",
            "5/s",
            "10/5m",
            "1000/d",
            "100/300s",
            "007/minutes",
            "4294967295/31d",
            "20/hours",
            "0/min",
        ],
        &[
            "60",
            "60/fortnight",
            "60/",
            "/min",
            "-1/min",
            "+1/min",
            "4294967296/s",
            "1/0s",
            "1/32d",
            "1/99999999999s",
            "1 /s",
            "1/S",
            "60/month",
            "1/s ",
        ],
    )
}

fn part(random: &mut Random, depth: usize) -> Value {
    match random.below(14) {
        0..4 => "address".into(),
        4..7 => "credential".into(),
        7 => some(random, &["bot", "global"], &["ip", ""]),
        8 => json!({ "header": header_name(random) }),
        9 => json!({ "query": parameter_name(random) }),
        10 => json!({ "cookie": cookie_name(random) }),
        11 => json!({ "jwt_claim": claim(random) }),
        12 if depth > 0 => json!({ "all": one_or_more(random, |random| part(random, depth - 1)) }),
        12 => json!({}),
        _ if random.one_in(4) => json!({ "header": "a", "query": "b" }),
        _ if random.one_in(3) => {
            json!({ "all": [ { "header": random.text(&["a", "A"]) }, { "header": "a" } ] })
        }
        _ => json!({ "header": random.text(&["a", "A"]) }),
    }
}

fn claim(random: &mut Random) -> Value {
    const WRONG: [&str; 4] = ["", "a\u{0}b", "a\u{85}", "a\n"];
    if random.one_in(2) {
        some(
            random,
            &["sub", "https://example.com/tenant", "é", "a:b.c"],
            &[&WRONG[..], &["a.b", "."]].concat(),
        )
    } else {
        one_or_more(random, |random| some(random, &["sub", "realm_access", "a.b", "."], &WRONG))
    }
}

fn count(random: &mut Random) -> Value {
    const FIELDS: [(&str, usize, Make); 2] = [
        ("status", 7, |random| one_or_more(random, status)),
        ("grpc", 5, |random| one_or_more(random, grpc)),
    ];
    match random.below(8) {
        0 => some(random, &["all"], &["none", ""]),
        1 => json!({ "not": object(random, &FIELDS) }),
        2 if random.one_in(4) => json!({ "not": object(random, &FIELDS), "status": 401 }),
        _ => object(random, &FIELDS),
    }
}

fn status(random: &mut Random) -> Value {
    if random.one_in(3) {
        some(
            random,
            &["4xx", "5xx", "1xx", "2xx"],
            &["6xx", "0xx", "4XX", "40x", "UNAUTHENTICATED", "ok", "401"],
        )
    } else {
        number(random, &[200, 401, 403, 429, 599, 101], &[100, 102, 199, 600, 0, 16, 17, 99])
    }
}

fn grpc(random: &mut Random) -> Value {
    if random.one_in(2) {
        some(random, &["UNAUTHENTICATED", "ok", "Not_Found"], &["NOPE", "", "A B", "401"])
    } else {
        number(random, &[0, 7, 16], &[17, 200, 401, 600])
    }
}
