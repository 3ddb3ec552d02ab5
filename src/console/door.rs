//! Who may come in.
//!
//! A browser is the weak place: any page in it can send requests to this machine. So nothing says that other pages may read answers
//! (no CORS); what changes anything wants a content type that no form can have, and must not come from another site; and where there is
//! no token, the host that is asked for must be this machine, by a name that nobody can make point here.

use std::net::IpAddr;

use super::Answer;
use crate::client::Address;
use crate::config::Token;
use crate::request::Headers;

/// Who may come in: whoever shows one of the tokens; if there are none, whoever is on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Door {
    /// The tokens.
    pub tokens: Vec<Token>,
}

/// A request to the console.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Its headers.
    pub headers: Headers<'a>,
    /// The address of this machine that it has come to, as the proxy says it.
    pub to: &'a [u8],
    /// The address that it has come from, as the proxy says it.
    pub from: &'a [u8],
}

/// Who has come in, as the log names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Whose token it was; nobody's where none is needed.
    pub token: Option<String>,
    /// The address that the request has come from.
    pub from: String,
}

impl Door {
    /// Lets a request in.
    ///
    /// # Errors
    /// The answer that it gets instead: 401 without a token that is known; 403 from another machine where there are no tokens, or from
    /// another site's page; 415 for a POST that is not JSON.
    pub fn admit(&self, call: Call) -> Result<Operator, Answer> {
        let token = self.token(call)?;
        if !is_page(call.headers) {
            of_this_site(call.headers)?;
        }
        if call.headers.first(":method") == Some(b"POST") {
            is_json(call.headers)?;
        }
        Ok(Operator { token, from: String::from_utf8_lossy(call.from).into_owned() })
    }

    fn token(&self, call: Call) -> Result<Option<String>, Answer> {
        if self.tokens.is_empty() {
            of_this_machine(call)?;
            return Ok(None);
        }
        let shown = call.headers.first("authorization").and_then(bearer);
        let mut known = None;
        // All of them, so that the time tells nothing.
        for token in &self.tokens {
            if shown.is_some_and(|shown| is_equal(shown, token.secret.as_bytes())) {
                known = Some(token);
            }
        }
        match known {
            Some(token) => Ok(Some(token.name.clone())),
            None if is_page(call.headers) => Ok(None),
            None => {
                let reason = "this console wants a token: send `Authorization: Bearer TOKEN` with one of those in `console.tokens`";
                Err(Answer::refusal(401, reason).with("www-authenticate", "Bearer"))
            }
        }
    }
}

/// The page itself says nothing, and asks for the token.
fn is_page(headers: Headers) -> bool {
    matches!(headers.first(":path"), Some(b"/")) && matches!(headers.first(":method"), Some(b"GET" | b"HEAD"))
}

fn of_this_machine(call: Call) -> Result<(), Answer> {
    let is_loopback = |address: &[u8]| matches!(Address::parse(address), Address::Ip(ip) if ip.is_loopback());
    if !is_loopback(call.to) || !is_loopback(call.from) {
        return Err(Answer::refusal(
            403,
            "without tokens the console answers this machine alone, on a loopback address; give it `console.tokens`, or listen on 127.0.0.1",
        ));
    }
    // A name that its owner lets point to 127.0.0.1 would make any page one of this site.
    if !call.headers.first(":authority").is_some_and(names_this_machine) {
        return Err(Answer::refusal(
            403,
            "without tokens the console answers to `localhost`, `127.0.0.1` and `[::1]` alone, not to other names of this machine",
        ));
    }
    Ok(())
}

fn names_this_machine(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn of_this_site(headers: Headers) -> Result<(), Answer> {
    if let Some(site) = headers.first("sec-fetch-site")
        && !matches!(site, b"same-origin" | b"none")
    {
        return Err(Answer::refusal(
            403,
            "this request comes from another site's page; only the console's own page may send it",
        ));
    }
    // A browser that does not tell the site tells the origin.
    if let Some(origin) = headers.first("origin") {
        let host = headers.first(":authority").unwrap_or_default();
        let is_own =
            [&b"http://"[..], b"https://"].iter().any(|scheme| origin.strip_prefix(*scheme) == Some(host));
        if !is_own {
            return Err(Answer::refusal(
                403,
                "this request comes from another site's page; only the console's own page may send it",
            ));
        }
    }
    Ok(())
}

/// No form of a page can send that.
fn is_json(headers: Headers) -> Result<(), Answer> {
    let kind = headers.first("content-type").unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if kind.eq_ignore_ascii_case(b"application/json") {
        Ok(())
    } else {
        Err(Answer::refusal(
            415,
            "what changes or finds anything is sent as JSON: `Content-Type: application/json`",
        ))
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// In a time that does not tell how much of it is right.
fn is_equal(shown: &[u8], token: &[u8]) -> bool {
    let differs = shown.iter().zip(token).fold(0, |differs, (one, other)| differs | (one ^ other));
    shown.len() == token.len() && std::hint::black_box(differs) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status that a request is refused with; 0 if it comes in.
    fn refused(door: &Door, headers: &[(&str, &str)], to: &str, from: &str) -> u16 {
        let usual = [(":method", "GET"), (":path", "/v1/policies"), (":authority", "127.0.0.1:9902")];
        let given = |name: &str| headers.iter().any(|(given, _)| *given == name);
        let pairs: Vec<_> = usual.iter().filter(|(name, _)| !given(name)).chain(headers).copied().collect();
        let block = Headers::encode(&pairs);
        let call = Call { headers: Headers::new(&block), to: to.as_bytes(), from: from.as_bytes() };
        door.admit(call).map_or_else(|answer| answer.status, |_| 0)
    }

    fn locally(headers: &[(&str, &str)]) -> u16 {
        refused(&Door::default(), headers, "127.0.0.1:9902", "127.0.0.1:5000")
    }

    #[test]
    fn without_tokens_this_machine_alone_comes_in() {
        assert_eq!(locally(&[]), 0);
        for (to, from, status) in [
            ("[::1]:9902", "[::1]:5000", 0),
            ("127.0.0.1:9902", "10.0.0.7:5000", 403),
            ("10.0.0.1:9902", "10.0.0.1:5000", 403),
            ("10.0.0.1:9902", "127.0.0.1:5000", 403),
            ("", "127.0.0.1:5000", 403),
            ("127.0.0.1:9902", "", 403),
        ] {
            assert_eq!(refused(&Door::default(), &[], to, from), status, "{to} {from}");
        }
        for (host, status) in [
            ("localhost", 0),
            ("LOCALHOST:1", 0),
            ("[::1]:9902", 0),
            ("127.1.2.3", 0),
            ("evil.example", 403),
            ("evil.example:9902", 403),
            ("127.0.0.1.evil.example", 403),
            ("localhost.evil.example:9902", 403),
            ("", 403),
            ("10.0.0.1", 403),
        ] {
            assert_eq!(locally(&[(":authority", host)]), status, "{host}");
        }
    }

    #[test]
    fn with_tokens_whoever_shows_one_comes_in() {
        let token = |name: &str, secret: &str| Token { name: name.to_owned(), secret: secret.to_owned() };
        let door = Door { tokens: vec![token("alice", "aaaa"), token("bob", "bbbb")] };
        let shown = |value: &str| {
            refused(
                &door,
                &[("authorization", value), (":authority", "ops.example")],
                "10.0.0.1:1",
                "10.0.0.2:1",
            )
        };
        for (value, status) in [
            ("Bearer aaaa", 0),
            ("bearer  bbbb ", 0),
            ("Bearer aaab", 401),
            ("Bearer aaa", 401),
            ("Bearer aaaaa", 401),
            ("Bearer ", 401),
            ("Bearer", 401),
            ("Basic aaaa", 401),
            ("aaaa", 401),
        ] {
            assert_eq!(shown(value), status, "{value}");
        }
        assert_eq!(refused(&door, &[], "127.0.0.1:1", "127.0.0.1:1"), 401, "on this machine, too");
        assert_eq!(refused(&door, &[(":path", "/")], "10.0.0.1:1", "10.0.0.2:1"), 0, "the page asks for it");
        assert_eq!(refused(&door, &[(":path", "/"), (":method", "POST")], "10.0.0.1:1", "10.0.0.2:1"), 401);
    }

    #[test]
    fn what_changes_anything_is_json_from_this_site() {
        let post = |headers: &[(&'static str, &'static str)]| {
            let mut all = vec![(":method", "POST"), (":path", "/v1/clients/find")];
            all.extend(headers);
            locally(&all)
        };
        let json = ("content-type", "application/json");
        assert_eq!(post(&[json]), 0);
        assert_eq!(post(&[("content-type", "Application/JSON; charset=utf-8")]), 0);
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
            assert_eq!(post(&[("content-type", kind)]), 415, "{kind}");
        }
        assert_eq!(post(&[]), 415);
        for (site, status) in
            [("same-origin", 0), ("none", 0), ("same-site", 403), ("cross-site", 403), ("", 403)]
        {
            assert_eq!(post(&[json, ("sec-fetch-site", site)]), status, "{site}");
        }
        for (origin, status) in [
            ("http://127.0.0.1:9902", 0),
            ("https://127.0.0.1:9902", 0),
            ("http://127.0.0.1:80", 403),
            ("http://evil.example", 403),
            ("null", 403),
        ] {
            assert_eq!(post(&[json, ("origin", origin)]), status, "{origin}");
        }
        assert_eq!(
            locally(&[("sec-fetch-site", "cross-site")]),
            403,
            "no other page has it look at all clients"
        );
        assert_eq!(
            locally(&[("sec-fetch-site", "cross-site"), (":path", "/")]),
            0,
            "a link may lead to the page"
        );
    }
}
