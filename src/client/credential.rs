//! The secret that a client presents.

use std::borrow::Cow;

use crate::request::Request;

/// A place where a credential may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A header, by its name in lower case.
    Header {
        /// The header's name.
        name: String,
        /// Authentication schemes, as in `Authorization: Token …` (RFC 9110, 11.4), in any case. The
        /// credential is what follows. With none, the whole value is the credential.
        schemes: Vec<String>,
    },
    /// A cookie, by its exact name.
    Cookie(String),
}

impl Source {
    /// Whether whatever stands in the place `other` is found in this one.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Header { name, schemes }, Self::Header { name: also, schemes: others }) => {
                let known = |other: &String| schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case(other));
                name == also && (schemes.is_empty() || !others.is_empty() && others.iter().all(known))
            }
            (one, other) => one == other,
        }
    }

    /// The credential that the request presents in this place. `None` if there is none, or nothing that
    /// could be one, or if there are two different ones: the application believes only one of them, and
    /// which one is not for the client to choose.
    pub(super) fn credential<'a>(&self, request: &Request<'a>) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Header { name, schemes } => {
                let value = only(request.header(name))?;
                let credential = if schemes.is_empty() { Some(value) } else { after_scheme(value, schemes) };
                credential.map(Cow::Borrowed)
            }
            Self::Cookie(name) => {
                only(request.cookie(name.as_bytes())).filter(|value| is_plain_cookie(value))
            }
        }
    }
}

/// The value, if it is there, not empty, and always the same.
fn only<T: AsRef<[u8]> + PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let value = values.next().filter(|value| !value.as_ref().is_empty())?;
    values.all(|other| other == value).then_some(value)
}

/// No credential contains white space or a comma (RFC 9110's `token68`), so that headers which a proxy has
/// joined, to `Token a,Token b`, are none.
fn after_scheme<'a>(value: &'a [u8], schemes: &[String]) -> Option<&'a [u8]> {
    let space = value.iter().position(u8::is_ascii_whitespace)?;
    let (scheme, rest) = value.split_at(space);
    let credential = rest.trim_ascii();
    let known = schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known.as_bytes()));
    let broken = credential.iter().any(|byte| byte.is_ascii_whitespace() || *byte == b',');
    (known && !broken).then_some(credential)
}

/// Some applications undo quotes and backslashes inside a cookie's value (Python's `http.cookies` does).
/// Session keys need neither: a value that has them is another spelling of some other credential.
fn is_plain_cookie(value: &[u8]) -> bool {
    !value.iter().any(|byte| matches!(byte, b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Headers, NoProperties};

    fn found(source: &Source, pairs: &[(&str, &str)]) -> Option<String> {
        let block = Headers::encode(pairs);
        let request = Request::new(Headers::new(&block), &NoProperties);
        source.credential(&request).map(|found| String::from_utf8_lossy(&found).into_owned())
    }

    #[test]
    fn a_credential_follows_its_scheme() {
        let schemes = vec!["Token".to_owned(), "Bearer".to_owned()];
        let source = Source::Header { name: "authorization".into(), schemes };
        for (value, expected) in [
            ("Token abc", Some("abc")),
            ("token abc", Some("abc")),
            ("BEARER\t abc ", Some("abc")),
            ("Token abc,def", None),
            ("Token abc, Token def", None),
            ("Token a b", None),
            ("Token ", None),
            ("Token", None),
            ("", None),
            ("Basic abc", None),
            ("Tokenabc", None),
        ] {
            assert_eq!(found(&source, &[("authorization", value)]).as_deref(), expected, "{value:?}");
        }
    }

    #[test]
    fn two_different_credentials_are_none() {
        let header = Source::Header { name: "x-api-key".into(), schemes: Vec::new() };
        assert_eq!(found(&header, &[("x-api-key", "a b")]).as_deref(), Some("a b"));
        assert_eq!(found(&header, &[("x-api-key", "a"), ("x-api-key", "a")]).as_deref(), Some("a"));
        assert_eq!(found(&header, &[("x-api-key", "a"), ("x-api-key", "b")]), None);
        assert_eq!(found(&header, &[("x-api-key", ""), ("x-api-key", "b")]), None);
        let cookie = Source::Cookie("sid".into());
        assert_eq!(found(&cookie, &[("cookie", "sid=a; sid=a")]).as_deref(), Some("a"));
        assert_eq!(found(&cookie, &[("cookie", "sid=a"), ("cookie", "sid=b")]), None);
    }

    #[test]
    fn a_cookie_has_one_spelling() {
        let cookie = Source::Cookie("sid".into());
        for value in ["abc", "\"abc\"", "%61bc"] {
            assert_eq!(
                found(&cookie, &[("cookie", &format!("sid={value}"))]).as_deref(),
                Some("abc"),
                "{value}"
            );
        }
        for value in ["\"\\141bc\"", "\"abc", "", "\"\""] {
            assert_eq!(found(&cookie, &[("cookie", &format!("sid={value}"))]), None, "{value}");
        }
    }
}
