//! Claims of a verified token.

use serde_json::Value;

/// The claim at the end of a path in a token's payload, whose names have NUL between them. `None` if there is none.
///
/// The bytes are those that Envoy shows to a wasm filter: of a text the text, of a number its eight bytes as a double, of `true` and
/// `false` one byte. So a client is the same to both. A list, or what has names of its own, is its JSON.
#[must_use]
pub fn claim(payload: &[u8], path: &str) -> Option<Vec<u8>> {
    let payload: Value = serde_json::from_slice(payload).ok()?;
    let claim = path.split('\0').try_fold(&payload, |within, name| within.get(name))?;
    match claim {
        Value::Null => None,
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Bool(is_true) => Some(vec![u8::from(*is_true)]),
        Value::Number(number) => Some(number.as_f64()?.to_le_bytes().to_vec()),
        Value::Array(_) | Value::Object(_) => serde_json::to_vec(claim).ok(),
    }
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
        assert_eq!(claim(PAYLOAD, "realm_access\0roles"), Some(br#"["a","b"]"#.to_vec()));
        assert_eq!(claim(PAYLOAD, "a.b"), Some(b"dot".to_vec()));
        for path in ["", "Sub", "none", "a\0b", "realm_access.client", "sub\0x", "realm_access\0roles\x000"] {
            assert_eq!(claim(PAYLOAD, path), None, "{path:?}");
        }
        for payload in [&b""[..], b"-", b"[]", b"\"sub\"", b"{\"sub\":"] {
            assert_eq!(claim(payload, "sub"), None);
        }
    }
}
