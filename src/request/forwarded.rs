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
    /// (`X-Original-URI`, `X-Original-Method`; the host is `Host`), those of ingress-nginx (`X-Original-URL`, `X-Original-Method`, and
    /// `X-Sent-From: nginx-ingress-controller`) or those of Traefik and Caddy (`X-Forwarded-Uri`, `-Method`, `-Host`).
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
    /// Headers of two kinds, `X-Original-…` and `X-Forwarded-…`: one of them may be the client's own.
    BothKinds,
    /// Both `X-Original-URI` and `X-Original-URL`, which are nginx' and ingress-nginx': one of them may be the client's own.
    BothOriginals,
    /// `X-Original-URL` alone, and `X-Sent-From` does not say that it is ingress-nginx which asks.
    NotOfIngress,
    /// This header is not a target, which starts with `/` or, where the path is left out, with `?`.
    NoTarget(&'static str),
    /// `X-Original-URL` is not `http://` or `https://`, a host, and a path that starts with `/`.
    NoUrl,
    /// This header is not a method.
    NoMethod(&'static str),
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the original request is not known: ")?;
        match self {
            Self::Untold => f.write_str(
                "X-Original-URI and X-Original-Method are missing, and so are X-Forwarded-Uri, X-Forwarded-Method and \
                 X-Forwarded-Host, and X-Original-URL, X-Original-Method and X-Sent-From; the asking proxy must set one kind",
            ),
            Self::Missing(name) => write!(f, "{name} is missing; the asking proxy must set it"),
            Self::Repeated(name) => {
                write!(f, "{name} is given more than once; the asking proxy must overwrite what a client sends")
            }
            Self::BothKinds => f.write_str(
                "there are headers of both kinds, X-Original-… and X-Forwarded-…; the asking proxy must remove those \
                 that it does not set",
            ),
            Self::BothOriginals => f.write_str(
                "there are both X-Original-URI and X-Original-URL; ingress-nginx sets the second (and the first only with \
                 auth-method, which must be left out), any other nginx the first; the asking proxy must remove the one that it \
                 does not set",
            ),
            Self::NotOfIngress => f.write_str(
                "X-Original-URL is read only where X-Sent-From says nginx-ingress-controller; any other proxy must set \
                 X-Original-URI",
            ),
            Self::NoUrl => f.write_str(
                "X-Original-URL is not as ingress-nginx writes it: http:// or https://, a host with no other characters than \
                 a host has, and a path that starts with `/`",
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
/// set it, is noticed by its first request. Headers of two kinds are refused for the same reason: a proxy sets
/// one kind, and what a client has added is the other.
pub(super) fn read<'a>(headers: &Headers<'a>) -> Result<Line<'a>, Unclear> {
    const ORIGINAL: [&str; 2] = ["X-Original-URI", "X-Original-Method"];
    const FORWARDED: [&str; 3] = ["X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Host"];
    let original =
        [only(headers, "x-original-uri", ORIGINAL[0])?, only(headers, "x-original-method", ORIGINAL[1])?];
    let forwarded =
        [only(headers, "x-forwarded-uri", FORWARDED[0])?, only(headers, "x-forwarded-method", FORWARDED[1])?];
    // X-Forwarded-Host alone says nothing: proxies on the way to nginx set it.
    match (original, forwarded, url(headers)?) {
        ([Some(_), _], _, Some(_)) => Err(Unclear::BothOriginals),
        ([None, method], [None, None], Some(url)) => {
            let (authority, target) = split_original_url(url).ok_or(Unclear::NoUrl)?;
            line(Some(target), method, Some(authority).filter(|host| !host.is_empty()), ORIGINAL)
        }
        ([None, _], [None, None], None) if headers.first("x-original-url").is_some() => {
            Err(Unclear::NotOfIngress)
        }
        ([None, None], [None, None], None) => Err(Unclear::Untold),
        ([uri, method], [None, None], None) => {
            let authority = headers.first("host").or_else(|| headers.first(":authority"));
            line(uri, method, authority, ORIGINAL)
        }
        ([None, None], [uri, method], None) => {
            let authority = only(headers, "x-forwarded-host", FORWARDED[2])?;
            authority.ok_or(Unclear::Missing(FORWARDED[2]))?;
            line(uri, method, authority, [FORWARDED[0], FORWARDED[1]])
        }
        _ => Err(Unclear::BothKinds),
    }
}

/// `X-Original-URL`, where ingress-nginx asks. It always says so in `X-Sent-From`, over what a client says there. Of whoever else asks,
/// `X-Original-URL` may be a client's: then it says nothing, as any header that no proxy sets.
fn url<'a>(headers: &Headers<'a>) -> Result<Option<&'a [u8]>, Unclear> {
    if !headers.all("x-sent-from").any(|from| from == b"nginx-ingress-controller") {
        return Ok(None);
    }
    let url = only(headers, "x-original-url", "X-Original-URL")?;
    if url.is_some() {
        only(headers, "x-sent-from", "X-Sent-From")?;
    }
    Ok(url)
}

/// The authority and the target in `http://authority/target`, which ingress-nginx tells as `X-Original-URL`. `None` if it is not as that
/// writes it; the gate refuses such a question.
///
/// ingress-nginx makes it of `$scheme://$http_host$request_uri`, and the host is what the client says it is. nginx takes almost
/// anything there, such as `a.test?b=` or `a.test#`, but no `/`. So the first `/` is where the target starts, whatever a URL's
/// grammar says, and no host can move it. What stands before it must be a host. That leaves one target out: `?b=1`, as nginx has it
/// of `GET http://a.test?b=1`. It cannot be told from a host with a `?` in it, and is refused.
#[must_use]
pub fn split_original_url(url: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = url.strip_prefix(b"http://").or_else(|| url.strip_prefix(b"https://"))?;
    let parts = rest.split_at(memchr::memchr(b'/', rest)?);
    parts.0.iter().all(|byte| is_of_host(*byte)).then_some(parts)
}

/// Whether this stands in a host with a port, as RFC 3986 has it. (No `@`: a request's host has no user before it.)
const fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'['
                | b']'
        )
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
mod tests;
