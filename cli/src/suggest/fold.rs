//! Endpoints: paths in which numbers and ids are folded.

/// So many segments tell endpoints apart; what lies deeper is one.
const DEEPEST: usize = 8;

/// `/Jobs/17/log/?a=b` as `/jobs/*/log`.
pub(super) fn folded(target: &[u8]) -> String {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#' | b';')).unwrap_or(target.len());
    let mut path = String::with_capacity(end);
    let segments = target[..end].split(|byte| *byte == b'/').filter(|segment| !segment.is_empty());
    for (depth, segment) in segments.enumerate() {
        if depth == DEEPEST {
            path.push_str("/**");
            break;
        }
        path.push('/');
        path.push_str(&folded_segment(segment));
    }
    if path.is_empty() { "/".into() } else { path }
}

fn folded_segment(segment: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    let Some(text) =
        std::str::from_utf8(segment).ok().filter(|text| text.bytes().all(|byte| is_plain(&byte)))
    else {
        return "*".into();
    };
    let text = text.to_ascii_lowercase();
    match text.rsplit_once('.') {
        // A version, `v1.2`, has no such ending.
        Some((stem, ending)) if is_ending(ending) => {
            if is_id(stem) {
                format!("*.{ending}")
            } else {
                text
            }
        }
        _ if is_id(&text) => "*".into(),
        _ => text,
    }
}

fn is_ending(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Something of which there are many: a number, a UUID, a hash, a date.
fn is_id(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_version = text.len() <= 4 && text.starts_with('v');
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    !is_version && digits > 0 && (digits * 2 >= text.len() || is_hex && text.len() >= 8 || text.len() >= 20)
        || text.len() > 40
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_and_ids_are_folded() {
        for (target, path) in [
            ("/", "/"),
            ("", "/"),
            ("/Jobs/17/log/?a=b", "/jobs/*/log"),
            ("/api/v2/users/alice", "/api/v2/users/alice"),
            ("/u/550e8400-e29b-41d4-a716-446655440000", "/u/*"),
            ("/static/app.3f2a1b9c.js", "/static/app.3f2a1b9c.js"),
            ("/static/3f2a1b9c.js", "/static/*.js"),
            ("/c/deadbeef", "/c/deadbeef"),
            ("/c/deadbee1", "/c/*"),
            ("/2026-11-28/x", "/*/x"),
            ("/a%20b/{x}", "/*/*"),
            ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/**"),
        ] {
            assert_eq!(folded(target.as_bytes()), path, "{target}");
        }
    }

    proptest! {
        #[test]
        fn what_is_folded_is_a_pattern_that_a_policy_takes(target in proptest::collection::vec(any::<u8>(), 0..60)) {
            let path = folded(&target);
            let policy = serde_json::json!({ "scopes": { "x": { "rate": "1/s", "key": "address", "match": { "path": path } } } });
            let parsed = tollgate::config::Config::parse(policy.to_string().as_bytes());
            prop_assert!(parsed.is_ok(), "{}", parsed.unwrap_err());
        }
    }
}
