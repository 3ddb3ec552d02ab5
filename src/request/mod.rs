//! A borrowed view of one request. Bytes, not strings: a client may send anything.

mod charset;
mod cookie;
mod forwarded;
mod headers;
mod known;
mod parameters;
mod path;
pub(crate) mod percent;
mod target;
mod utf8;

use std::borrow::Cow;
use std::cell::OnceCell;

pub use cookie::Candidate;
pub use forwarded::{RequestFrom, Unclear, split_original_url};
pub use headers::{Headers, Iter};
pub use parameters::{Parameters, Values};

use crate::response::Asked;
use forwarded::Line;
use known::{Known, Name};
use path::Paths;
use target::Target;

/// What the proxy knows about a request besides its headers. Asked for only when a decision needs it,
/// since each answer costs a call to the proxy.
pub trait Properties {
    /// Where the request comes from, as the proxy says it: `192.0.2.1:4711`, `[2001:db8::1]:4711`, or without
    /// a port. Empty if it does not know.
    fn source_address(&self) -> Cow<'_, [u8]>;

    /// A claim of the JSON Web Token that the proxy has verified; `None` if there is none. `path` is its name; of a claim inside
    /// others the names that lead to it, separated by NUL.
    fn jwt_claim(&self, path: &str) -> Option<Cow<'_, [u8]>>;
}

/// A proxy that knows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProperties;

impl Properties for NoProperties {
    fn source_address(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(b"")
    }

    fn jwt_claim(&self, _path: &str) -> Option<Cow<'_, [u8]>> {
        None
    }
}

/// One request's header, as the proxy hands it over.
///
/// Servers differ in how they read a request, and so there are several readings of its path, parameters and method. Where
/// there are too many to look at each, it may be read as anything: then the method says `None`.
pub struct Request<'a> {
    headers: Known<'a>,
    properties: &'a dyn Properties,
    method: &'a [u8],
    authority: Option<&'a [u8]>,
    target: Target<'a>,
    /// The same as others read it: with what stands behind a `#`, without a further `?`; or as the proxy itself does.
    others: Vec<Target<'a>>,
    paths: OnceCell<Paths<'a>>,
    has_strange_charset: OnceCell<bool>,
    parameters: OnceCell<Option<Parameters<'a>>>,
    overrides: OnceCell<Vec<&'a [u8]>>,
    /// Whether the proxy that asks has written `!` for bytes that are not UTF-8.
    is_rewritten: bool,
}

impl<'a> Request<'a> {
    /// A view of `headers`, pseudo-headers included. Where a second `:path` follows the first, it is another reading of the target:
    /// the proxy's own, which may be decoded or rewritten.
    #[must_use]
    pub fn new(headers: Headers<'a>, properties: &'a dyn Properties) -> Self {
        let known = Known::of(headers);
        let method = known.first(Name::Method).unwrap_or_default();
        let target = known.first(Name::Path).unwrap_or_default();
        let also = if known.is_repeated(Name::Path) { second_target(&headers) } else { None };
        // Envoy has a client's Host as `:authority` alone. In nginx that is the server's name, and Host is Host.
        let authority = known.first(Name::Host).or_else(|| known.first(Name::Authority));
        Self::of(known, properties, &Line { method, target, also, authority })
    }

    /// A view of the request that is to be judged, which stands where `from` says.
    ///
    /// # Errors
    /// If another proxy asks about it in headers, and they do not tell it.
    pub fn read(
        from: RequestFrom,
        headers: Headers<'a>,
        properties: &'a dyn Properties,
    ) -> Result<Self, Unclear> {
        match from {
            RequestFrom::Direct => Ok(Self::new(headers, properties)),
            RequestFrom::ExtAuthz => Ok(Self { is_rewritten: true, ..Self::new(headers, properties) }),
            RequestFrom::Forwarded => {
                Ok(Self::of(Known::of(headers), properties, &forwarded::read(&headers)?))
            }
        }
    }

    fn of(headers: Known<'a>, properties: &'a dyn Properties, line: &Line<'a>) -> Self {
        let Line { method, target, also, authority } = *line;
        let only = Target::only_reading(target).filter(|_| also.is_none());
        let (target, others) = if let Some(only) = only {
            (only, Vec::new())
        } else {
            let mut targets = Target::readings(target).chain(also.into_iter().flat_map(Target::readings));
            let target = targets.next().unwrap_or_else(|| Target::of(b""));
            (target, targets.filter(|other| *other != target).collect())
        };
        Self {
            headers,
            properties,
            method,
            authority,
            target,
            others,
            paths: OnceCell::new(),
            has_strange_charset: OnceCell::new(),
            parameters: OnceCell::new(),
            overrides: OnceCell::new(),
            is_rewritten: false,
        }
    }

    /// The method, as sent.
    #[must_use]
    pub const fn method(&self) -> &'a [u8] {
        self.method
    }

    /// The host that was asked for, without port and trailing dot; empty if there is none. There are several if some proxy has
    /// joined them by a comma.
    pub fn hosts(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let authority = self.authority.unwrap_or_default();
        authority.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).map(host)
    }

    /// The path in every reading. What stands between its slashes and is not empty are its segments.
    pub fn paths(&self) -> Option<impl Iterator<Item = &[u8]>> {
        let others = || self.others.iter().map(|target| target.path).filter(|path| *path != self.target.path);
        let read = || path::readings(self.target.path, &others().collect::<Vec<_>>());
        let (one, several) = match self.paths.get_or_init(read) {
            Paths::One(path) => (Some(*path), &[][..]),
            Paths::Several(paths) => (None, paths.as_slice()),
            Paths::Anything => return None,
        };
        Some(one.into_iter().chain(several.iter().map(Vec::as_slice)))
    }

    /// The query's parameters in every reading. They may be anything if there are too many of them, or if the request names
    /// a charset in which they may say something else than what they seem to say.
    pub fn parameters(&self) -> Option<&Parameters<'a>> {
        let says = || self.headers.all("content-type").any(charset::is_strange);
        let is_strange = self.has_query() && *self.has_strange_charset.get_or_init(says);
        if is_strange { None } else { self.separated() }
    }

    fn has_query(&self) -> bool {
        [&self.target].into_iter().chain(&self.others).any(|target| !target.query.is_empty())
    }

    fn separated(&self) -> Option<&Parameters<'a>> {
        let others =
            || self.others.iter().map(|target| target.query).filter(|query| *query != self.target.query);
        let read = || Parameters::read(self.target.query, others());
        self.parameters.get_or_init(read).as_ref()
    }

    /// The methods by which the application may take the request in place of its own: many frameworks let a header or a
    /// parameter override it.
    pub fn method_overrides(&self) -> Option<impl Iterator<Item = Option<Values<'a>>>> {
        const HEADERS: [Name; 3] = [Name::HttpMethodOverride, Name::HttpMethod, Name::MethodOverride];
        let in_headers = self.overrides.get_or_init(|| {
            if HEADERS.iter().all(|name| self.headers.first(*name).is_none()) {
                return Vec::new();
            }
            let is_one = |name: &[u8]| Name::of(name).is_some_and(|name| HEADERS.contains(&name));
            self.headers.headers().iter().filter(|(name, _)| is_one(name)).map(|(_, method)| method).collect()
        });
        let in_query = self.parameters()?.named(b"_method").flatten().map(|(values, _)| values);
        let in_headers = in_headers.iter().flat_map(|methods| methods.split(|byte| *byte == b','));
        Some(in_headers.map(|method| Some(Values::literal(method))).chain(in_query))
    }

    /// All values of the query parameter `name`, as most servers read them, in order; none if there are too many parameters.
    pub fn query<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = Cow<'a, [u8]>> + use<'_, 'a, 'n> {
        self.separated().into_iter().flat_map(move |parameters| parameters.plain(name))
    }

    /// All values of the header `name` (in lower case), without surrounding white space, in order. The host that
    /// was asked for is `:authority`, whatever the proxy calls it.
    pub fn header<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let is_host = name == ":authority";
        let listed = if is_host { None } else { Some(self.headers.all(name)) };
        let host = self.authority.filter(|_| is_host);
        host.into_iter().chain(listed.into_iter().flatten()).map(<[u8]>::trim_ascii)
    }

    /// Every place that some framework takes for the cookie `name`, in order. What comes behind sixteen of them is one more, and
    /// unclear.
    pub fn cookies<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = Candidate<'a>> + use<'_, 'a, 'n> {
        let places = self
            .headers
            .all("cookie")
            .flat_map(move |header| cookie::candidates(header, name, self.is_rewritten));
        places
            .take(cookie::MOST + 1)
            .enumerate()
            .map(|(number, place)| Candidate { is_clear: place.is_clear && number < cookie::MOST, ..place })
    }

    /// All values of the cookie `name`, without surrounding white space and quotes, percent-decoded (most
    /// frameworks encode what they set, not all decode it), in order.
    pub fn cookie<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = Cow<'a, [u8]>> + use<'_, 'a, 'n> {
        self.cookies(name).map(|place| percent::text(place.value))
    }

    /// Where the request comes from, as the proxy says it. See [`Properties::source_address`].
    #[must_use]
    pub fn source_address(&self) -> Cow<'a, [u8]> {
        self.properties.source_address()
    }

    /// A claim of the verified JSON Web Token. See [`Properties::jwt_claim`].
    #[must_use]
    pub fn jwt_claim(&self, path: &str) -> Option<Cow<'a, [u8]>> {
        self.properties.jwt_claim(path)
    }

    /// What it asks for, as far as it says which answers are a success.
    #[must_use]
    pub fn asked(&self) -> Asked {
        let is_safe = matches!(self.method, b"GET" | b"HEAD");
        Asked { is_safe, is_upgrade: self.headers.first(Name::Upgrade).is_some() }
    }

    /// Whether this is a gRPC call, which wants its refusal as a gRPC status.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        let kind =
            self.headers.first(Name::ContentType).and_then(|kind| kind.strip_prefix(b"application/grpc"));
        kind.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    }
}

/// The target that follows the first one.
fn second_target<'a>(headers: &Headers<'a>) -> Option<&'a [u8]> {
    let mut targets = headers.iter().skip_while(|(name, _)| *name != b":path");
    targets.nth(1).filter(|(name, _)| *name == b":path").map(|(_, target)| target)
}

/// The host in `host:port`, without a dot at its end. What is no number is no port.
fn host(authority: &[u8]) -> &[u8] {
    let end_of_v6 = authority.iter().rposition(|byte| *byte == b']').unwrap_or(0);
    let colon = authority[end_of_v6..].iter().rposition(|byte| *byte == b':').map(|colon| end_of_v6 + colon);
    let host = match colon {
        Some(colon) if authority[colon + 1..].iter().all(u8::is_ascii_digit) => &authority[..colon],
        _ => authority,
    };
    host.strip_suffix(b".").unwrap_or(host)
}

#[cfg(test)]
mod tests;
