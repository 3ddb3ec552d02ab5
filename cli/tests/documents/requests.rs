//! Random matches.

use serde_json::{Map, Value, json};

use super::names::{cookie_name, header_name, parameter_name};
use super::random::{Make, Random, object, one_or_more, some};

pub(super) fn matched(random: &mut Random, depth: usize) -> Value {
    let mut matched = object(
        random,
        &[
            ("method", 3, |random| {
                one_or_more(random, |random| {
                    some(random, &["GET", "post", "M-SEARCH", "X_Y"], &["", "G T", "*", "M1", "é"])
                })
            }),
            ("path", 5, |random| one_or_more(random, path)),
            ("host", 1, |random| one_or_more(random, host)),
            ("query", 2, |random| tests(random, parameter_name, plain_text)),
            ("header", 2, |random| tests(random, header_name, header_text)),
            ("cookie", 1, |random| tests(random, cookie_name, plain_text)),
            ("client", 2, |random| {
                one_or_more(random, |random| {
                    some(random, &["anonymous", "authenticated", "bot"], &["user", ""])
                })
            }),
            ("address", 1, |random| one_or_more(random, network)),
        ],
    );
    if depth > 0 && random.one_in(6) {
        let count = random.below(3);
        matched["any"] = (0..count).map(|_| matched_below(random, depth)).collect();
    }
    if depth > 0 && random.one_in(6) {
        matched["not"] = matched_below(random, depth);
    }
    matched
}

fn matched_below(random: &mut Random, depth: usize) -> Value {
    matched(random, depth - 1)
}

fn path(random: &mut Random) -> Value {
    some(
        random,
        &[
            "/",
            "/a",
            "/api/**",
            "/jobs/*/result/",
            "/{a,b}/c",
            "/a*b",
            "/%7Bid%7D",
            "/é",
            "/a b",
            "//a//",
            "/v1/files:upload",
            "/..",
            "/a;b",
            "/{a,b}{c,d}*",
        ],
        &[
            "",
            "a",
            "/a?b",
            "/a#b",
            "/a**",
            "/{id}",
            "/:id",
            "/<id>",
            "/[0-9]",
            "/a|b",
            "/^a",
            "/a$",
            "/.*",
            "/{a",
            "/a}",
            "/{a,{b}}",
            "/\\a",
            "/**/..",
            "/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
            "/{,..}",
            "/{a,%2F}",
            "/{}",
        ],
    )
}

fn host(random: &mut Random) -> Value {
    some(
        random,
        &["example.com", "*.example.com", "a", "A_b-c.d.", "[::1]", "[2001:DB8::1]", "[::1].", "192.0.2.1"],
        &[
            "", "*", "*.", "a..b", "a:80", "http://a", "é.com", "[::1", "[1]", "[::1]:80", "*.[::1]",
            "a.*.b", "[:::]", ".",
        ],
    )
}

fn network(random: &mut Random) -> Value {
    some(
        random,
        &["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::1", "::/0", "64:ff9b:1::/48"],
        &[
            "",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/08",
            "::ffff:10.0.0.0/104",
            "a",
            "1.2.3",
            "::/129",
            "10.0.0.0/",
            "fe80::1%eth0",
            "1.2.3.4/1000",
        ],
    )
}

fn tests(random: &mut Random, name: Make, text: Make) -> Value {
    let mut tests = Map::new();
    let count = if random.one_in(30) { 0 } else { 1 + random.below(2) };
    for _ in 0..count {
        let name = name(random).as_str().unwrap_or_default().to_owned();
        tests.insert(name, test(random, text));
    }
    Value::Object(tests)
}

fn test(random: &mut Random, text: Make) -> Value {
    match random.below(12) {
        0 => true.into(),
        1 if random.one_in(3) => json!(false),
        1 => json!({ "present": true }),
        2 if random.one_in(3) => json!({ "present": false }),
        2 | 3 => json!({ "not": one_or_more(random, text) }),
        4 => json!({ "prefix": text(random) }),
        5 => json!({ "suffix": text(random) }),
        6 => json!({ "contains": text(random) }),
        7 if random.one_in(3) => json!({}),
        7 if random.one_in(2) => json!({ "prefix": "a", "suffix": "b" }),
        _ => one_or_more(random, text),
    }
}

fn plain_text(random: &mut Random) -> Value {
    random.text(&["", "a", " a ", "é", "a\n", "0", "false"])
}

fn header_text(random: &mut Random) -> Value {
    some(
        random,
        &["", "a", "a b", "é", "a\tb", "application/grpc", "\u{85}"],
        &[" a", "a ", "a\nb", "a\u{0}", "\ta", "a\t", "\u{7f}", " ", "a\u{b}"],
    )
}
