//! A line while it is read.

use std::borrow::Cow;

use tollgate::request::split_original_url;

use super::field::{Credential, Edge, Field, Line, Scalar, Skip, Text};
use super::time::{TimeForm, Unit, digits};

/// A line while it is read.
#[derive(Default)]
pub(crate) struct Draft<'a> {
    line: Line<'a>,
    start: Option<u64>,
    end: Option<u64>,
    duration: Option<u64>,
    query: Option<Text<'a>>,
    original_url: Option<Text<'a>>,
    is_request: bool,
}

impl<'a> Draft<'a> {
    /// Takes one field in. `None` if it cannot be what the format says it is.
    pub(crate) fn put(&mut self, field: &'a Field, value: Scalar<'a>) -> Option<()> {
        let line = &mut self.line;
        match field {
            Field::Other => {}
            Field::Time(form, edge) => {
                let known = match edge {
                    Edge::Start => &mut self.start,
                    Edge::End => &mut self.end,
                };
                // Of several times the first is the one to go by.
                *known = known.or_else(|| moment(form, &value));
            }
            Field::Duration(unit) => {
                if let Some(value) = value.if_given() {
                    self.duration = Some(span(*unit, &value)?);
                }
            }
            Field::Address => {
                let address = value.text();
                // What has a space in it is two fields of another format.
                if address.contains(&b' ') {
                    return None;
                }
                line.address = if *address == *b"-" { Text::default() } else { address };
            }
            Field::ForwardedFor => line.forwarded_for = value.given(),
            Field::RequestLine => {
                let text = value.text();
                self.is_request = self.put_request_line(text);
            }
            Field::Method => {
                line.method = value.text();
                self.is_request |= is_method(&line.method);
            }
            Field::Target => line.target = value.text(),
            Field::Query => self.query = value.given(),
            Field::Host => line.host = value.given(),
            Field::OriginalUrl => self.original_url = value.given(),
            Field::Status => line.status = value.status()?,
            Field::GrpcStatus => line.grpc = value.given().and_then(|text| grpc_status(&text)),
            Field::Details => line.details = value.given().unwrap_or_default(),
            Field::Credential => {
                line.credential = value.given().map_or(Credential::Absent, Credential::StandIn);
            }
            Field::User => {
                if let Some(name) = value.given()
                    && line.credential == Credential::Untold
                {
                    line.credential = Credential::StandIn(name);
                }
            }
            Field::Header(name) if name == "user-agent" => line.agent = value.given(),
            Field::Header(name) => {
                line.headers.extend(value.given().map(|value| (Cow::Borrowed(name.as_str()), value)));
            }
            Field::Cookie(name) => {
                line.cookies.extend(value.given().map(|value| (Cow::Borrowed(name.as_str()), value)));
            }
        }
        Some(())
    }

    /// One more header, whose name the log tells.
    pub(crate) fn put_header(&mut self, name: Cow<'a, str>, value: Text<'a>) {
        let name = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(name.to_ascii_lowercase())
        } else {
            name
        };
        if name == "user-agent" {
            self.line.agent = Some(value);
        } else {
            self.line.headers.push((name, value));
        }
    }

    fn put_request_line(&mut self, text: Text<'a>) -> bool {
        let Some((method, target)) = request_line(&text) else { return false };
        (self.line.method, self.line.target) = match text {
            Cow::Borrowed(text) => (Cow::Borrowed(&text[method]), Cow::Borrowed(&text[target])),
            Cow::Owned(text) => (Cow::Owned(text[method].to_vec()), Cow::Owned(text[target].to_vec())),
        };
        true
    }

    /// What the line says, now that all of it was read.
    pub(crate) fn finish(self) -> Result<Line<'a>, Skip> {
        let Self { mut line, start, end, duration, query, original_url, is_request } = self;
        let duration = duration.unwrap_or_default();
        (line.start, line.end) = match (start, end) {
            (Some(start), end) => (start, end.unwrap_or_else(|| start.saturating_add(duration)).max(start)),
            (None, Some(end)) => (end.saturating_sub(duration), end),
            (None, None) => return Err(Skip::NoTime),
        };
        if !is_request {
            return Err(Skip::NoRequest);
        }
        if let Some(url) = original_url {
            // What ingress-nginx has asked about. Beside it stands the host of the service itself.
            let (host, target) = split_original_url(&url).ok_or(Skip::NoRequest)?;
            line.host = (!host.is_empty()).then(|| Cow::Owned(host.to_vec()));
            line.target = Cow::Owned(target.to_vec());
        }
        if let Some(query) = query {
            let mut target = line.target.into_owned();
            if !query.starts_with(b"?") {
                target.push(b'?');
            }
            target.extend_from_slice(&query);
            line.target = Cow::Owned(target);
        }
        split_url(&mut line);
        Ok(line)
    }
}

/// Method and target of `GET /a HTTP/1.1`, as ranges; `None` if this is none.
fn request_line(text: &[u8]) -> Option<(std::ops::Range<usize>, std::ops::Range<usize>)> {
    let method = memchr::memchr(b' ', text)?;
    let last = memchr::memrchr(b' ', text)?;
    // A client may send a target with spaces in it, or, by HTTP/0.9, no version.
    let end = if last > method && text[last + 1..].starts_with(b"HTTP/") { last } else { text.len() };
    (is_method(&text[..method]) && method + 1 < end).then_some((0..method, method + 1..end))
}

/// A token of RFC 9110: binary rubbish, such as TLS spoken to a port without it, is none.
fn is_method(text: &[u8]) -> bool {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text != b"-" && text.iter().all(is_token)
}

/// `https://host:443/path` is a path, and names a host.
fn split_url(line: &mut Line) {
    let Some(after) = line.target.iter().take(8).position(|byte| *byte == b':') else { return };
    let Some(rest) = line.target.get(after..).and_then(|rest| rest.strip_prefix(b"://")) else { return };
    let host = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (host, target) = (rest[..host].to_vec(), rest[host..].to_vec());
    if line.host.is_none() {
        line.host = Some(Cow::Owned(host));
    }
    line.target = Cow::Owned(if target.starts_with(b"/") { target } else { [b"/", &*target].concat() });
}

/// A gRPC status by number or, as Envoy writes it, by a name such as `PermissionDenied`.
fn grpc_status(text: &[u8]) -> Option<u32> {
    if let Some(number) = digits(text) {
        return number.try_into().ok();
    }
    if text == b"OK" {
        return Some(0);
    }
    // Its names in Envoy are in camel case.
    let mut name = String::new();
    for byte in text {
        if byte.is_ascii_uppercase() && !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
        name.push(char::from(*byte));
    }
    let plain = std::str::from_utf8(text).ok()?;
    let number = tollgate::scope::GrpcStatuses::number;
    number(plain).or_else(|| number(&name)).or_else(|| (text == b"Canceled").then_some(1))
}

fn moment(form: &TimeForm, value: &Scalar) -> Option<u64> {
    match (form, value) {
        (_, Scalar::Text(text) | Scalar::Plain(text)) => form.parse(text),
        (_, Scalar::Owned(text)) => form.parse(text),
        (TimeForm::Epoch(unit), Scalar::Int(number)) => unit.of_int(*number),
        (TimeForm::Epoch(unit), Scalar::Float(number)) => unit.of_float(*number),
        (TimeForm::IsoOrEpoch, Scalar::Int(number)) => Unit::of_epoch(*number).of_int(*number),
        // No number of milliseconds has a fraction.
        (TimeForm::IsoOrEpoch, Scalar::Float(number)) => Unit::Seconds.of_float(*number),
        _ => None,
    }
}

fn span(unit: Unit, value: &Scalar) -> Option<u64> {
    match value {
        Scalar::Text(text) | Scalar::Plain(text) => unit.micros(text),
        Scalar::Owned(text) => unit.micros(text),
        Scalar::Int(number) => unit.of_int(*number),
        Scalar::Float(number) => unit.of_float(*number),
    }
}
