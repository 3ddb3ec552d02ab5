//! Random policies: most of them right, some with a mistake that people make, some with anything at all.

mod mutation;
mod requests;

pub(crate) use mutation::mutate;
use requests::matched;
use serde_json::{Map, Value, json};

/// Numbers that are the same for the same seed (`SplitMix64`).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xd1b5_4a32_d192_ed03)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// A number below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count.max(1) as u64).unwrap_or(0)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }

    /// One of these as a text.
    fn text(&mut self, texts: &[&str]) -> Value {
        self.pick(texts).into()
    }
}

/// Of the texts, those behind `|` are wrong, and rarely taken.
fn some(random: &mut Random, right: &[&str], wrong: &[&str]) -> Value {
    if !wrong.is_empty() && random.one_in(40) { random.text(wrong) } else { random.text(right) }
}

/// One of these, or the name of a variable.
fn confidential(random: &mut Random, right: &[&str], wrong: &[&str]) -> Value {
    if !random.one_in(4) {
        return some(random, right, wrong);
    }
    object(
        random,
        &[("environment_variable", 10, |random| {
            some(random, &["TOLLGATE_SECRET", "_", "A1"], &["", "1A", "secret", "A-B"])
        })],
    )
}

fn one_or_more(random: &mut Random, mut make: impl FnMut(&mut Random) -> Value) -> Value {
    match random.below(12) {
        0..6 => make(random),
        6..9 => json!([make(random)]),
        9..11 => json!([make(random), make(random)]),
        _ if random.one_in(4) => json!([]),
        _ => json!([make(random), make(random), make(random)]),
    }
}

type Make = fn(&mut Random) -> Value;

/// An object with some of these fields, each with this chance in ten.
fn object(random: &mut Random, fields: &[(&str, usize, Make)]) -> Value {
    let mut object = Map::new();
    for (name, chance, make) in fields {
        if random.below(10) < *chance {
            object.insert((*name).to_owned(), make(random));
        }
    }
    Value::Object(object)
}

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
            ("client", 5, client),
            ("exempt", 3, |random| {
                let count = random.below(3);
                (0..count).map(|_| matched(random, 2)).collect()
            }),
            ("scopes", 8, scopes),
            ("request", 2, |random| {
                object(
                    random,
                    &[("from", 9, |random| {
                        some(random, &["direct", "direct", "forwarded", "ext_authz"], &["nginx"])
                    })],
                )
            }),
            ("response", 3, response),
            ("store", 3, store),
            ("mode", 2, mode),
        ],
    )
}

fn mode(random: &mut Random) -> Value {
    some(random, &["enforce", "shadow", "off"], &["on", ""])
}

fn scopes(random: &mut Random) -> Value {
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

fn number(random: &mut Random, right: &[u64], wrong: &[u64]) -> Value {
    match random.below(60) {
        0 => wrong[random.below(wrong.len())].into(),
        1 if random.one_in(2) => json!(1.5),
        1 => json!(1e300),
        2 => json!(f64::from(u32::try_from(right[random.below(right.len())]).unwrap_or(1))),
        3 if random.one_in(3) => json!(-1),
        _ => right[random.below(right.len())].into(),
    }
}

fn header_name(random: &mut Random) -> Value {
    some(
        random,
        &["x-api-key", "X-Api-Key", "Host", "content-type", "a", "accept"],
        &["", "a b", "a:", ":path", "é"],
    )
}

fn cookie_name(random: &mut Random) -> Value {
    some(random, &["sid", "a b", "é", "A", "a\"b"], &["", " a", "a ", "a=b", "a;", "a\tb", "\u{7f}"])
}

fn parameter_name(random: &mut Random) -> Value {
    some(random, &["a", "ids_only", " ", "é", "a=b", "A"], &[""])
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

fn client(random: &mut Random) -> Value {
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

fn store(random: &mut Random) -> Value {
    object(
        random,
        &[
            ("name", 3, |random| some(random, &["inner", "A-b_c.1"], &["", "a b", "é", "a/b"])),
            ("capacity", 5, |random| number(random, &[64, 65_536, 16_777_216], &[63, 16_777_217])),
            ("redis", 5, |random| {
                if random.one_in(10) {
                    return Value::Null;
                }
                object(
                    random,
                    &[
                        ("cluster", 9, |random| {
                            some(random, &["tollgate_redis", "é", " "], &["", "redis://h", "a@b"])
                        }),
                        ("url", 2, |random| {
                            if random.one_in(8) {
                                return random.text(&["redis://h:0", "redis-cluster://a,,b"]);
                            }
                            some(
                                random,
                                &[
                                    "redis://h",
                                    "rediss://h:1/2",
                                    "rediss://h",
                                    "redis-sentinel://a,b:1/m",
                                    "redis-cluster://a,b",
                                ],
                                &["redis://u@h", "redis://a,b", "h:1", "redis://h/x", "redis-sentinel://h"],
                            )
                        }),
                        ("ca", 2, |random| some(random, &["/etc/ca.pem"], &["ca.pem", ""])),
                        ("secret", 10, |random| {
                            confidential(
                                random,
                                &["0123456789abcdef0123456789abcdef", "éééééééééééééééééééééééééééééééé"],
                                &["short", ""],
                            )
                        }),
                        ("prefix", 3, |random| {
                            some(random, &["tollgate:", "{t}:", "a@b"], &["", "redis://h"])
                        }),
                        ("timeout", 3, |random| {
                            if random.one_in(8) {
                                return random.text(&["9ms", "11s"]);
                            }
                            some(random, &["250ms", "10ms", "10s", "010s"], &["1m", "1.5s"])
                        }),
                        ("on_failure", 3, |random| some(random, &["local", "allow", "deny"], &["open"])),
                        ("password", 4, |random| confidential(random, &["secret", " "], &[""])),
                        ("username", 2, |random| confidential(random, &["u"], &[""])),
                    ],
                )
            }),
        ],
    )
}
