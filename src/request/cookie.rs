//! A cookie as frameworks find it, each in its own way.
//!
//! What ends a cookie, which white space is trimmed and which names are the same is the framework's affair: Python's `http.cookies` ends a
//! value at a space, Django trims Unicode's white space, PHP reads `my.id` as `my_id`. Whoever presents two cookies, one for the
//! gate and one for the application, would be whom he likes. So every place is found that *some* framework takes for the cookie;
//! one that not all of them read alike is unclear.

use memchr::memmem;

use super::percent;

/// So many places are looked at that may be one cookie.
pub(super) const MOST: usize = 16;

/// Browsers send no cookie that is longer (RFC 6265, 6.1).
const LONGEST: usize = 4096;

/// A place in a `Cookie` header that may be read as a certain cookie.
pub struct Candidate<'a> {
    /// Its value, as it stands there, without white space and quotes around it.
    pub value: &'a [u8],
    /// Whether every framework reads it so.
    pub is_clear: bool,
}

/// All places in one `Cookie` header that may be read as the cookie `name`. If it `is_rewritten`, a `!` may be any byte that is not
/// UTF-8.
pub(super) fn candidates<'a, 'n>(
    header: &'a [u8],
    name: &'n [u8],
    is_rewritten: bool,
) -> impl Iterator<Item = Candidate<'a>> + use<'a, 'n> {
    let is_of_name = move |byte: &u8| is_of_name(*byte) && !(is_rewritten && *byte == b'!');
    let by_name = memmem::find_iter(header, name).filter_map(move |start| {
        let before = &header[..start];
        let after = &header[start + name.len()..];
        let is_whole = before.last().is_none_or(|byte| !is_of_name(byte));
        let gap = after.iter().take_while(|byte| !is_of_name(byte) && !matches!(byte, b'=' | b';')).count();
        let behind = after.get(gap..).filter(|_| is_whole)?;
        let Some(value) = behind.strip_prefix(b"=") else {
            // A name without a value, for those who take that for an empty one.
            let ends = behind.first().is_none_or(|byte| *byte == b';');
            let begins = before
                .iter()
                .rfind(|byte| byte.is_ascii_graphic())
                .is_none_or(|byte| matches!(byte, b';' | b','));
            return (begins && ends).then_some(Candidate { value: b"", is_clear: false });
        };
        let begins_clearly = before.is_empty() || before.ends_with(b";") || before.ends_with(b"; ");
        let candidate = candidate(value, begins_clearly && gap == 0);
        let is_clear = candidate.is_clear && !(is_rewritten && candidate.value.contains(&b'!'));
        Some(Candidate { is_clear, ..candidate })
    });
    // As others spell it; the same bytes were found above.
    let by_other_spelling = header.split(|byte| *byte == b';').filter_map(move |pair| {
        let equals = memchr::memchr(b'=', pair)?;
        let key = trimmed(&pair[..equals]);
        (key != name && is_spelling(key, name)).then(|| candidate(&pair[equals + 1..], false))
    });
    by_name.chain(by_other_spelling)
}

/// The candidate whose value begins here.
fn candidate(from: &[u8], begins_clearly: bool) -> Candidate<'_> {
    let end = memchr::memchr(b';', from).unwrap_or(from.len());
    let value = &from[..end];
    let is_plain = || value.len() <= LONGEST && value.iter().all(|byte| is_of_value(*byte));
    Candidate { value: trimmed(value), is_clear: begins_clearly && is_plain() }
}

/// Whether PHP, or whoever decodes names, reads this name as the cookie's.
fn is_spelling(key: &[u8], name: &[u8]) -> bool {
    let folded = |byte| if matches!(byte, b'.' | b' ' | b'[') { b'_' } else { byte };
    let has_any = key.iter().any(|byte| matches!(byte, b'%' | b'.' | b' ' | b'['));
    has_any && percent::decode(key).map(folded).eq(name.iter().copied().map(folded))
}

fn trimmed(mut text: &[u8]) -> &[u8] {
    let is_cut = |byte: &u8| !byte.is_ascii_graphic() || *byte == b'"';
    while let [first, rest @ ..] = text
        && is_cut(first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_cut(last)
    {
        text = rest;
    }
    text
}

/// A `token` (RFC 9110, 5.6.2).
const fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// A `cookie-octet` (RFC 6265, 4.1.1).
const fn is_of_value(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(header: &[u8], name: &str) -> Vec<(String, bool)> {
        let candidates = candidates(header, name.as_bytes(), false);
        candidates.map(|found| (String::from_utf8_lossy(found.value).into_owned(), found.is_clear)).collect()
    }

    #[test]
    fn a_cookie_among_others_is_clear() {
        for header in [
            "sid=x",
            "a=1; sid=x",
            "a=1;sid=x;b=2",
            "a; sid=x; sid2=z",
            "my-sid=y; sid=x; x_sid=z",
            "a=\"b c\"; sid=x",
        ] {
            assert_eq!(found(header.as_bytes(), "sid"), [("x".to_owned(), true)], "{header}");
        }
        for header in ["", "a=1", "SID=x", "a=sid", "a=sid;", "xsid=1", "sidx=1", "sid x=1"] {
            assert_eq!(found(header.as_bytes(), "sid"), [], "{header}");
        }
        assert_eq!(found(b"sid=x; sid=", "sid"), [("x".to_owned(), true), (String::new(), true)]);
        for header in ["sid", "sid;x=1", "a=1; sid; b=2", " sid "] {
            assert_eq!(found(header.as_bytes(), "sid"), [(String::new(), false)], "{header}");
        }
        assert_eq!(found(b"sid=a%3Ab", "sid"), [("a%3Ab".to_owned(), true)]);
    }

    #[test]
    fn what_some_framework_reads_otherwise_is_unclear() {
        for header in [
            &b"sid =x"[..],
            b" sid=x",
            b"a=1;  sid=x",
            b"a=1 sid=x",
            b"a=1,sid=x",
            b"sid\xa0=x",
            b"a=1;\xc2\xa0sid=x",
            b"a=1;\x1fsid=x",
            b"sid= x",
            b"sid=x ; a=1",
            b"sid=\"x\"",
            b"sid=x\x00",
            b"sid=x\xa0",
            b"a=\"; y, sid=x",
        ] {
            assert_eq!(
                found(header, "sid"),
                [("x".to_owned(), false)],
                "{}",
                String::from_utf8_lossy(header)
            );
        }
        for (header, value) in
            [("sid=x y", "x y"), ("sid=x,y", "x,y"), ("sid=x\\y", "x\\y"), ("sid=\"x\\171\"", "x\\171")]
        {
            assert_eq!(found(header.as_bytes(), "sid"), [(value.to_owned(), false)], "{header}");
        }
        for header in ["my.sid=x", "my%5Fsid=x", "my%2esid=x", "a=1; my[sid=x", "my sid=x", "%6dy_sid=x"] {
            assert!(found(header.as_bytes(), "my_sid").contains(&("x".to_owned(), false)), "{header}");
        }
    }

    #[test]
    fn where_a_proxy_has_rewritten_bytes_a_mark_may_be_any() {
        for (header, is_clear) in
            [(&b"sid=x"[..], true), (b"sid=x!", false), (b"!sid=x", false), (b"a=!; sid=x", true)]
        {
            let clear: Vec<_> = candidates(header, b"sid", true).map(|found| found.is_clear).collect();
            assert_eq!(clear, [is_clear], "{}", String::from_utf8_lossy(header));
        }
        assert_eq!(found(b"sid=x!", "sid"), [("x!".to_owned(), true)]);
        assert_eq!(found(b"!sid=x", "sid"), []);
    }
}
