//! A request as a client would send it, from whatever a person has at hand.

mod curl;
mod har;
mod raw;
mod shell;
mod url;

pub(crate) use curl::from_curl;
pub(crate) use har::{Entry, from_har};
pub(crate) use raw::from_raw;
pub(crate) use url::Url;

use std::borrow::Cow;

use tollgate::client::Address;
use tollgate::request::{Properties, RequestFrom};

use crate::tell;

/// By these another proxy asks, and so no client says them.
const ASKING: [&[u8]; 6] = [
    b"x-original-uri",
    b"x-original-url",
    b"x-original-method",
    b"x-forwarded-uri",
    b"x-forwarded-method",
    b"x-forwarded-host",
];

/// Where a request comes from if nobody says it: an address of documentation (RFC 5737).
pub(crate) const SOMEWHERE: &str = "192.0.2.1";

/// A request, and what the proxy knows about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    /// With its port, if it has one.
    pub(crate) host: Vec<u8>,
    /// Names in lower case, values without white space at their ends.
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The client's address, as the proxy says it.
    pub(crate) from: String,
    /// Claims of a verified token: the names that lead to each, separated by NUL, and its value.
    pub(crate) claims: Vec<(String, String)>,
}

impl Sent {
    /// A request for this target.
    ///
    /// # Errors
    /// If no proxy would take it; in words.
    pub(crate) fn new(method: &[u8], url: Url) -> Result<Self, String> {
        if method.is_empty() || !method.iter().all(|byte| is_of_token(*byte)) {
            return Err(format!("`{}` is not a method, such as GET", tell::bytes(method)));
        }
        let Url { host, target, user } = url;
        let mut sent = Self {
            method: method.to_vec(),
            target,
            host,
            headers: Vec::new(),
            from: SOMEWHERE.to_owned(),
            claims: Vec::new(),
        };
        if let Some(user) = user {
            sent.put(b"authorization", &[b"Basic ", base64(&user).as_slice()].concat())?;
        }
        Ok(sent)
    }

    /// One more header. `Host` replaces the host.
    ///
    /// # Errors
    /// If no proxy would take it; in words.
    pub(crate) fn put(&mut self, name: &[u8], value: &[u8]) -> Result<(), String> {
        let shown = || tell::bytes(name);
        if name.is_empty() || !name.iter().all(|byte| is_of_token(*byte)) {
            return Err(format!("`{}` is not the name of a header", shown()));
        }
        if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err(format!(
                "the header `{}` has a line break or a NUL in it, which Envoy answers with 400",
                shown()
            ));
        }
        let (name, value) = (name.to_ascii_lowercase(), value.trim_ascii().to_vec());
        if name == b"host" {
            self.host = value;
        } else {
            self.headers.push((name, value));
        }
        Ok(())
    }

    /// One more header, as it is written: `Name: value`.
    ///
    /// # Errors
    /// If there is no colon, or no proxy would take it; in words.
    pub(crate) fn put_line(&mut self, line: &[u8]) -> Result<(), String> {
        let colon = line.iter().position(|byte| *byte == b':');
        let Some(colon) = colon else {
            return Err(format!("`{}` is not a header; write `Name: value`", tell::bytes(line)));
        };
        self.put(line[..colon].trim_ascii(), &line[colon + 1..])
    }

    /// The first value of this header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(known, _)| known == name.as_bytes()).map(|(_, value)| value.as_slice())
    }

    /// The client's address, checked.
    ///
    /// # Errors
    /// If it is none; in words.
    pub(crate) fn come_from(&mut self, address: &str) -> Result<(), String> {
        if address != "unknown" && Address::parse(address.as_bytes()) == Address::Unknown {
            return Err(format!(
                "`{}` is not an address, such as 192.0.2.1 or 2001:db8::1; `unknown` is one that the proxy does not know",
                tell::clean(address)
            ));
        }
        address.clone_into(&mut self.from);
        Ok(())
    }

    /// A claim of a verified token, as it is written: `NAME=VALUE`, or `NAME.NAME=VALUE` for one inside another.
    ///
    /// # Errors
    /// If there is no `=`; in words.
    pub(crate) fn put_claim(&mut self, claim: &str) -> Result<(), String> {
        let (name, value) = claim.split_once('=').ok_or_else(|| {
            format!("`{}` is not a claim; write `NAME=VALUE`, such as `sub=alice`", tell::clean(claim))
        })?;
        self.claims.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Its headers as the proxy hands them over; where another proxy asks, as nginx does.
    pub(crate) fn pairs(&self, from: RequestFrom) -> Vec<(Vec<u8>, Vec<u8>)> {
        let pair = |name: &str, value: &[u8]| (name.as_bytes().to_vec(), value.to_vec());
        if from != RequestFrom::Forwarded {
            let line =
                [pair(":method", &self.method), pair(":authority", &self.host), pair(":path", &self.target)];
            return line.into_iter().chain(self.headers.iter().cloned()).collect();
        }
        let question = [
            pair(":method", b"GET"),
            pair(":authority", &self.host),
            pair(":path", b"/"),
            pair("x-original-uri", &self.target),
            pair("x-original-method", &self.method),
        ];
        let others = self.headers.iter().filter(|(name, _)| !ASKING.contains(&name.as_slice()));
        question.into_iter().chain(others.cloned()).collect()
    }

    /// In one line, as it is shown.
    pub(crate) fn line(&self) -> String {
        let host =
            if self.host.is_empty() { String::new() } else { format!(" of {}", tell::bytes(&self.host)) };
        format!(
            "{} {}{host}, from {}",
            tell::bytes(&self.method),
            shortened(&tell::bytes(&self.target)),
            self.from
        )
    }
}

/// At most 300 characters of it.
fn shortened(text: &str) -> String {
    const MOST: usize = 300;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl Properties for Sent {
    fn source_address(&self) -> Cow<'_, [u8]> {
        let from = if self.from == "unknown" { "" } else { &self.from };
        from.as_bytes().into()
    }

    fn jwt_claim(&self, path: &str) -> Option<Cow<'_, [u8]>> {
        let is_named = |name: &str| name == path || name.replace('.', "\0") == path;
        self.claims.iter().find(|(name, _)| is_named(name)).map(|(_, value)| value.as_bytes().into())
    }
}

/// Whether a byte may stand in a `token` (RFC 9110, 5.6.2).
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let is_padding = digit > chunk.len();
            let value = (bits >> (18 - 6 * digit) & 63) as usize;
            encoded.push(if is_padding { b'=' } else { DIGITS[value] });
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_basic_has_it() {
        for (text, expected) in [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("u:p", "dTpw")] {
            assert_eq!(base64(text.as_bytes()), expected.as_bytes());
        }
    }

    #[test]
    fn what_no_proxy_takes_is_refused() {
        let url = || Url::parse(b"/a").expect("a target");
        assert!(Sent::new(b"G T", url()).is_err() && Sent::new(b"", url()).is_err());
        let mut sent = Sent::new(b"GET", url()).expect("a request");
        for line in ["x", ": x", "a b: x", "a: x\r\nb: y"] {
            assert!(sent.put_line(line.as_bytes()).is_err(), "{line}");
        }
        sent.put_line(b"X-A:  b ").expect("a header");
        sent.put_line(b"Host: a.test").expect("a header");
        assert_eq!((sent.header("x-a"), sent.host.as_slice()), (Some(&b"b"[..]), &b"a.test"[..]));
        assert!(sent.come_from("localhost").is_err() && sent.come_from("[::1]:80").is_ok());
        assert!(sent.put_claim("sub").is_err());
    }
}
