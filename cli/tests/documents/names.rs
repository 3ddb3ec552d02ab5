//! Names of what stands in requests.

use serde_json::Value;

use super::random::{Random, some};

pub(super) fn header_name(random: &mut Random) -> Value {
    some(
        random,
        &["x-api-key", "X-Api-Key", "Host", "content-type", "a", "accept"],
        &["", "a b", "a:", ":path", "é"],
    )
}

pub(super) fn cookie_name(random: &mut Random) -> Value {
    some(random, &["sid", "a b", "é", "A", "a\"b"], &["", " a", "a ", "a=b", "a;", "a\tb", "\u{7f}"])
}

pub(super) fn parameter_name(random: &mut Random) -> Value {
    some(random, &["a", "ids_only", " ", "é", "a=b", "A"], &[""])
}
