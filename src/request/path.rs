//! One path, in every way in which servers may read it.
//!
//! A server, or one server behind another, takes some of these steps: it decodes what is percent-encoded, once or twice;
//! drops bytes that are not UTF-8, or replaces them; cuts off what stands behind a NUL, and white space at the end; takes an
//! encoded slash, or a `\`, for a slash; drops path parameters (`;…`); resolves dot segments, before or after it merges
//! slashes. Each step that would change the path is taken and not taken. So a path in which there is nothing of the kind has
//! one reading, and one with a single such thing has two.

use super::{percent, utf8};

/// The longest path that is looked into, in bytes. (gunicorn takes a request line of 4,094 bytes, nginx and Apache of 8 KiB.)
const LONGEST: usize = 4096;
/// The most readings. Whoever has made a path that has more wants it to be misread.
const MOST: usize = 16;
/// The most bytes of all readings together.
const MOST_BYTES: usize = 8 * 1024;

/// What a path may be read as. A reading's segments are separated by `/`; empty ones mean nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Paths<'a> {
    /// This alone.
    One(&'a [u8]),
    /// Each of these.
    Several(Vec<Vec<u8>>),
    /// Anything: it is too long, or there are too many ways to read it.
    Anything,
}

/// The readings of a path as it was sent; `others` is the path as others take it from the target.
pub(super) fn readings<'a>(sent: &'a [u8], others: &[&'a [u8]]) -> Paths<'a> {
    if [sent].iter().chain(others).any(|path| path.len() > LONGEST) {
        return Paths::Anything;
    }
    let sent = without_slashes_behind(sent);
    if others.is_empty() && is_plain(sent) {
        return Paths::One(sent);
    }
    several(sent, others).map_or(Paths::Anything, Paths::Several)
}

/// Most paths are: then nothing is copied.
fn is_plain(path: &[u8]) -> bool {
    let mut before = 0;
    path.iter().all(|&byte| {
        let dots = byte == b'.' && before == b'/';
        before = byte;
        PLAIN[usize::from(byte)] && !dots
    })
}

/// Bytes that everybody reads as themselves.
const PLAIN: [bool; 256] = {
    let (mut plain, mut byte) = ([false; 256], 0_u8);
    while byte < 128 {
        plain[byte as usize] = byte.is_ascii_graphic() && !matches!(byte, b'%' | b'\\' | b';');
        byte += 1;
    }
    plain
};

/// A step that a server may take; `None` if it would change nothing.
type Step = fn(&[u8]) -> Option<Vec<u8>>;

const STEPS: [Step; 7] = [
    decoded_again,
    without_invalid_bytes,
    with_invalid_bytes_replaced,
    without_tail,
    with_slashes_decoded,
    with_backslashes_turned,
    without_parameters,
];

#[inline(never)]
fn several(sent: &[u8], others: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
    let all = || [sent].into_iter().chain(others.iter().copied());
    if all().any(|path| mixes(path, b';', b"%3b") || mixes(path, b'\\', b"%5c")) {
        return None;
    }
    let longest = all().map(<[u8]>::len).max().unwrap_or(0);
    let mut texts: Vec<Vec<u8>> = all().map(decoded).collect();
    for step in STEPS {
        let more: Vec<_> = texts.iter().filter_map(|text| step(text)).collect();
        texts.extend(more);
        if texts.len() > MOST || texts.len() * longest > MOST_BYTES {
            return None;
        }
    }
    // A proxy that resolves some dot segments in front of an application that resolves others is yet another reading.
    let dots = |text: &[u8]| segments(text).filter(|segment| is_dots(segment)).count();
    let mut counts = texts.iter().map(|text| dots(text)).chain(all().map(dots)).filter(|count| *count > 0);
    if counts.next().is_some_and(|first| counts.any(|other| other != first)) {
        return None;
    }
    let mut readings: Vec<Vec<u8>> = Vec::with_capacity(texts.len());
    let mut add = |reading: Vec<u8>| {
        if !readings.contains(&reading) {
            readings.push(reading);
        }
    };
    for text in texts {
        add(with_dots_resolved(&text, false));
        add(with_dots_resolved(&text, true));
        add(joined(segments(&text)));
    }
    (readings.len() <= MOST).then_some(readings)
}

/// Whether a byte stands there both as itself and percent-encoded (in lower case). A proxy that reads one in front of an
/// application that reads the other is a reading that the steps do not make.
fn mixes(path: &[u8], byte: u8, encoded: &[u8]) -> bool {
    path.contains(&byte) && path.windows(encoded.len()).any(|part| part.eq_ignore_ascii_case(encoded))
}

/// Decoded, but for encoded slashes, which not all servers decode before they look for segments.
fn decoded(path: &[u8]) -> Vec<u8> {
    percent::decode_except(path, |byte| byte == b'/').collect()
}

/// Some proxies pass on what they have decoded (nginx with `$uri`), and the application decodes that.
fn decoded_again(text: &[u8]) -> Option<Vec<u8>> {
    changed(text, decoded)
}

fn without_invalid_bytes(text: &[u8]) -> Option<Vec<u8>> {
    utf8::with_invalid(text, b"")
}

fn with_invalid_bytes_replaced(text: &[u8]) -> Option<Vec<u8>> {
    utf8::with_invalid(text, utf8::REPLACEMENT)
}

fn without_tail(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    let is_blank = |byte: &u8| byte.is_ascii_control() || *byte == b' ';
    let end =
        text[..end].iter().rposition(|byte| !is_blank(byte) && *byte != b'/').map_or(0, |last| last + 1);
    text[end..].iter().any(is_blank).then(|| text[..end].to_vec())
}

/// As by servers that decode first (Django, PHP), and not by those that route first (Go, Express).
fn with_slashes_decoded(text: &[u8]) -> Option<Vec<u8>> {
    changed(text, |text| percent::decode_except(text, |byte| byte != b'/').collect())
}

fn with_backslashes_turned(text: &[u8]) -> Option<Vec<u8>> {
    let turned = |byte: &u8| if *byte == b'\\' { b'/' } else { *byte };
    text.contains(&b'\\').then(|| text.iter().map(turned).collect())
}

/// As by Tomcat, Jetty, Spring.
fn without_parameters(text: &[u8]) -> Option<Vec<u8>> {
    let before = |segment: &[u8]| segment.iter().position(|byte| *byte == b';').unwrap_or(segment.len());
    text.contains(&b';').then(|| {
        let segments = text.split(|byte| *byte == b'/').map(|segment| &segment[..before(segment)]);
        segments.collect::<Vec<_>>().join(&b'/')
    })
}

fn changed(text: &[u8], change: fn(&[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
    text.contains(&b'%').then(|| change(text)).filter(|changed| changed != text)
}

fn segments(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty())
}

fn is_dots(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

/// No dot segment climbs above the root. Between two slashes stands a segment that `..` can remove if `empty_counts`, as in
/// RFC 3986 and for Envoy; else slashes are merged first, as by nginx and Go.
fn with_dots_resolved(text: &[u8], empty_counts: bool) -> Vec<u8> {
    let mut resolved: Vec<&[u8]> = Vec::new();
    for segment in text.split(|byte| *byte == b'/').skip(usize::from(text.starts_with(b"/"))) {
        match segment {
            b"." => {}
            b".." => drop(resolved.pop()),
            b"" if !empty_counts => {}
            segment => resolved.push(segment),
        }
    }
    joined(resolved.into_iter().filter(|segment| !segment.is_empty()))
}

fn joined<'a>(segments: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut joined = Vec::new();
    for segment in segments {
        joined.push(b'/');
        joined.extend_from_slice(segment);
    }
    joined
}

fn without_slashes_behind(mut path: &[u8]) -> &[u8] {
    while let Some(shorter) = path.strip_suffix(b"/") {
        path = shorter;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The readings, in alphabetical order.
    fn read(sent: &str) -> Vec<String> {
        let (cut, uncut) = match sent.split_once('#') {
            Some((cut, _)) => (cut, Some(sent.as_bytes())),
            None => (sent, None),
        };
        let text = |path: &[u8]| path.escape_ascii().to_string();
        match readings(cut.as_bytes(), uncut.as_slice()) {
            Paths::One(path) => vec![text(path)],
            Paths::Several(paths) => {
                let mut texts: Vec<_> = paths.iter().map(|path| text(path)).collect();
                texts.sort();
                texts
            }
            Paths::Anything => vec!["anything".into()],
        }
    }

    #[test]
    fn what_can_be_read_in_one_way_has_one_reading() {
        for (sent, expected) in [
            ("/api/v2/jobs", "/api/v2/jobs"),
            ("/api/v2/jobs//", "/api/v2/jobs"),
            ("/%61pi/v2/jobs", "/api/v2/jobs"),
            ("/.well-known/x", "/.well-known/x"),
            ("/a%20b/c", "/a b/c"),
            ("/100%", "/100%"),
            ("/caf%c3%A9", r"/caf\xc3\xa9"),
            ("/a...b/...", "/a...b/..."),
            ("/~a/b-c_d(e)!$&'+,=:@", "/~a/b-c_d(e)!$&\\'+,=:@"),
            ("", ""),
            ("/", ""),
            ("*", "*"),
        ] {
            assert_eq!(read(sent), [expected], "{sent}");
        }
        for sent in ["/api/v2/jobs", "//api//v2/jobs/", "/a.b/c..d", "/", ""] {
            assert!(matches!(readings(sent.as_bytes(), &[]), Paths::One(_)), "nothing is copied of {sent}");
        }
    }

    #[test]
    fn where_servers_differ_there_are_several() {
        for (sent, mut expected) in [
            // Encoded slashes, and backslashes.
            ("/a%2Fb/c", vec!["/a%2Fb/c", "/a/b/c"]),
            ("/a%5cb", vec!["/a/b", r"/a\\b"]),
            (r"/a\b", vec!["/a/b", r"/a\\b"]),
            ("/x/..%2fy", vec!["/x/../y", "/x/..%2fy", "/y"]),
            // Dot segments.
            ("/a/../b", vec!["/a/../b", "/b"]),
            ("/a/./b/.", vec!["/a/./b/.", "/a/b"]),
            ("/a/%2e%2E/b", vec!["/a/../b", "/b"]),
            ("/a//../b", vec!["/a/../b", "/a/b", "/b"]),
            ("/a//b/..", vec!["/a", "/a/b/.."]),
            ("/../..", vec!["", "/../.."]),
            ("/a%2fb//../c", vec!["/a%2fb/../c", "/a%2fb/c", "/a/b/../c", "/a/b/c", "/a/c", "/c"]),
            // Parameters.
            ("/a;x=1/b", vec!["/a/b", "/a;x=1/b"]),
            ("/a%3bx/b;", vec!["anything"]),
            ("/a%3bx/b", vec!["/a/b", "/a;x/b"]),
            ("/a;x%2fy/b", vec!["/a/b", "/a/y/b", "/a;x%2fy/b", "/a;x/y/b"]),
            ("/static/..;/login", vec!["/login", "/static/../login", "/static/..;/login"]),
            // Fragments.
            ("/a#b", vec!["/a", "/a#b"]),
            ("/a#/../b", vec!["/a", "/a#/../b", "/b"]),
            // What stands at the end.
            ("/a%20", vec!["/a", "/a "]),
            ("/a%0a", vec!["/a", r"/a\n"]),
            ("/a%09%0d/", vec!["/a", r"/a\t\r"]),
            ("/a/%20/", vec!["/a", "/a/ "]),
            ("/a%00b", vec!["/a", r"/a\x00b"]),
            ("/a%20%00b/c", vec!["/a", r"/a \x00b/c"]),
            ("/a b", vec!["/a b"]),
            // Bytes that are not UTF-8.
            ("/a%ff", vec!["/a", r"/a\xef\xbf\xbd", r"/a\xff"]),
            ("/a%c3/b", vec!["/a/b", r"/a\xc3/b", r"/a\xef\xbf\xbd/b"]),
            // Decoded by two.
            ("/a%2562", vec!["/a%62", "/ab"]),
            ("/a%252e%252e/b", vec!["/a%2e%2e/b", "/a../b"]),
            ("/a/%252e%252e/b", vec!["/a/%2e%2e/b", "/a/../b", "/b"]),
            ("/a%252Fb", vec!["/a%2Fb", "/a/b"]),
            ("/a%2525b", vec!["/a%25b", "/a%b"]),
        ] {
            expected.sort_unstable();
            assert_eq!(read(sent), expected, "{sent}");
        }
    }

    #[test]
    fn what_is_made_to_be_misread_may_be_anything() {
        for sent in [
            // Dot segments of two kinds: a proxy may resolve one, the application the other.
            "/a/..;/../b",
            "/a/../%2e%2e/b",
            "/a/./b/..%2fc",
            "/a/../%5c../b",
            "/a/.%ff./../b",
            // The same in two spellings.
            r"/a\b%5Cc",
            "/a;b%3Bc",
            // Too much of everything.
            r"/a;b%2fc\d/%252e/../e%ff%20",
            // Longer than a path is.
            &format!("/{}", "a".repeat(LONGEST)),
            &"/".repeat(LONGEST + 1),
            &format!("/#{}", "a".repeat(LONGEST)),
            // Together.
            &format!("/a%2Fb;c/../{}", "a".repeat(LONGEST / 2)),
        ] {
            assert_eq!(read(sent), ["anything"], "{sent}");
        }
        let long = format!("/{}", "a".repeat(LONGEST - 1));
        assert_eq!(read(&long), [long.as_str()]);
    }

    #[test]
    fn no_path_has_much_to_read() {
        let pieces = [
            "/",
            "/..",
            "/../a",
            "%2f",
            "%5c..",
            ";/..",
            "%252e/",
            "%ff",
            "/a%00",
            "/.;a%2f",
            "a%20",
            "/a;b%2fc%5cd%ffe/../",
        ];
        for piece in pieces {
            for times in 0..600 {
                let sent = format!("/{}", piece.repeat(times));
                if let Paths::Several(readings) = readings(sent.as_bytes(), &[]) {
                    assert!(readings.len() <= MOST, "{} readings of {times} times {piece}", readings.len());
                    // As they are, and with dot segments resolved in two ways.
                    let bytes: usize = readings.iter().map(Vec::len).sum();
                    assert!(bytes <= 3 * MOST_BYTES, "{bytes} bytes for {times} times {piece}");
                }
            }
        }
        // As much as is read, and a little more.
        let most = r"/a;b/%2541\c%20";
        assert_eq!(read(most).len(), MOST);
        assert_eq!(read(&format!("/%2f{most}")), ["anything"]);
    }
}
