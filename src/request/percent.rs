//! Percent-encoding (RFC 3986, 2.1), read once: what comes out is not read again.

use std::borrow::Cow;

/// The text, decoded; as it is if nothing in it is encoded.
pub(crate) fn text(text: &[u8]) -> Cow<'_, [u8]> {
    if text.contains(&b'%') { Cow::Owned(decode(text).collect()) } else { Cow::Borrowed(text) }
}

/// The same for a query's names and values.
pub(super) fn form_text(text: &[u8]) -> Cow<'_, [u8]> {
    let encoded = text.iter().any(|byte| matches!(byte, b'%' | b'+'));
    if encoded { Cow::Owned(decode_form(text).collect()) } else { Cow::Borrowed(text) }
}

/// The bytes that `text` stands for. A `%` without two hexadecimal digits stands for itself.
pub(crate) fn decode(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    decode_except(text, |_| false)
}

/// The same for a query's names and values (WHATWG form encoding): `+` stands for a space.
pub(super) fn decode_form(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    Decode { text, plus_is_space: true, keep: |_| false }
}

/// The same, but what would become a byte that `keep` names stays as it is.
pub(super) fn decode_except(text: &[u8], keep: fn(u8) -> bool) -> impl Iterator<Item = u8> + '_ {
    Decode { text, plus_is_space: false, keep }
}

struct Decode<'a> {
    text: &'a [u8],
    plus_is_space: bool,
    keep: fn(u8) -> bool,
}

impl Iterator for Decode<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.text.split_first()?;
        self.text = rest;
        match (byte, rest) {
            (b'%', [high, low, after @ ..]) => {
                let decoded = hex(*high).zip(hex(*low)).map(|(high, low)| 16 * high + low);
                match decoded.filter(|decoded| !(self.keep)(*decoded)) {
                    Some(decoded) => {
                        self.text = after;
                        Some(decoded)
                    }
                    None => Some(byte),
                }
            }
            (b'+', _) if self.plus_is_space => Some(b' '),
            _ => Some(byte),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.text.len().div_ceil(3), Some(self.text.len()))
    }
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoded_once_and_never_refused() {
        for (text, decoded) in [
            ("plain", "plain"),
            ("%41%6a%6A", "Ajj"),
            ("a%2Fb", "a/b"),
            ("%252F", "%2F"),
            ("%", "%"),
            ("%4", "%4"),
            ("%zz%4g", "%zz%4g"),
            ("%%41", "%A"),
            ("a+b", "a+b"),
        ] {
            assert_eq!(decode(text.as_bytes()).collect::<Vec<_>>(), decoded.as_bytes(), "{text}");
        }
        assert_eq!(decode(b"%00%ff").collect::<Vec<_>>(), [0, 0xff]);
        for text in ["", "plain", "%61%62%63", "%61b%", "%%%"] {
            let (least, most) = decode(text.as_bytes()).size_hint();
            assert_eq!(most, Some(text.len()));
            assert!((least..=text.len()).contains(&decode(text.as_bytes()).count()), "{text}");
        }
        assert_eq!(decode(b"%61%62%63").size_hint().0, 3);
        assert_eq!(decode_form(b"a+b%2Bc").collect::<Vec<_>>(), b"a b+c");
        assert_eq!(decode_except(b"%61%2f%5C", |byte| byte == b'/').collect::<Vec<_>>(), b"a%2f\\");
    }
}
