//! One path, however it is spelt.

use std::borrow::Cow;

use super::percent;

/// What an encoded slash stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EncodedSlash {
    /// A separator, as for servers that decode a path before they route it (Django, PHP).
    Separates,
    /// A character of its segment, as for servers that route first (Go, Express).
    Belongs,
}

/// The normal form of a path: percent-decoded once, `\` taken as `/`, repeated slashes merged, dot-segments
/// resolved (RFC 3986, 5.2.4; none climbs above the root), without a trailing slash. It starts with `/`, and
/// the root is empty: `""`, `"/jobs"`, `"/jobs/7"`. An encoded slash that belongs to its segment stays encoded.
pub(super) fn normalize(raw: &[u8], slash: EncodedSlash) -> Cow<'_, [u8]> {
    let raw = trim_slashes(raw);
    if is_normal(raw) {
        return Cow::Borrowed(raw);
    }
    let decoded: Vec<u8> = match slash {
        EncodedSlash::Separates => percent::decode(raw).collect(),
        EncodedSlash::Belongs => percent::decode_except(raw, is_separator).collect(),
    };
    let mut normal = Vec::with_capacity(decoded.len() + 1);
    for segment in decoded.split(|byte| is_separator(*byte)) {
        match segment {
            b"" | b"." => {}
            b".." => normal.truncate(normal.iter().rposition(|byte| *byte == b'/').unwrap_or(0)),
            segment => {
                normal.push(b'/');
                normal.extend_from_slice(segment);
            }
        }
    }
    Cow::Owned(normal)
}

/// Whether the two meanings of an encoded slash can differ.
pub(super) fn has_encoded_slash(raw: &[u8]) -> bool {
    raw.windows(3).any(|text| text.eq_ignore_ascii_case(b"%2f") || text.eq_ignore_ascii_case(b"%5c"))
}

fn trim_slashes(mut raw: &[u8]) -> &[u8] {
    while let Some(shorter) = raw.strip_suffix(b"/") {
        raw = shorter;
    }
    raw
}

const fn is_separator(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// Most paths are: then nothing is copied.
fn is_normal(raw: &[u8]) -> bool {
    let mut before = 0;
    for &byte in raw {
        if matches!(byte, b'%' | b'\\') || before == b'/' && matches!(byte, b'/' | b'.') {
            return false;
        }
        before = byte;
    }
    raw.first().is_none_or(|first| *first == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_has_one_normal_form() {
        for raw in [
            "/api/v2/jobs",
            "/api/v2/jobs/",
            "api/v2/jobs",
            "//api///v2/jobs//",
            "/api/./v2/jobs/.",
            "/api/v2/x/../jobs",
            "/../../api/v2/jobs",
            "/api/v2/%2e/jobs",
            "/api/v2/y/%2E%2e/jobs/",
            "/%61pi/v2/jobs",
            "/api%2Fv2/jobs",
            "/api%2f%2fv2%2Fjobs%2F",
            "\\api\\v2\\jobs",
            "/api%5Cv2/jobs",
            "/api/v2/z%2f..%2fjobs",
        ] {
            let normal = normalize(raw.as_bytes(), EncodedSlash::Separates);
            assert_eq!(&*normal, b"/api/v2/jobs", "{raw}");
        }
    }

    #[test]
    fn an_encoded_slash_may_belong_to_its_segment() {
        for (raw, separates, belongs) in [
            ("/a%2Fb/c", "/a/b/c", "/a%2Fb/c"),
            ("/x/..%2fy", "/y", "/x/..%2fy"),
            ("/x/a%5cb/../y", "/x/a/y", "/x/y"),
            ("/x/%2e%2e/y", "/y", "/y"),
        ] {
            assert!(has_encoded_slash(raw.as_bytes()) || separates == belongs);
            assert_eq!(&*normalize(raw.as_bytes(), EncodedSlash::Separates), separates.as_bytes(), "{raw}");
            assert_eq!(&*normalize(raw.as_bytes(), EncodedSlash::Belongs), belongs.as_bytes(), "{raw}");
        }
    }
}
