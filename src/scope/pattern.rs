//! Patterns for methods, hosts and paths.

use std::fmt;
use std::net::Ipv6Addr;

use super::Reading;
use crate::request::percent;

/// A method. `GET` covers `HEAD` too, which does the same work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodPattern(String);

impl MethodPattern {
    /// This method, in any case: applications fold it.
    ///
    /// # Errors
    /// If the text is not a method's name.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let token =
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic() || b"-_".contains(&byte));
        if token { Ok(Self(text.to_ascii_uppercase())) } else { Err(PatternError::Method) }
    }

    pub(super) fn matches(&self, method: &[u8]) -> bool {
        let covered = |method: &[u8]| method.eq_ignore_ascii_case(self.0.as_bytes());
        covered(method) || method.eq_ignore_ascii_case(b"HEAD") && covered(b"GET")
    }
}

/// A host: exact, or `*.example.com` for every name below `example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    name: String,
    below: bool,
}

impl HostPattern {
    /// This host, in any case, without a port.
    ///
    /// # Errors
    /// If no request has such a host: the text is neither a name of letters, digits, `-` and `_`, nor an IPv6 address in
    /// brackets.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if !text.is_ascii() {
            return Err(PatternError::HostLetters);
        }
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let name = name.strip_suffix('.').unwrap_or(name);
        if let Some(address) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            let address: Ipv6Addr = address.parse().map_err(|_| PatternError::Host)?;
            // As clients write it (RFC 5952).
            return if below {
                Err(PatternError::Host)
            } else {
                Ok(Self { name: format!("[{address}]"), below })
            };
        }
        let label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if name.split('.').all(label) {
            Ok(Self { name: name.to_ascii_lowercase(), below })
        } else {
            Err(PatternError::Host)
        }
    }

    pub(super) fn matches(&self, host: &[u8]) -> bool {
        let Some(start) = host.len().checked_sub(self.name.len()) else { return false };
        let (before, name) = host.split_at(start);
        name.eq_ignore_ascii_case(self.name.as_bytes())
            && if self.below { before.len() > 1 && before.ends_with(b".") } else { before.is_empty() }
    }
}

/// A path: exact, with `*` for one segment, and a final `**` for any rest, also none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    segments: Vec<Segment>,
    any_rest: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Vec<u8>),
    Any,
}

impl PathPattern {
    /// A pattern as it is written. It is read like a request's path, so that its own spelling does not matter either; but
    /// a `*` that is percent-encoded stands for itself.
    ///
    /// # Errors
    /// If it does not start with `/`, has a query, has a `*` that is not a segment of its own, or looks like a pattern of
    /// another language.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if !text.starts_with('/') {
            return Err(PatternError::PathStart);
        }
        if text.contains(['?', '#']) {
            return Err(PatternError::PathQuery);
        }
        let mut pattern = Self { segments: Vec::new(), any_rest: false };
        for segment in text.split('/').filter(|segment| !segment.is_empty()) {
            match segment {
                _ if pattern.any_rest => return Err(PatternError::PathStar),
                "*" => pattern.segments.push(Segment::Any),
                "**" => pattern.any_rest = true,
                _ if is_of_another_language(segment) => return Err(PatternError::PathPlaceholder),
                _ if segment.contains('*') => return Err(PatternError::PathStar),
                _ => pattern.push(segment),
            }
        }
        Ok(pattern)
    }

    /// Goes on with a literal segment, in which encoded slashes separate others.
    fn push(&mut self, segment: &str) {
        let decoded: Vec<u8> = percent::decode(segment.as_bytes()).collect();
        for part in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
            match part {
                b"" | b"." => {}
                b".." => drop(self.segments.pop()),
                part => self.segments.push(Segment::Literal(part.to_vec())),
            }
        }
    }

    /// Whether a path in normal form fits. A reading that must hold for certain minds upper and lower case.
    pub(super) fn matches(&self, path: &[u8], reading: Reading) -> bool {
        let mut found = path.split(|byte| *byte == b'/').skip(1);
        let fits = self.segments.iter().all(|segment| {
            found.next().is_some_and(|found| match (segment, reading) {
                (Segment::Any, _) => true,
                (Segment::Literal(text), Reading::Possible) => found.eq_ignore_ascii_case(text),
                (Segment::Literal(text), Reading::Certain) => found == text,
            })
        });
        fits && (self.any_rest || found.next().is_none())
    }
}

/// Whether a segment has a placeholder such as routers have, `{id}`, `<id>` or `:id`, or looks like a regular expression. What
/// stands for it here is `*`; taken literally, it would match no request.
fn is_of_another_language(segment: &str) -> bool {
    let is_name = |name: &str| name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    segment.strip_prefix(':').is_some_and(is_name)
        || segment == ".+"
        || segment.ends_with('$')
        || segment.contains(['{', '}', '<', '>', '[', ']', '|', '^', '\\'])
}

/// Why a text is not a pattern. Its `Display` says what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// Not a method's name.
    Method,
    /// Not a host's name.
    Host,
    /// A host with letters outside ASCII.
    HostLetters,
    /// A path that does not start with `/`.
    PathStart,
    /// A path with a query or a fragment.
    PathQuery,
    /// A path with a `*` among other characters, or a `**` before its end.
    PathStar,
    /// A path with a placeholder or an expression of another language.
    PathPlaceholder,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "expected a method, such as `GET`",
            Self::Host => "expected a host without port, such as `example.com` or `*.example.com`",
            Self::HostLetters => {
                "no request has letters outside ASCII in its host; write its ASCII form, `xn--…`"
            }
            Self::PathStart => "a path starts with `/`",
            Self::PathQuery => "a path has no `?` or `#`; match parameters with `query`",
            Self::PathStar => "`*` stands for one whole segment, and `**` for any rest, at the end only; a `*` itself is `%2A`",
            Self::PathPlaceholder => {
                "for a segment of any value write `*`; there are no other placeholders, nor regular expressions; if this is \
                 what stands in the path, percent-encode it (`%7B` for `{`, `%3A` for `:`)"
            }
        })
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Headers, NoProperties, Request};

    fn normalized(path: &str) -> Vec<u8> {
        let block = Headers::encode(&[(":path", path)]);
        let request = Request::new(Headers::new(&block), &NoProperties);
        request.paths().next().unwrap_or_default().to_vec()
    }

    fn path(pattern: &str, path: &str) -> bool {
        PathPattern::new(pattern).expect(pattern).matches(&normalized(path), Reading::Possible)
    }

    #[test]
    fn paths() {
        for (pattern, inside, outside) in [
            (
                "/a/b",
                vec!["/a/b", "/a/b/", "/A/b", "/a//b", "/a/./b", "/a%2Fb"],
                vec!["/a", "/a/b/c", "/a/bb"],
            ),
            ("/a/b/", vec!["/a/b", "/a/b/"], vec!["/a/b/c"]),
            ("/a/%62", vec!["/a/b"], vec!["/a/%2562"]),
            ("/a/*/c", vec!["/a/b/c", "/a/%2A/c"], vec!["/a/c", "/a/b/b/c", "/a/b"]),
            ("/a/%2A/c", vec!["/a/*/c", "/a/%2a/c"], vec!["/a/b/c"]),
            ("//a/./x/..//b%2Fc/", vec!["/a/b/c"], vec!["/a/b"]),
            ("/../a/%2e%2E/b", vec!["/b"], vec!["/a/b"]),
            ("/a/*/../b", vec!["/a/b"], vec!["/a/x/b"]),
            ("/a/**/", vec!["/a", "/a/b/c"], vec!["/"]),
            ("/a/**", vec!["/a", "/a/", "/a/b", "/a/b/c"], vec!["/", "/ab"]),
            ("/a/*/**", vec!["/a/b", "/a/b/c"], vec!["/a", "/a/"]),
            ("/**", vec!["/", "", "/a/b"], vec![]),
            ("/", vec!["/", "", "//", "/a/.."], vec!["/a"]),
        ] {
            for inside in inside {
                assert!(path(pattern, inside), "{pattern} {inside}");
            }
            for outside in outside {
                assert!(!path(pattern, outside), "{pattern} {outside}");
            }
        }
        for (pattern, error) in [
            ("a/b", PatternError::PathStart),
            ("", PatternError::PathStart),
            ("/a?b=1", PatternError::PathQuery),
            ("/a/*.json", PatternError::PathStar),
            ("/a/**/b", PatternError::PathStar),
        ] {
            assert_eq!(PathPattern::new(pattern), Err(error), "{pattern}");
        }
    }

    #[test]
    fn a_certain_reading_minds_case() {
        let pattern = PathPattern::new("/Docs").expect("a pattern");
        assert!(pattern.matches(b"/Docs", Reading::Certain));
        assert!(!pattern.matches(b"/docs", Reading::Certain));
    }

    #[test]
    fn methods() {
        let get = MethodPattern::new("get").expect("a method");
        assert!(get.matches(b"GET") && get.matches(b"gEt") && get.matches(b"HEAD"));
        assert!(!get.matches(b"POST") && !get.matches(b""));
        assert!(!MethodPattern::new("HEAD").expect("a method").matches(b"GET"));
        assert_eq!(MethodPattern::new("GET POST"), Err(PatternError::Method));
        assert_eq!(MethodPattern::new(""), Err(PatternError::Method));
    }

    #[test]
    fn hosts() {
        let host =
            |pattern: &str, host: &str| HostPattern::new(pattern).expect(pattern).matches(host.as_bytes());
        assert!(host("Example.com", "EXAMPLE.com") && host("example.com.", "example.com"));
        assert!(!host("example.com", "www.example.com") && !host("example.com", ""));
        assert!(host("*.example.com", "www.example.com") && host("*.example.com", "a.b.example.com"));
        assert!(!host("*.example.com", "example.com") && !host("*.example.com", "badexample.com"));
        assert!(!host("*.example.com", ".example.com") && host("[::1]", "[::1]"));
        for pattern in ["", "*", "a.*.com", "example.com:80", "http://example.com", "*."] {
            assert_eq!(HostPattern::new(pattern), Err(PatternError::Host), "{pattern}");
        }
    }
}
