//! A borrowed view of one request. Bytes, not strings: a client may send anything.

mod forwarded;
mod headers;
mod path;
pub(crate) mod percent;

use std::borrow::Cow;
use std::cell::OnceCell;

pub use forwarded::{RequestFrom, Unclear};
pub use headers::{Headers, Iter};

use crate::response::Asked;
use forwarded::Line;

/// What the proxy knows about a request besides its headers. Asked for only when a decision needs it,
/// since each answer costs a call to the proxy.
pub trait Properties {
    /// Where the request comes from, as the proxy says it: `192.0.2.1:4711`, `[2001:db8::1]:4711`, or without
    /// a port. Empty if it does not know.
    fn source_address(&self) -> Vec<u8>;

    /// A claim of the JSON Web Token that the proxy has verified; `None` if there is none. `path` is its name; of a claim inside
    /// others the names that lead to it, separated by NUL.
    fn jwt_claim(&self, path: &str) -> Option<Vec<u8>>;
}

/// A proxy that knows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProperties;

impl Properties for NoProperties {
    fn source_address(&self) -> Vec<u8> {
        Vec::new()
    }

    fn jwt_claim(&self, _path: &str) -> Option<Vec<u8>> {
        None
    }
}

/// One request's header, as the proxy hands it over.
pub struct Request<'a> {
    headers: Headers<'a>,
    properties: &'a dyn Properties,
    method: &'a [u8],
    authority: Option<&'a [u8]>,
    raw_path: &'a [u8],
    raw_query: &'a [u8],
    paths: OnceCell<Vec<Cow<'a, [u8]>>>,
}

impl<'a> Request<'a> {
    /// A view of `headers`, pseudo-headers included.
    #[must_use]
    pub fn new(headers: Headers<'a>, properties: &'a dyn Properties) -> Self {
        let method = headers.first(":method").unwrap_or_default();
        let target = headers.first(":path").unwrap_or_default();
        // Envoy has a client's Host as `:authority` alone. In nginx that is the server's name, and Host is Host.
        let authority = headers.first("host").or_else(|| headers.first(":authority"));
        Self::of(headers, properties, &Line { method, target, authority })
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
            RequestFrom::Direct | RequestFrom::ExtAuthz => Ok(Self::new(headers, properties)),
            RequestFrom::Forwarded => Ok(Self::of(headers, properties, &forwarded::read(&headers)?)),
        }
    }

    fn of(headers: Headers<'a>, properties: &'a dyn Properties, line: &Line<'a>) -> Self {
        let Line { method, target, authority } = *line;
        // A fragment is not the server's business; a proxy that lets one through sends it to no resource.
        let (target, _fragment) = split_at_byte(target, b'#');
        let (raw_path, raw_query) = split_at_byte(target, b'?');
        Self { headers, properties, method, authority, raw_path, raw_query, paths: OnceCell::new() }
    }

    /// The method, as sent.
    #[must_use]
    pub const fn method(&self) -> &'a [u8] {
        self.method
    }

    /// The host that was asked for, without port and trailing dot; empty if there is none.
    #[must_use]
    pub fn host(&self) -> &'a [u8] {
        let authority = self.authority.unwrap_or_default();
        let end_of_v6 = authority.iter().rposition(|byte| *byte == b']').unwrap_or(0);
        let port = authority[end_of_v6..].iter().rposition(|byte| *byte == b':');
        let host = port.map_or(authority, |port| &authority[..end_of_v6 + port]);
        host.strip_suffix(b".").unwrap_or(host)
    }

    /// The path in normal form: percent-decoded once, `\` taken as `/`, slashes merged, dot-segments resolved,
    /// no trailing slash; the root is empty. There are several if servers would read it in different ways,
    /// because of an encoded slash or of `//../`.
    pub fn paths(&self) -> impl Iterator<Item = &[u8]> {
        self.paths.get_or_init(|| path::readings(self.raw_path)).iter().map(|path| &**path)
    }

    /// All values of the query parameter `name`, decoded, in order.
    pub fn query<'q>(&'q self, name: &'q [u8]) -> impl Iterator<Item = Cow<'a, [u8]>> + use<'a, 'q> {
        self.raw_query.split(|byte| *byte == b'&').filter_map(move |pair| {
            let (key, value) = split_at_byte(pair, b'=');
            percent::decode_form(key).eq(name.iter().copied()).then(|| percent::form_text(value))
        })
    }

    /// All values of the header `name` (in lower case), without surrounding white space, in order. The host that
    /// was asked for is `:authority`, whatever the proxy calls it.
    pub fn header<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let is_host = name == ":authority";
        let listed = if is_host { Headers::default() } else { self.headers };
        let host = self.authority.filter(|_| is_host);
        host.into_iter().chain(listed.all(name)).map(<[u8]>::trim_ascii)
    }

    /// All values of the cookie `name`, without surrounding white space and quotes, percent-decoded (most
    /// frameworks encode what they set, not all decode it), in order.
    pub fn cookie<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = Cow<'a, [u8]>> + use<'a, 'n> {
        self.headers.all("cookie").flat_map(|cookies| cookies.split(|byte| *byte == b';')).filter_map(
            move |pair| {
                let (key, value) = split_at_byte(pair, b'=');
                (key.trim_ascii() == name).then(|| percent::text(unquoted(value.trim_ascii())))
            },
        )
    }

    /// Where the request comes from, as the proxy says it. See [`Properties::source_address`].
    #[must_use]
    pub fn source_address(&self) -> Vec<u8> {
        self.properties.source_address()
    }

    /// A claim of the verified JSON Web Token. See [`Properties::jwt_claim`].
    #[must_use]
    pub fn jwt_claim(&self, path: &str) -> Option<Vec<u8>> {
        self.properties.jwt_claim(path)
    }

    /// What it asks for, as far as it says which answers are a success.
    #[must_use]
    pub fn asked(&self) -> Asked {
        let is_safe = matches!(self.method, b"GET" | b"HEAD");
        Asked { is_safe, is_upgrade: self.headers.first("upgrade").is_some() }
    }

    /// Whether this is a gRPC call, which wants its refusal as a gRPC status.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        let kind = self.headers.first("content-type").and_then(|kind| kind.strip_prefix(b"application/grpc"));
        kind.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    }
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// What stands before the first `byte` and after it; all and nothing if there is none.
fn split_at_byte(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|found| *found == byte) {
        Some(index) => (&text[..index], &text[index + 1..]),
        None => (text, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(pairs: &[(&str, &str)], look: impl FnOnce(&Request) -> T) -> T {
        look(&Request::new(Headers::new(&Headers::encode(pairs)), &NoProperties))
    }

    fn texts<'a, T: AsRef<[u8]>>(values: impl Iterator<Item = T> + 'a) -> Vec<String> {
        values.map(|value| String::from_utf8_lossy(value.as_ref()).into_owned()).collect()
    }

    #[test]
    fn the_target_is_path_and_query() {
        for (target, path, value) in [
            ("/a?b=1", "/a", vec!["1"]),
            ("/a/?b=1&c=2&b=x+y%2Bz&B=3", "/a", vec!["1", "x y+z"]),
            ("/a?%62=1&b&b=", "/a", vec!["1", "", ""]),
            ("/a?b=1=2?3", "/a", vec!["1=2?3"]),
            ("/a#?b=1", "/a", vec![]),
            ("/a?b=1#&b=2", "/a", vec!["1"]),
            ("/a%3Fb=1", "/a?b=1", vec![]),
            ("?b=1", "", vec!["1"]),
            ("", "", vec![]),
            ("*", "/*", vec![]),
        ] {
            with(&[(":path", target)], |request| {
                assert_eq!(texts(request.paths()), [path], "{target}");
                assert_eq!(texts(request.query(b"b")), value, "{target}");
            });
        }
        with(&[(":path", "/a%2Fb")], |request| assert_eq!(texts(request.paths()), ["/a/b", "/a%2Fb"]));
    }

    #[test]
    fn the_host_has_no_port() {
        for (authority, host) in [
            ("example.com", "example.com"),
            ("example.com:8080", "example.com"),
            ("example.com.:80", "example.com"),
            ("[2001:db8::1]:80", "[2001:db8::1]"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("", ""),
        ] {
            with(&[(":authority", authority)], |request| assert_eq!(request.host(), host.as_bytes()));
        }
    }

    #[test]
    fn the_host_is_what_the_client_asked_for() {
        let nginx = [(":authority", "server.internal"), ("host", "example.com:80")];
        with(&nginx, |request| {
            assert_eq!(request.host(), b"example.com");
            assert_eq!(texts(request.header(":authority")), ["example.com:80"]);
        });
        with(&[(":authority", "a.test")], |request| {
            assert_eq!(texts(request.header(":authority")), ["a.test"]);
        });
        with(&[("a", "b")], |request| assert_eq!(texts(request.header(":authority")), [""; 0]));
    }

    #[test]
    fn a_forwarded_request_is_the_original_one() {
        let block = Headers::encode(&[
            (":method", "GET"),
            (":path", "/ask?b=9"),
            (":authority", "gate.internal"),
            ("x-forwarded-method", "PUT"),
            ("x-forwarded-uri", "/a%2e/../c?b=1#?b=2"),
            ("x-forwarded-host", "a.test:80"),
        ]);
        let read = |from| Request::read(from, Headers::new(&block), &NoProperties);
        let request = read(RequestFrom::Forwarded).expect("all is told");
        assert_eq!(request.method(), b"PUT");
        assert_eq!(texts(request.paths()), ["/c"]);
        assert_eq!(texts(request.query(b"b")), ["1"]);
        assert_eq!(request.host(), b"a.test");
        assert_eq!(texts(request.header(":authority")), ["a.test:80"]);
        for from in [RequestFrom::Direct, RequestFrom::ExtAuthz] {
            let request = read(from).expect("nothing to be told");
            assert_eq!((request.method(), request.host()), (&b"GET"[..], &b"gate.internal"[..]));
            assert_eq!(texts(request.query(b"b")), ["9"]);
        }
    }

    #[test]
    fn cookies_are_found_in_all_cookie_headers() {
        let pairs = [("cookie", "a=1; sessionid=x; b"), ("cookie", "sessionid = \"%79\" ;SESSIONID=z")];
        with(&pairs, |request| {
            assert_eq!(texts(request.cookie(b"sessionid")), ["x", "y"]);
            assert_eq!(texts(request.cookie(b"b")), [""]);
            assert_eq!(texts(request.cookie(b"none")), [""; 0]);
        });
    }

    #[test]
    fn grpc_is_known_by_its_content_type() {
        for (kind, grpc) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc; charset=x", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            with(&[("content-type", kind)], |request| assert_eq!(request.is_grpc(), grpc, "{kind}"));
        }
    }
}
