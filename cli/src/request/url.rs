//! A URL as a client takes it apart, or the target alone.

use super::is_of_token;
use crate::tell;

/// What a client asks of which host, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// Empty if the text does not say it.
    pub(crate) host: Vec<u8>,
    /// Path and query.
    pub(crate) target: Vec<u8>,
    /// Name and password, as in `http://name:password@host/`.
    pub(crate) user: Option<Vec<u8>>,
}

impl Url {
    /// Reads `https://host/path?query`, `host/path?query` as curl does, or `/path?query`, which is sent as it is.
    ///
    /// # Errors
    /// If no client could send it; in words.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let shown = || tell::bytes(text);
        if text.is_empty() {
            return Err("there is no URL".to_owned());
        }
        if text.iter().any(|byte| byte.is_ascii_control() || *byte == b' ') {
            return Err(format!(
                "`{}` has a space or a control character in it; write it as %20, for instance",
                shown()
            ));
        }
        if text.starts_with(b"/") || text == b"*" {
            return Ok(Self { host: Vec::new(), target: text.to_vec(), user: None });
        }
        let scheme = text
            .windows(3)
            .position(|part| part == b"://")
            .filter(|end| text[..*end].iter().all(|byte| is_of_token(*byte)));
        let rest = match scheme {
            Some(end) => {
                let scheme = text[..end].to_ascii_lowercase();
                if !matches!(scheme.as_slice(), b"http" | b"https" | b"ws" | b"wss") {
                    return Err(format!("`{}` is no URL of HTTP", shown()));
                }
                &text[end + 3..]
            }
            None => text,
        };
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(end);
        let at = authority.iter().rposition(|byte| *byte == b'@');
        let (user, host) = match at {
            Some(at) => (Some(decoded(&authority[..at])), &authority[at + 1..]),
            None => (None, authority),
        };
        if host.is_empty() {
            return Err(format!("`{}` names no host; a path starts with `/`", shown()));
        }
        // No client sends the fragment.
        let sent = behind.split(|byte| *byte == b'#').next().unwrap_or_default();
        let target = if sent.starts_with(b"/") { sent.to_vec() } else { [b"/", sent].concat() };
        Ok(Self { host: host.to_vec(), target, user })
    }
}

/// Percent-decoded, as clients do with a name and a password.
fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| {
        byte.and_then(|byte| char::from(*byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok())
    };
    let mut plain = Vec::with_capacity(text.len());
    let mut index = 0;
    while let Some(byte) = text.get(index) {
        match (*byte, digit(text.get(index + 1)), digit(text.get(index + 2))) {
            (b'%', Some(high), Some(low)) => {
                plain.push(high << 4 | low);
                index += 3;
            }
            (byte, ..) => {
                plain.push(byte);
                index += 1;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, host, target, user) in [
            ("/a?b=1#c", "", "/a?b=1#c", None),
            ("*", "", "*", None),
            ("https://a.test/b?c#d", "a.test", "/b?c", None),
            ("HTTP://[::1]:80", "[::1]:80", "/", None),
            ("http://a.test?b", "a.test", "/?b", None),
            ("a.test/b", "a.test", "/b", None),
            ("http://u%40x:p@a.test/", "a.test", "/", Some("u@x:p")),
            ("http://a.test/b@c", "a.test", "/b@c", None),
        ] {
            let url = Url::parse(text.as_bytes()).expect(text);
            let user = user.map(|user: &str| user.as_bytes().to_vec());
            assert_eq!(url, Url { host: host.into(), target: target.into(), user }, "{text}");
        }
        for text in ["", "?a", "http://", "ftp://a/b", "/a b", "http:///a", "#"] {
            assert!(Url::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
