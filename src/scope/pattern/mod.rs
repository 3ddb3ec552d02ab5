//! Patterns for methods, hosts and paths.

mod path;

use std::fmt;
use std::net::Ipv6Addr;

pub use path::PathPattern;

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

impl fmt::Display for MethodPattern {
    /// In upper case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for HostPattern {
    /// In lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.name)
    }
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
    /// A path with a `**` among other characters, or with a `..` behind one.
    PathStars,
    /// A path with too many alternatives, or with one that is no segment.
    PathAlternatives,
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
            Self::PathStars => {
                "`**` stands for any segments, alone between two slashes, with no `..` behind it; within a segment write \
                 `*`; a `*` itself is `%2A`"
            }
            Self::PathAlternatives => {
                "`{a,b}` stands for one of several texts within a segment, of which at most 64 may come together; for other \
                 paths write a list of patterns"
            }
            Self::PathPlaceholder => {
                "for a segment of any value write `*`, for one of several `{a,b}`; there are no other placeholders, nor \
                 regular expressions; if this is what stands in the path, percent-encode it (`%7B` for `{`, `%3A` for `:`)"
            }
        })
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pattern() {
        for (pattern, error) in [
            ("a/b", PatternError::PathStart),
            ("", PatternError::PathStart),
            ("/a?b=1", PatternError::PathQuery),
            ("/a**", PatternError::PathStars),
            ("/***", PatternError::PathStars),
            ("/a/**.json", PatternError::PathStars),
            ("/a/**/../b", PatternError::PathStars),
            ("/{a}", PatternError::PathPlaceholder),
            ("/{a,b", PatternError::PathPlaceholder),
            ("/a,b}", PatternError::PathPlaceholder),
            ("/{a,{b,c}}", PatternError::PathPlaceholder),
            ("/x}{a,b}", PatternError::PathPlaceholder),
            ("/{a,b}}", PatternError::PathPlaceholder),
            ("/.*", PatternError::PathPlaceholder),
            ("/[0-9]*", PatternError::PathPlaceholder),
            ("/{a,b/c}", PatternError::PathPlaceholder),
            ("/{a,b%2Fc}", PatternError::PathAlternatives),
            ("/{,a}", PatternError::PathAlternatives),
            ("/{a,..}", PatternError::PathAlternatives),
            ("/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", PatternError::PathAlternatives),
            ("/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b,c}", PatternError::PathAlternatives),
        ] {
            assert_eq!(PathPattern::new(pattern), Err(error), "{pattern}");
        }
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
