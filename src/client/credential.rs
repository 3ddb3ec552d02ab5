//! The secret that a client presents.

use std::borrow::Cow;

use super::spelling::{basic, one_form};
use crate::request::{Request, percent};

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

    /// What stands in this place.
    fn look<'a>(&self, request: &Request<'a>, found: &mut Found<'a>) {
        match self {
            Self::Header { name, schemes } => {
                for value in request.header(name) {
                    let secret = if schemes.is_empty() { plain(value) } else { after_scheme(value, schemes) };
                    found.add(secret, true);
                }
            }
            Self::Cookie(name) => {
                for (number, candidate) in request.cookies(name.as_bytes()).take(MOST + 1).enumerate() {
                    let value = percent::text(candidate.value);
                    // Of more nobody looks at the rest, but the application may.
                    let is_clear = candidate.is_clear && number < MOST;
                    found.add((!value.is_empty()).then(|| one_form(value)), is_clear);
                }
            }
        }
    }
}

/// What a request presents as credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Presented<'a> {
    /// Nothing that could be one.
    Nothing,
    /// One secret, and nothing else that the application may use instead.
    One(Cow<'a, [u8]>),
    /// Nobody can say which one the application will use.
    Unclear {
        /// One of these secrets, as far as they could be read.
        secrets: Vec<Cow<'a, [u8]>>,
        /// Or none of them: something stands there that may be read in several ways, or that is no credential here.
        or_none: bool,
    },
}

impl<'a> Presented<'a> {
    /// What stands in these places.
    pub(super) fn find(sources: &[Source], request: &Request<'a>) -> Self {
        let mut found = Found::default();
        for source in sources {
            source.look(request, &mut found);
        }
        let Some(first) = found.first else { return Self::Nothing };
        // A server may authenticate by this header whatever else the policy names: by a scheme of its own, say.
        let is_listed =
            |source: &Source| matches!(source, Source::Header { name, .. } if name == AUTHORIZATION);
        if !sources.iter().any(is_listed) && request.header(AUTHORIZATION).next().is_some() {
            found.or_none = true;
        }
        if !found.or_none && found.more.is_empty() {
            return Self::One(first);
        }
        let secrets = [first].into_iter().chain(found.more).collect();
        Self::Unclear { secrets, or_none: found.or_none }
    }
}

/// The credential that somebody types in who seeks its bearer: the secret alone, or as it is sent, behind a scheme of these places or
/// behind a header's name, too.
#[must_use]
pub fn typed_credential<'a>(sources: &[Source], text: &'a [u8]) -> Cow<'a, [u8]> {
    let text = text.trim_ascii();
    let sent = sources.iter().find_map(|source| {
        let Source::Header { name, schemes } = source else { return None };
        let behind_name = text
            .split_at_checked(name.len())
            .filter(|(before, _)| before.eq_ignore_ascii_case(name.as_bytes()))
            .and_then(|(_, rest)| rest.strip_prefix(b":"));
        match schemes[..] {
            [] => behind_name.map(|value| one_form(Cow::Borrowed(value.trim_ascii()))),
            _ => after_scheme(behind_name.map_or(text, <[u8]>::trim_ascii), schemes),
        }
    });
    sent.unwrap_or_else(|| one_form(Cow::Borrowed(text)))
}

const AUTHORIZATION: &str = "authorization";

/// So many secrets of one request are counted at the most, and so many places looked at that may be one cookie.
const MOST: usize = 4;

/// The different secrets that were found. Nearly always there is one at most.
#[derive(Default)]
struct Found<'a> {
    first: Option<Cow<'a, [u8]>>,
    more: Vec<Cow<'a, [u8]>>,
    or_none: bool,
}

impl<'a> Found<'a> {
    /// A place is filled, with this secret or something that is none.
    fn add(&mut self, secret: Option<Cow<'a, [u8]>>, is_clear: bool) {
        self.or_none |= !is_clear || secret.is_none();
        let Some(secret) = secret else { return };
        match &self.first {
            None => self.first = Some(secret),
            Some(first) if *first == secret || self.more.contains(&secret) => {}
            Some(_) if self.more.len() + 1 < MOST => self.more.push(secret),
            Some(_) => self.or_none = true,
        }
    }
}

/// A header's whole value is a secret if it has only visible characters and spaces. A comma would be one that a proxy has put between two values.
fn plain(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let is_plain = |byte: &u8| (byte.is_ascii_graphic() || *byte == b' ') && *byte != b',';
    (!value.is_empty() && value.iter().all(is_plain)).then(|| one_form(Cow::Borrowed(value)))
}

/// What follows one of these schemes, if it is a `token68` (RFC 9110, 11.2).
fn after_scheme<'a>(value: &'a [u8], schemes: &[String]) -> Option<Cow<'a, [u8]>> {
    let space = value.iter().position(u8::is_ascii_whitespace)?;
    let (scheme, rest) = value.split_at(space);
    let secret = rest.trim_ascii();
    let is_known = schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known.as_bytes()));
    if !is_known || !is_token68(secret) {
        return None;
    }
    if scheme.eq_ignore_ascii_case(b"basic") {
        return basic(secret).map(Cow::Owned);
    }
    Some(one_form(Cow::Borrowed(secret)))
}

/// The digits of a `token68`: every request with a credential has dozens of them looked at.
const TOKEN68: [bool; 256] = {
    let (mut digits, mut byte) = ([false; 256], 0_u8);
    while byte < 128 {
        digits[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
        byte += 1;
    }
    digits
};

fn is_token68(secret: &[u8]) -> bool {
    let digits = secret.iter().take_while(|byte| TOKEN68[usize::from(**byte)]).count();
    digits > 0 && secret[digits..].iter().all(|byte| *byte == b'=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Headers, NoProperties};

    fn authorization(schemes: &[&str]) -> Source {
        let schemes = schemes.iter().copied().map(str::to_owned).collect();
        Source::Header { name: AUTHORIZATION.into(), schemes }
    }

    fn header(name: &str) -> Source {
        Source::Header { name: name.into(), schemes: Vec::new() }
    }

    /// The secrets that are found, and whether it is clear which one is used.
    fn found(sources: &[Source], pairs: &[(&str, &[u8])]) -> (Vec<String>, bool) {
        let block = Headers::encode(pairs);
        let request = Request::new(Headers::new(&block), &NoProperties);
        let text = |secret: &Cow<[u8]>| String::from_utf8_lossy(secret).into_owned();
        match Presented::find(sources, &request) {
            Presented::Nothing => (vec![], true),
            Presented::One(secret) => (vec![text(&secret)], true),
            Presented::Unclear { secrets, .. } => (secrets.iter().map(text).collect(), false),
        }
    }

    fn one(sources: &[Source], pairs: &[(&str, &str)]) -> Option<String> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        match found(sources, &pairs) {
            (mut secrets, true) => secrets.pop(),
            (_, false) => None,
        }
    }

    #[test]
    fn a_credential_follows_its_scheme() {
        let sources = [authorization(&["Token", "Bearer", "Basic"])];
        for (value, expected) in [
            ("Token abc", Some("abc")),
            ("token abc", Some("abc")),
            ("BEARER\t abc ", Some("abc")),
            ("Token a-._~+/9==", Some("a-._~+/9==")),
            ("Basic dTpw", Some("u:p")),
            ("Basic dTpw==", Some("u:p")),
            ("Basic dXA=", None),
            ("Token abc,def", None),
            ("Token abc, Token def", None),
            ("Token a b", None),
            ("Token a=b", None),
            ("Token =", None),
            ("Token a!", None),
            ("Token a\u{e9}", None),
            ("Token ", None),
            ("Token", None),
            ("", None),
            ("Digest abc", None),
            ("Tokenabc", None),
        ] {
            assert_eq!(one(&sources, &[("authorization", value)]).as_deref(), expected, "{value:?}");
        }
    }

    #[test]
    fn who_seeks_a_bearer_types_the_secret_as_he_has_it() {
        let sources = [authorization(&["Token", "Basic"]), header("x-api-key")];
        for text in [
            "abc",
            " abc\n",
            "Token abc",
            "token  abc",
            "Authorization: Token abc",
            "authorization:Token abc",
            "X-API-Key: abc",
        ] {
            assert_eq!(typed_credential(&sources, text.as_bytes()), &b"abc"[..], "{text:?}");
        }
        assert_eq!(typed_credential(&sources, b"Basic dTpw"), &b"u:p"[..]);
        assert_eq!(
            typed_credential(&sources, b"0123456789ABCDEF"),
            &b"0123456789abcdef"[..],
            "in its one form"
        );
        assert_eq!(typed_credential(&sources, b""), &b""[..]);
        assert_eq!(typed_credential(&[], b"Token abc"), &b"Token abc"[..]);
    }

    #[test]
    fn more_than_are_counted_may_hide_another() {
        for (count, hides) in [(1, false), (2, false), (MOST, false), (MOST + 1, true)] {
            let values: Vec<String> = (0..count).map(|number| number.to_string()).collect();
            let block = Headers::encode(&values.iter().map(|value| ("x-api-key", value)).collect::<Vec<_>>());
            let presented =
                Presented::find(&[header("x-api-key")], &Request::new(Headers::new(&block), &NoProperties));
            assert_eq!(matches!(presented, Presented::Unclear { or_none: true, .. }), hides, "{count}");
        }
    }

    #[test]
    fn of_several_nobody_knows_which_is_used() {
        let sources = [authorization(&["Token"]), header("x-api-key"), Source::Cookie("sid".into())];
        let all = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
            let (secrets, is_clear) = found(&sources, &pairs);
            (secrets.join(" "), is_clear)
        };
        for (pairs, secrets) in [
            (&[("authorization", "Token a"), ("x-api-key", "b")][..], "a b"),
            (&[("authorization", "Token a"), ("cookie", "sid=b")], "a b"),
            (&[("authorization", "Token a"), ("authorization", "Token b")], "a b"),
            (&[("x-api-key", "a"), ("x-api-key", "b")], "a b"),
            (&[("cookie", "sid=a; sid=b")], "a b"),
            (&[("cookie", "sid=a"), ("cookie", "sid=b")], "a b"),
            // Beside something that the application may understand.
            (&[("authorization", "Basic x"), ("cookie", "sid=a")], "a"),
            (&[("authorization", "Token x y"), ("x-api-key", "a")], "a"),
            (&[("x-api-key", ""), ("x-api-key", "a")], "a"),
            (&[("x-api-key", "a,b"), ("cookie", "sid=a")], "a"),
            (&[("cookie", "sid=; sid=a")], "a"),
            // Which may be read in other ways.
            (&[("cookie", "x=1,sid=a")], "a"),
            (&[("cookie", "sid=\"a\"")], "a"),
            (&[("cookie", "sid=1; sid=2; sid=3; sid=4; sid=5")], "1 2 3 4"),
            (&[("cookie", "sid=1; sid=1; sid=1; sid=1; sid=1; sid=2")], "1"),
            (
                &[
                    ("x-api-key", "1"),
                    ("x-api-key", "1"),
                    ("x-api-key", "1"),
                    ("x-api-key", "1"),
                    ("x-api-key", "1"),
                    ("x-api-key", "2"),
                ],
                "1 2",
            ),
        ] {
            assert_eq!(all(pairs), (secrets.to_owned(), false), "{pairs:?}");
        }
        for (pairs, secret) in [
            (&[("authorization", "Token a"), ("x-api-key", "a"), ("cookie", "sid=a; sid=a")][..], "a"),
            (&[("authorization", "Token a"), ("cookie", "other=b")], "a"),
            (&[("x-api-key", "a b")], "a b"),
            (&[("cookie", "sid=%61bc")], "abc"),
        ] {
            assert_eq!(all(pairs), (secret.to_owned(), true), "{pairs:?}");
        }
        for pairs in
            [&[("authorization", "Basic x")][..], &[("x-api-key", "a,b")], &[("cookie", "sid=")], &[]]
        {
            assert_eq!(all(pairs), (String::new(), true), "nothing stands there: {pairs:?}");
        }
    }

    #[test]
    fn an_authorization_that_is_not_listed_may_be_the_one_that_is_used() {
        let sources = [Source::Cookie("sid".into())];
        let both = [("authorization", &b"Basic dTpw"[..]), ("cookie", b"sid=a")];
        assert_eq!(found(&sources, &both), (vec!["a".to_owned()], false));
        assert_eq!(found(&sources, &both[1..]), (vec!["a".to_owned()], true));
        assert_eq!(found(&sources, &both[..1]), (vec![], true));
    }

    #[test]
    fn a_value_with_bytes_that_are_no_text_is_none() {
        for value in [&b"a\xff"[..], b"\xe9", b"a\x7f", b"a\tb"] {
            assert_eq!(found(&[header("x-api-key")], &[("x-api-key", value)]), (vec![], true), "{value:?}");
        }
    }
}
