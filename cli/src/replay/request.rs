//! From a line to the request that it tells of.

use std::borrow::Cow;
use std::fmt::Write;

use tollgate::client::Source;
use tollgate::config::Config;
use tollgate::request::{Headers, Properties};
use tollgate::response::Origin;

use super::needs::{Need, Needs};
use crate::log::{Credential, Field, Format, Line, REDACTED};

/// How lines become requests for one policy.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    needs: Needs,
    sources: Vec<Source>,
    trusted_hops: usize,
}

/// One request, as far as a line tells it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// When it was answered.
    pub(crate) end: u64,
    /// The number of its line, and its file's place.
    pub(crate) line: u64,
    pub(crate) file: usize,
    /// 0 if it was never answered.
    pub(crate) status: u16,
    pub(crate) grpc: Option<u32>,
    pub(crate) origin: Origin,
    /// Whether the log tells which credential it had, or none, as far as that matters.
    pub(crate) is_attributed: bool,
    pub(crate) has_query: bool,
    address: usize,
    stand_in: usize,
    /// Its address, what stands for its credential, and its headers.
    bytes: Box<[u8]>,
}

impl Entry {
    pub(crate) fn address(&self) -> &[u8] {
        &self.bytes[..self.address]
    }

    /// What stands for its credential in the log; empty if nothing does.
    pub(crate) fn stand_in(&self) -> &[u8] {
        &self.bytes[self.address..self.address + self.stand_in]
    }

    pub(crate) fn headers(&self) -> Headers<'_> {
        Headers::new(&self.bytes[self.address + self.stand_in..])
    }
}

impl Properties for Entry {
    fn source_address(&self) -> Cow<'_, [u8]> {
        self.address().into()
    }

    /// What users are told apart by is all that a log has of a token.
    fn jwt_claim(&self, _path: &str) -> Option<Cow<'_, [u8]>> {
        let claim = self.stand_in();
        (!claim.is_empty()).then(|| claim.into())
    }
}

impl Shape {
    /// The shape for this policy. With `trusted_hops` proxies in front of the one that has written the log, the client is the one
    /// that so many of them have named in `X-Forwarded-For`.
    pub(crate) fn new(config: &Config, trusted_hops: usize) -> Self {
        let sources = config.policy.client.credential_from.clone();
        Self { needs: Needs::of(config), sources, trusted_hops }
    }

    /// The request of a line.
    pub(crate) fn entry(&self, format: &Format, line: &Line, number: u64, file: usize) -> Entry {
        let mut pairs: Vec<(&str, Cow<[u8]>)> = Vec::with_capacity(8);
        pairs.push((":method", Cow::Borrowed(&*line.method)));
        pairs.push((":path", Cow::Borrowed(&*line.target)));
        if let Some(host) = &line.host {
            pairs.push((":authority", Cow::Borrowed(host)));
        }
        if let Some(agent) = line.agent.as_ref().filter(|_| self.needs.has(&Need::UserAgent)) {
            pairs.push(("user-agent", Cow::Borrowed(agent)));
        }
        for (name, value) in &line.headers {
            if self.wants_header(name) && **value != *REDACTED {
                pairs.push((name, Cow::Borrowed(value)));
            }
        }
        for (name, value) in &line.cookies {
            pairs.push(("cookie", Cow::Owned([name.as_bytes(), b"=", value].concat())));
        }
        if line.status == 101 {
            // What was switched to another protocol has asked for it.
            pairs.push(("upgrade", Cow::Borrowed(b"websocket")));
        }
        let is_attributed = !self.needs.credentials || self.is_attributed(format, line);
        let stand_in: &[u8] = match &line.credential {
            Credential::StandIn(text) if self.needs.credentials => text,
            _ => b"",
        };
        if !stand_in.is_empty()
            && let Some(source) = self.sources.first()
        {
            // In front of what else the line tells, in its place: it stands for that.
            pairs.retain(|(name, _)| !self.is_source(name));
            pairs.push(presented(source, stand_in));
        }
        let address = line.client(self.trusted_hops);
        let block = Headers::encode(&pairs);
        let bytes = [address, stand_in, &block].concat().into_boxed_slice();
        Entry {
            end: line.end,
            line: number,
            file,
            // nginx says so of a client that has gone away.
            status: if line.status == 499 { 0 } else { line.status },
            grpc: line.grpc,
            origin: Origin::of_details(&line.details),
            is_attributed,
            has_query: line.target.contains(&b'?'),
            address: address.len(),
            stand_in: stand_in.len(),
            bytes,
        }
    }

    fn wants_header(&self, name: &str) -> bool {
        self.is_source(name)
            || self.needs.all.iter().any(|need| match need {
                Need::Header(wanted) => wanted == name,
                Need::Cookie(_) => name == "cookie",
                _ => false,
            })
    }

    fn is_source(&self, name: &str) -> bool {
        self.sources.iter().any(|source| match source {
            Source::Header { name: known, .. } => known == name,
            Source::Cookie(_) => name == "cookie",
        })
    }

    fn is_attributed(&self, format: &Format, line: &Line) -> bool {
        if line.credential != Credential::Untold {
            return true;
        }
        // The log may have what the client has sent, or may have had it struck out.
        if line.headers.iter().any(|(name, value)| self.is_source(name) && **value == *REDACTED) {
            return false;
        }
        let tells = |source: &Source| match source {
            Source::Header { name, .. } => {
                format.tells(|field| matches!(field, Field::Header(known) if known == name))
            }
            Source::Cookie(name) => format.tells(|field| {
                matches!(field, Field::Cookie(known) if known == name)
                    || matches!(field, Field::Header(known) if known == "cookie")
            }),
        };
        format.tells_headers() || self.sources.iter().all(tells)
    }
}

/// A stand-in where the policy looks for a credential: as hexadecimal digits, which are one in every place, and no two
/// spellings of which are taken for one.
fn presented<'s>(source: &'s Source, stand_in: &[u8]) -> (&'s str, Cow<'static, [u8]>) {
    let hex = hex(stand_in);
    match source {
        Source::Cookie(name) => ("cookie", Cow::Owned(format!("{name}={hex}").into_bytes())),
        Source::Header { name, schemes } => {
            let other = schemes.iter().find(|scheme| !scheme.eq_ignore_ascii_case("basic"));
            let value = match (other, schemes.is_empty()) {
                (Some(scheme), _) => format!("{scheme} {hex}"),
                (None, true) => hex,
                (None, false) => format!("Basic {}", base64(format!("{hex}:").as_bytes())),
            };
            (name, Cow::Owned(value.into_bytes()))
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // A string takes all that is written.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |value: u32| char::from(DIGITS[(value & 63) as usize]);
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        text.push(digit(bits >> 18));
        text.push(digit(bits >> 12));
        text.push(if chunk.len() > 1 { digit(bits >> 6) } else { '=' });
        text.push(if chunk.len() > 2 { digit(bits) } else { '=' });
    }
    text
}
