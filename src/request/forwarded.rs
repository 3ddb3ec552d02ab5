//! The original request, as the proxy that asks about it tells of it.

use std::fmt;

use super::Headers;

/// Where the request that is judged stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestFrom {
    /// It is the request itself: Tollgate stands where the traffic passes, and sees its responses.
    #[default]
    Direct,
    /// In headers that another proxy sets, which asks whether it may let the request through: those of nginx
    /// (`X-Original-URI`, `X-Original-Method`; the host is `Host`) or those of Traefik and Caddy
    /// (`X-Forwarded-Uri`, `-Method`, `-Host`).
    Forwarded,
    /// It is the request itself, which Envoy's `ext_authz` has made like the original one to ask about it.
    ExtAuthz,
}

impl RequestFrom {
    /// Whether another proxy asks. Then the application's response never comes this way.
    #[must_use]
    pub const fn is_asked(self) -> bool {
        !matches!(self, Self::Direct)
    }
}

/// What a request asks for.
pub(super) struct Line<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    /// The same, if the proxy has another reading of it.
    pub(super) also: Option<&'a [u8]>,
    pub(super) authority: Option<&'a [u8]>,
}

/// Why the original request is not known. The `Display` is for those who run the asking proxy; it shows nothing that
/// a client has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclear {
    /// The asking proxy sets no header of either kind.
    Untold,
    /// Of the headers of one kind, this one is missing.
    Missing(&'static str),
    /// This header stands there more than once.
    Repeated(&'static str),
    /// Headers of both kinds: one of them may be the client's own.
    BothKinds,
    /// This header is not a target, which starts with `/` or, where the path is left out, with `?`.
    NoTarget(&'static str),
    /// This header is not a method.
    NoMethod(&'static str),
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the original request is not known: ")?;
        match self {
            Self::Untold => f.write_str(
                "X-Original-URI and X-Original-Method are missing, and so are X-Forwarded-Uri, X-Forwarded-Method and \
                 X-Forwarded-Host; the asking proxy must set either",
            ),
            Self::Missing(name) => write!(f, "{name} is missing; the asking proxy must set it"),
            Self::Repeated(name) => {
                write!(f, "{name} is given more than once; the asking proxy must overwrite what a client sends")
            }
            Self::BothKinds => f.write_str(
                "there are headers of both kinds, X-Original-… and X-Forwarded-…; the asking proxy must remove those \
                 that it does not set",
            ),
            Self::NoTarget(name) => write!(f, "{name} starts neither with `/` nor with `?`"),
            Self::NoMethod(name) => write!(f, "{name} is not a method"),
        }
    }
}

impl std::error::Error for Unclear {}

/// Reads what the asking proxy says.
///
/// Every header that is believed must be there, so that a proxy which does not set one, and so would let a client
/// set it, is noticed by its first request. Headers of both kinds are refused for the same reason: a proxy sets
/// one kind, and what a client has added is the other.
pub(super) fn read<'a>(headers: &Headers<'a>) -> Result<Line<'a>, Unclear> {
    const ORIGINAL: [&str; 2] = ["X-Original-URI", "X-Original-Method"];
    const FORWARDED: [&str; 3] = ["X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Host"];
    let original =
        [only(headers, "x-original-uri", ORIGINAL[0])?, only(headers, "x-original-method", ORIGINAL[1])?];
    let forwarded =
        [only(headers, "x-forwarded-uri", FORWARDED[0])?, only(headers, "x-forwarded-method", FORWARDED[1])?];
    // X-Forwarded-Host alone says nothing: proxies on the way to nginx set it.
    match (original, forwarded) {
        ([None, None], [None, None]) => Err(Unclear::Untold),
        ([uri, method], [None, None]) => {
            let authority = headers.first("host").or_else(|| headers.first(":authority"));
            line(uri, method, authority, ORIGINAL)
        }
        ([None, None], [uri, method]) => {
            let authority = only(headers, "x-forwarded-host", FORWARDED[2])?;
            authority.ok_or(Unclear::Missing(FORWARDED[2]))?;
            line(uri, method, authority, [FORWARDED[0], FORWARDED[1]])
        }
        _ => Err(Unclear::BothKinds),
    }
}

/// The value of the header `name`, shown as `shown`, if it is there.
fn only<'a>(headers: &Headers<'a>, name: &str, shown: &'static str) -> Result<Option<&'a [u8]>, Unclear> {
    let mut values = headers.all(name);
    let value = values.next();
    if values.next().is_some() { Err(Unclear::Repeated(shown)) } else { Ok(value) }
}

fn line<'a>(
    target: Option<&'a [u8]>,
    method: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
    names: [&'static str; 2],
) -> Result<Line<'a>, Unclear> {
    let target = target.ok_or(Unclear::Missing(names[0]))?;
    let method = method.ok_or(Unclear::Missing(names[1]))?;
    // Proxies tell the path and query even of a target that names the host too: `/a?x=1` of `http://h/a?x=1`, and of `http://h?x=1`
    // either `/?x=1` or, as nginx does, `?x=1`.
    if !matches!(target.first(), Some(b'/' | b'?')) {
        return Err(Unclear::NoTarget(names[0]));
    }
    if method.is_empty() || !method.iter().all(u8::is_ascii_graphic) {
        return Err(Unclear::NoMethod(names[1]));
    }
    Ok(Line { method, target, also: None, authority })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NGINX: [(&str, &str); 3] =
        [("host", "a.test"), ("x-original-uri", "/a?b=1"), ("x-original-method", "PUT")];
    const CADDY: [(&str, &str); 4] = [
        (":authority", "gate.internal"),
        ("x-forwarded-uri", "/a?b=1"),
        ("x-forwarded-method", "PUT"),
        ("x-forwarded-host", "a.test"),
    ];

    fn told(pairs: &[(&str, &str)]) -> Result<[String; 3], Unclear> {
        let block = Headers::encode(pairs);
        let line = read(&Headers::new(&block))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok([text(line.method), text(line.target), text(line.authority.unwrap_or_default())])
    }

    /// These headers, with one more, in place of one of its name.
    fn with<'a>(pairs: &[(&'a str, &'a str)], name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
        let others = pairs.iter().copied().filter(|(known, _)| *known != name);
        others.chain([(name, value)]).collect()
    }

    #[test]
    fn both_kinds_of_headers_are_understood() {
        let expected = ["PUT", "/a?b=1", "a.test"].map(str::to_owned);
        assert_eq!(told(&NGINX), Ok(expected.clone()));
        assert_eq!(told(&CADDY), Ok(expected));
        let both = [NGINX.as_slice(), &CADDY[3..]].concat();
        assert_eq!(
            told(&with(&both, "x-forwarded-host", "b.test")).map(|line| line[2].clone()),
            Ok("a.test".into())
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        let said = |unclear: Unclear| unclear.to_string();
        assert!(said(Unclear::Untold).contains("X-Original-URI and X-Original-Method are missing"));
        for (unclear, expected) in [
            (Unclear::Missing("X-Original-URI"), "X-Original-URI is missing; the asking proxy must set it"),
            (Unclear::NoTarget("X-Original-URI"), "X-Original-URI starts neither with `/` nor with `?`"),
            (Unclear::NoMethod("X-Original-Method"), "X-Original-Method is not a method"),
        ] {
            assert_eq!(said(unclear), format!("the original request is not known: {expected}"));
        }
    }

    #[test]
    fn every_header_that_is_believed_must_be_there() {
        assert_eq!(told(&[("host", "a.test"), ("x-forwarded-host", "a.test")]), Err(Unclear::Untold));
        for missing in ["X-Original-URI", "X-Original-Method"] {
            let rest = NGINX.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case(missing));
            assert_eq!(told(&rest.collect::<Vec<_>>()), Err(Unclear::Missing(missing)));
        }
        for missing in ["X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Host"] {
            let rest = CADDY.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case(missing));
            assert_eq!(told(&rest.collect::<Vec<_>>()), Err(Unclear::Missing(missing)));
        }
    }

    #[test]
    fn what_a_client_may_have_added_is_refused() {
        for added in ["x-forwarded-uri", "x-forwarded-method"] {
            assert_eq!(told(&with(&NGINX, added, "/a?b=1")), Err(Unclear::BothKinds), "{added}");
        }
        for added in ["x-original-uri", "x-original-method"] {
            assert_eq!(told(&with(&CADDY, added, "/a?b=1")), Err(Unclear::BothKinds), "{added}");
        }
        for (pairs, shown) in [
            (NGINX.as_slice(), "X-Original-URI"),
            (&NGINX, "X-Original-Method"),
            (&CADDY, "X-Forwarded-Uri"),
            (&CADDY, "X-Forwarded-Method"),
            (&CADDY, "X-Forwarded-Host"),
        ] {
            let name = shown.to_ascii_lowercase();
            let again = pairs.iter().copied().filter(|(known, _)| *known == name);
            let twice: Vec<_> = pairs.iter().copied().chain(again).collect();
            assert_eq!(told(&twice), Err(Unclear::Repeated(shown)));
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let rootless = told(&with(&NGINX, "x-original-uri", "?b=1"));
        assert_eq!(rootless.map(|line| line[1].clone()), Ok("?b=1".into()));
        for target in ["", "*", "a", "#", "http://a.test/", "\u{1}/", " /", " ?b=1"] {
            let refused = Err(Unclear::NoTarget("X-Original-URI"));
            assert_eq!(told(&with(&NGINX, "x-original-uri", target)), refused, "{target:?}");
        }
        for method in ["", "G T", "\u{e9}", "\u{7f}"] {
            let refused = Err(Unclear::NoMethod("X-Forwarded-Method"));
            assert_eq!(told(&with(&CADDY, "x-forwarded-method", method)), refused, "{method:?}");
        }
    }
}
