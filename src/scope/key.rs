//! Who is counted.

use crate::client::{Address, Client, Prefixes};
use crate::request::Request;
use crate::store::{Fingerprint, Fingerprinter, Secret};
use std::net::IpAddr;

/// Who is counted: the first of these parts that the request has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(pub Vec<KeyPart>);

/// Something that tells clients apart.
///
/// Where a request repeats a header, parameter or cookie, the last one counts, as in Django.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// The client's address, grouped by the configured prefixes. Every request has one: those whose address
    /// the proxy does not know are one client.
    Address,
    /// The client's credential.
    Credential,
    /// Nothing: one counter for all.
    Global,
    /// A header that is not empty, by its name in lower case.
    Header(String),
    /// A query parameter that is not empty.
    Query(String),
    /// A cookie that is not empty.
    Cookie(String),
    /// All of these together; the request must have each.
    All(Vec<KeyPart>),
}

impl Key {
    /// The fingerprint of whom this key counts; `None` if the request has none of its parts.
    #[must_use]
    pub fn client(
        &self,
        request: &Request,
        client: &Client,
        prefixes: Prefixes,
        secret: &Secret,
    ) -> Option<Fingerprint> {
        self.0.iter().find_map(|part| {
            let mut fingerprinter = Fingerprinter::new(secret);
            part.write(request, client, prefixes, &mut fingerprinter)?;
            Some(fingerprinter.finish())
        })
    }
}

impl KeyPart {
    /// Takes this part in; `None` if the request does not have it.
    ///
    /// The kinds and names keep parts apart that happen to have the same value. They stand in the counters'
    /// addresses, so a change of them would lose every counter.
    fn write(
        &self,
        request: &Request,
        client: &Client,
        prefixes: Prefixes,
        out: &mut Fingerprinter,
    ) -> Option<()> {
        match self {
            Self::Global => out.piece(0, b""),
            Self::Address => match client.address().network(prefixes) {
                Address::Ip(IpAddr::V4(ip)) => out.piece(1, &ip.octets()),
                Address::Ip(IpAddr::V6(ip)) => out.piece(1, &ip.octets()),
                Address::Unknown => out.piece(1, b""),
            },
            Self::Credential => out.piece(2, client.credential()?),
            Self::Header(name) => named(3, name, request.header(name).last()?, out)?,
            Self::Query(name) => named(4, name, &request.query(name.as_bytes()).last()?, out)?,
            Self::Cookie(name) => named(5, name, &request.cookie(name.as_bytes()).last()?, out)?,
            Self::All(parts) => {
                out.piece(6, &(parts.len() as u64).to_le_bytes());
                for part in parts {
                    part.write(request, client, prefixes, out)?;
                }
            }
        }
        Some(())
    }
}

fn named(kind: u8, name: &str, value: &[u8], out: &mut Fingerprinter) -> Option<()> {
    if value.is_empty() {
        return None;
    }
    out.piece(kind, name.as_bytes());
    out.piece(kind, value);
    Some(())
}
