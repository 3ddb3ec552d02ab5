//! Claims of a verified token.

use serde_json::Value;

/// The claim at the end of a path in a token's payload, whose names have NUL between them. `None` if there is none.
///
/// The bytes are those that Envoy shows to a wasm filter: of a text the text, of a number its eight bytes as a double, of `true` and
/// `false` one byte, and of a list what is said at `pairs`. So a client is the same to both. What has names of its own comes as Envoy
/// shows it, too, but by name; there the order is Envoy's own.
#[must_use]
pub fn claim(payload: &[u8], path: &str) -> Option<Vec<u8>> {
    let payload: Value = serde_json::from_slice(payload).ok()?;
    bytes(path.split('\0').try_fold(&payload, |within, name| within.get(name))?)
}

/// `None` if there is nothing, here or within it.
fn bytes(claim: &Value) -> Option<Vec<u8>> {
    match claim {
        Value::Null => None,
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Bool(is_true) => Some(vec![u8::from(*is_true)]),
        Value::Number(number) => Some(number.as_f64()?.to_le_bytes().to_vec()),
        Value::Array(values) => {
            let values = values.iter().map(|value| Some((bytes(value)?, Vec::new())));
            pairs(&values.collect::<Option<Vec<_>>>()?)
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| Some((name.clone().into_bytes(), bytes(value)?)));
            let mut fields = fields.collect::<Option<Vec<_>>>()?;
            fields.sort();
            pairs(&fields)
        }
    }
}

/// As the wasm ABI writes pairs: how many, how long each part is, in four bytes each, and then the parts, with NUL behind each. A value of
/// a list is the first part of a pair, whose second is empty.
fn pairs(pairs: &[(Vec<u8>, Vec<u8>)]) -> Option<Vec<u8>> {
    let parts = || pairs.iter().flat_map(|(first, second)| [first, second]);
    let mut written = u32::try_from(pairs.len()).ok()?.to_le_bytes().to_vec();
    for part in parts() {
        written.extend(u32::try_from(part.len()).ok()?.to_le_bytes());
    }
    for part in parts() {
        written.extend_from_slice(part);
        written.push(0);
    }
    Some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &[u8] =
        br#"{"sub":"alice","account":7,"admin":true,"realm_access":{"client":"c","roles":["a","b"]},"a.b":"dot","none":null}"#;

    #[test]
    fn a_claim_is_found_by_its_path_and_by_nothing_else() {
        assert_eq!(claim(PAYLOAD, "sub"), Some(b"alice".to_vec()));
        assert_eq!(claim(PAYLOAD, "account"), Some(7_f64.to_le_bytes().to_vec()));
        assert_eq!(claim(PAYLOAD, "admin"), Some(vec![1]));
        assert_eq!(claim(PAYLOAD, "realm_access\0client"), Some(b"c".to_vec()));
        assert_eq!(claim(PAYLOAD, "a.b"), Some(b"dot".to_vec()));
        for path in ["", "Sub", "none", "a\0b", "realm_access.client", "sub\0x", "realm_access\0roles\x000"] {
            assert_eq!(claim(PAYLOAD, path), None, "{path:?}");
        }
        for payload in [&b""[..], b"-", b"[]", b"\"sub\"", b"{\"sub\":"] {
            assert_eq!(claim(payload, "sub"), None);
        }
    }

    fn of(claim: &str) -> Option<Vec<u8>> {
        super::claim(format!(r#"{{"c":{claim}}}"#).as_bytes(), "c")
    }

    #[test]
    fn a_list_comes_as_it_comes_to_a_filter() {
        assert_eq!(
            of(r#"["a","bc"]"#).as_deref(),
            Some(&b"\x02\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0a\0\0bc\0\0"[..])
        );
        assert_eq!(of("[true]").as_deref(), Some(&b"\x01\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0"[..]));
        assert_eq!(of("[]").as_deref(), Some(&b"\0\0\0\0"[..]));
        assert_eq!(of(r#"{"b":"2","a":"1"}"#), of(r#"{"a":"1","b":"2"}"#));
        assert_eq!(of(r#"{"a":"1"}"#).as_deref(), Some(&b"\x01\0\0\0\x01\0\0\0\x01\0\0\0a\x001\0"[..]));
        assert_eq!(of(r#"["a",null]"#), None);
        assert_eq!(of(r#"[{"a":null}]"#), None);
    }

    #[test]
    fn a_number_is_the_nearest_one_there_is() {
        assert_eq!(of("123456789.12345679"), Some(123_456_789.123_456_79_f64.to_le_bytes().to_vec()));
    }
}
