//! Where counters are kept.

use serde_json::Value;

use super::random::{Random, number, object, some};

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

pub(super) fn store(random: &mut Random) -> Value {
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
