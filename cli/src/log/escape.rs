//! How logs write what a client has sent: `\x22`, `\"`, `\u0022`.

use std::borrow::Cow;

/// The bytes that were sent. What is no escape stays as it is.
pub(crate) fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memchr(b'\\', text) {
        None => Cow::Borrowed(text),
        Some(first) => Cow::Owned(decoded(text, first)),
    }
}

fn decoded(text: &[u8], first: usize) -> Vec<u8> {
    let mut out = text[..first].to_vec();
    let mut rest = &text[first..];
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        match rest {
            [b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            [b'u', b'0', b'0', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                out.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            [known, after @ ..] if b"\"\\/nrtbfv".contains(known) => {
                out.push(match known {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'f' => 12,
                    b'v' => 11,
                    other => *other,
                });
                rest = after;
            }
            _ => out.push(b'\\'),
        }
    }
    out
}

/// The value of a hexadecimal digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        digit => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_sent() {
        for (text, sent) in [
            ("/a?b=c", "/a?b=c"),
            (r"/a\x22b\\c\u0009d", "/a\"b\\c\td"),
            (r#"\"a\""#, "\"a\""),
            (r"\q\x2\xzz\", r"\q\x2\xzz\"),
            (r"\u0122", r"\u0122"),
        ] {
            assert_eq!(unescaped(text.as_bytes()), sent.as_bytes(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_never_grows(text in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(unescaped(&text).len() <= text.len());
        }
    }
}
