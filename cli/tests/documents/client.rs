//! Who a client is.

use serde_json::{Map, Value, json};

use super::matched;
use super::names::{cookie_name, header_name};
use super::random::{Make, Random, number, object, one_or_more, some};

pub(super) fn client(random: &mut Random) -> Value {
    object(
        random,
        &[
            ("address", 3, |random| {
                object(
                    random,
                    &[
                        ("ipv4_prefix", 5, |random| number(random, &[1, 24, 32], &[0, 33])),
                        ("ipv6_prefix", 5, |random| number(random, &[1, 64, 128], &[0, 129])),
                    ],
                )
            }),
            ("credential", 7, credential),
            ("bots", 2, |random| {
                let mut bots = Map::new();
                for _ in 0..random.below(3) {
                    let family = random.pick(&["acme", "other", "A b", "é"]);
                    let family = if random.one_in(20) { random.pick(&["", "a\n"]) } else { family };
                    let names: Make = |random| {
                        some(
                            random,
                            &["AcmeCrawler", "Acme Preview/1.0", "abc", "x-y"],
                            &["", "ab", "-abc", "abc ", "a\tb", "éab", "aéb"],
                        )
                    };
                    bots.insert(family.to_owned(), one_or_more(random, names));
                }
                Value::Object(bots)
            }),
        ],
    )
}

fn credential(random: &mut Random) -> Value {
    let mut credential = object(
        random,
        &[
            ("from", 5, |random| {
                let count = random.below(3);
                (0..count).map(|_| source(random)).collect()
            }),
            ("trust", 3, |random| some(random, &["upstream", "any", "any"], &["none"])),
        ],
    );
    let trusts_any = credential.get("trust").is_some_and(|trust| trust == "any");
    if !trusts_any || random.one_in(8) {
        let more = object(
            random,
            &[
                ("trust_for", 3, |random| {
                    some(random, &["1h", "31d", "90s", "d"], &["", "0s", "32d", "1w", "1.5h"])
                }),
                ("proof", 4, |random| matched(random, 1)),
                ("new_per_address", 3, |random| some(random, &["300/min", "1/s"], &["0/min", "x", "1/0s"])),
            ],
        );
        for (name, value) in more.as_object().into_iter().flatten() {
            credential[name] = value.clone();
        }
    }
    credential
}

fn source(random: &mut Random) -> Value {
    let schemes: Make = |random| {
        one_or_more(random, |random| {
            some(
                random,
                &["Token", "Bearer", "bearer", "Basic", "digestive"],
                &["", "a b", "Digest", "OAUTH", "AWS4-HMAC-SHA256"],
            )
        })
    };
    match random.below(12) {
        0 => json!({ "cookie": cookie_name(random), "schemes": schemes(random) }),
        1 => json!({ "header": random.text(&["authorization", "Authorization"]) }),
        2 if random.one_in(3) => json!({ "header": "a", "cookie": "b" }),
        2 if random.one_in(2) => json!({}),
        2..5 => json!({ "cookie": cookie_name(random) }),
        5..8 => json!({ "header": header_name(random) }),
        8 => json!({ "header": header_name(random), "schemes": schemes(random) }),
        _ => {
            json!({ "header": random.text(&["authorization", "AUTHORIZATION"]), "schemes": schemes(random) })
        }
    }
}
