//! One path, however it is spelt.

use std::borrow::Cow;

use super::percent;

/// How a path may be read where servers differ.
#[derive(Clone, Copy, Debug)]
struct Rules {
    /// An encoded slash is a character of its segment, as for servers that route before they decode (Go,
    /// Express); else it separates segments, as for those that decode first (Django, PHP).
    slash_belongs: bool,
    /// Between two slashes stands a segment, which `..` can remove, as in RFC 3986 and for Envoy; else slashes
    /// are merged first, as by nginx and Go.
    empty_counts: bool,
}

/// The normal forms of a path, one for each way to read it that makes a difference: percent-decoded once, `\`
/// taken as `/`, slashes merged, dot-segments resolved (none climbs above the root), without a trailing slash.
/// A form starts with `/`, and the root's is empty: `""`, `"/jobs"`, `"/jobs/7"`. An encoded slash that belongs to
/// its segment stays encoded.
pub(super) fn readings(raw: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let raw = trim_slashes(raw);
    if is_normal(raw) {
        return vec![Cow::Borrowed(raw)];
    }
    let mut readings: Vec<Cow<[u8]>> = Vec::with_capacity(1);
    for (slash_belongs, empty_counts) in [(false, false), (false, true), (true, false), (true, true)] {
        let reading = normal_form(raw, Rules { slash_belongs, empty_counts });
        if !readings.iter().any(|known| **known == reading) {
            readings.push(Cow::Owned(reading));
        }
    }
    readings
}

fn normal_form(raw: &[u8], rules: Rules) -> Vec<u8> {
    let keep: fn(u8) -> bool = if rules.slash_belongs { is_separator } else { |_| false };
    let decoded: Vec<u8> = percent::decode_except(raw, keep).collect();
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in decoded.split(|byte| is_separator(*byte)).skip(usize::from(raw.starts_with(b"/"))) {
        match segment {
            b"." => {}
            b".." => drop(segments.pop()),
            b"" if !rules.empty_counts => {}
            segment => segments.push(segment),
        }
    }
    let mut normal = Vec::with_capacity(decoded.len() + 1);
    for segment in segments.into_iter().filter(|segment| !segment.is_empty()) {
        normal.push(b'/');
        normal.extend_from_slice(segment);
    }
    normal
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

    fn read(raw: &str) -> Vec<String> {
        readings(raw.as_bytes()).iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect()
    }

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
            "\\api\\v2\\jobs",
        ] {
            assert_eq!(read(raw), ["/api/v2/jobs"], "{raw}");
        }
    }

    #[test]
    fn where_servers_differ_there_are_several() {
        for (raw, expected) in [
            ("/a%2Fb/c", vec!["/a/b/c", "/a%2Fb/c"]),
            ("/a%5cb", vec!["/a/b", "/a%5cb"]),
            ("/x/..%2fy", vec!["/y", "/x/..%2fy"]),
            ("/a//../b", vec!["/b", "/a/b"]),
            ("/a/%2f../b", vec!["/b", "/a/b", "/a/%2f../b"]),
            ("/a//b/..", vec!["/a"]),
            ("/a%2fb//../c", vec!["/a/c", "/a/b/c", "/c", "/a%2fb/c"]),
        ] {
            assert_eq!(read(raw), expected, "{raw}");
        }
    }

    #[test]
    fn the_root_is_empty() {
        for raw in ["", "/", "//", "/.", "/..", "/a/.."] {
            assert_eq!(read(raw), [""], "{raw}");
        }
    }
}
