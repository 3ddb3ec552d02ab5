//! In which charset a request's parameters stand.

/// Names of UTF-8, ASCII and Latin-1 without the `-`, `_`, `.`, `:` and spaces in them. (Of the IANA's names and of Python's,
/// by which Django looks a charset up.)
const KNOWN: [&str; 14] = [
    "utf8",
    "u8",
    "cp65001",
    "ascii",
    "usascii",
    "646",
    "iso646us",
    "ansix341968",
    "iso88591",
    "88591",
    "latin1",
    "latin",
    "l1",
    "cp819",
];

/// The longest `Content-Type` that is looked into, in bytes.
const LONGEST: usize = 256;

/// Whether this `Content-Type` names a charset in which a parameter may be something else than what its bytes say. Django
/// decodes the query by it: in UTF-7 `+AGk-ds` is `ids`.
pub(super) fn is_strange(content_type: &[u8]) -> bool {
    const NAME: &[u8] = b"charset";
    if content_type.len() > LONGEST {
        return true;
    }
    // Most have no parameter at all.
    if memchr::memchr(b'=', content_type).is_none() {
        return false;
    }
    let mut rest = content_type;
    // Most have no `charset`, so first one letter is looked at.
    let is_name = |name: &[u8]| matches!(name[0], b'c' | b'C') && name.eq_ignore_ascii_case(NAME);
    while let Some(start) = rest.windows(NAME.len()).position(is_name) {
        rest = &rest[start + NAME.len()..];
        // `charset*` too (RFC 2231). Anything else before the `=` makes another name of it.
        let behind = rest.trim_ascii_start();
        let behind = behind.strip_prefix(b"*").unwrap_or(behind).trim_ascii_start();
        let Some(value) = behind.strip_prefix(b"=") else { continue };
        let end = value.iter().position(|byte| matches!(byte, b';' | b',')).unwrap_or(value.len());
        if !is_known(&value[..end]) {
            return true;
        }
    }
    false
}

fn is_known(charset: &[u8]) -> bool {
    let is_of_name = |byte: &u8| !matches!(byte, b'-' | b'_' | b'.' | b':' | b' ' | b'\t' | b'"' | b'\'');
    let name = || charset.iter().copied().filter(is_of_name).map(|byte| byte.to_ascii_lowercase());
    KNOWN.iter().any(|known| name().eq(known.bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charset_is_known_by_any_of_its_names() {
        for content_type in [
            "",
            "application/json",
            "text/plain; charset=utf-8",
            "text/plain;charset=UTF8",
            "text/plain; Charset = \"Utf-8\" ; a=b",
            "text/plain; charset='utf_8'",
            "text/plain; charset=us-ascii",
            "text/plain; charset=ISO-8859-1",
            "text/plain; charset=iso_8859-1",
            "text/plain; charset=latin-1",
            "text/plain; charset=utf-8, text/plain; charset=utf-8",
            "text/plain; mycharset",
            "text/plain; charsets=utf-7",
        ] {
            assert!(!is_strange(content_type.as_bytes()), "{content_type}");
        }
        for content_type in [
            "text/plain; charset=utf-7",
            "text/plain;CHARSET=UTF-7",
            "text/plain; charset = \"utf-7\"",
            "text/plain; charset=utf-8; charset=utf-7",
            "text/plain; charset=utf-7; charset=utf-8",
            "text/plain; charset=utf-8, text/plain; charset=utf-7",
            "text/plain; charset*=utf-8''utf-7",
            "text/plain; charset *= utf-7",
            "text/plain; charset=utf-16",
            "text/plain; charset=utf-8-sig",
            "text/plain; charset=cp037",
            "text/plain; charset=iso-8859-15",
            "text/plain; charset=",
            "charset=idna",
            "a=\";\"; charset=utf-7",
            &" ".repeat(LONGEST + 1),
        ] {
            assert!(is_strange(content_type.as_bytes()), "{content_type}");
        }
    }
}
