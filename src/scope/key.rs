//! Who is counted.

use crate::client::{Address, Client};
use crate::store::{Fingerprint, Fingerprinter, Secret};
use std::net::IpAddr;

/// Who is counted: the first of these parts that the request has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(pub Vec<KeyPart>);

/// Something that tells clients apart.
///
/// Where a request repeats a header, parameter or cookie, the last one that is not empty counts.
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
    /// The family of the crawler that the client says it is.
    Bot,
    /// A claim of the JSON Web Token that the proxy has verified; of one inside others the names that lead to it, separated by
    /// NUL.
    JwtClaim(String),
    /// All of these together; the request must have each.
    All(Vec<KeyPart>),
}

/// Whom the parts of keys count in one request, as far as that has been asked for: several scopes often count
/// the same client, and a fingerprint is not cheap.
#[derive(Debug, Default)]
pub struct Counted<'k> {
    few: [Option<Whom<'k>>; USUAL],
    more: Vec<Whom<'k>>,
}

/// A part, and whom it counts.
type Whom<'k> = (&'k KeyPart, Option<Fingerprint>);

/// So many parts do the keys of most policies have, at most.
const USUAL: usize = 4;

impl Key {
    /// The fingerprint of whom this key counts; `None` if the request has none of its parts.
    pub fn client<'k>(
        &'k self,
        client: &Client,
        secret: &Secret,
        counted: &mut Counted<'k>,
    ) -> Option<Fingerprint> {
        self.0.iter().find_map(|part| {
            if let Some((_, known)) = counted.known(part) {
                return *known;
            }
            let fingerprint = part.fingerprint(client, secret);
            counted.note(part, fingerprint);
            fingerprint
        })
    }
}

impl Key {
    /// Whether it can make a difference whether a request's credential counts.
    #[must_use]
    pub fn minds_credentials(&self) -> bool {
        self.0.iter().any(KeyPart::minds_credentials)
    }
}

impl<'k> Counted<'k> {
    /// The client with a credential is this one.
    #[must_use]
    pub fn with_credential(fingerprint: Fingerprint) -> Self {
        let mut counted = Self::default();
        counted.note(&KeyPart::Credential, Some(fingerprint));
        counted
    }

    fn known(&self, part: &KeyPart) -> Option<&Whom<'k>> {
        let mut all = self.few.iter().map_while(Option::as_ref).chain(&self.more);
        all.find(|(known, _)| *known == part)
    }

    fn note(&mut self, part: &'k KeyPart, whom: Option<Fingerprint>) {
        match self.few.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some((part, whom)),
            None => self.more.push((part, whom)),
        }
    }
}

impl KeyPart {
    fn fingerprint(&self, client: &Client, secret: &Secret) -> Option<Fingerprint> {
        if *self == Self::Global {
            return Some(Fingerprint::EVERYBODY);
        }
        let mut fingerprinter = Fingerprinter::new(secret);
        self.write(client, &mut fingerprinter)?;
        Some(fingerprinter.finish())
    }

    fn minds_credentials(&self) -> bool {
        match self {
            Self::Credential => true,
            Self::All(parts) => parts.iter().any(Self::minds_credentials),
            _ => false,
        }
    }

    /// Takes this part in; `None` if the request does not have it.
    ///
    /// The kinds and names keep parts apart that happen to have the same value. They stand in the counters'
    /// addresses, so a change of them would lose every counter.
    fn write(&self, client: &Client, out: &mut Fingerprinter) -> Option<()> {
        let request = client.request();
        match self {
            Self::Global => out.piece(0, b""),
            Self::Address => write_address(client.network(), out),
            Self::Credential => write_credential(client.credential()?, out),
            Self::Header(name) => named(3, name, request.header(name), out)?,
            Self::Query(name) => named(4, name, request.query(name.as_bytes()), out)?,
            Self::Cookie(name) => named(5, name, request.cookie(name.as_bytes()), out)?,
            Self::Bot => out.piece(7, client.crawler()?.as_bytes()),
            Self::JwtClaim(name) => named(8, name, request.jwt_claim(name).into_iter(), out)?,
            Self::All(parts) => {
                out.piece(6, &(parts.len() as u64).to_le_bytes());
                for part in parts {
                    part.write(client, out)?;
                }
            }
        }
        Some(())
    }
}

/// The fingerprint of the client with this credential.
#[must_use]
pub fn credential_fingerprint(credential: &[u8], secret: &Secret) -> Fingerprint {
    let mut fingerprinter = Fingerprinter::new(secret);
    write_credential(credential, &mut fingerprinter);
    fingerprinter.finish()
}

/// The fingerprint of the client's address.
#[must_use]
pub fn address_fingerprint(client: &Client, secret: &Secret) -> Fingerprint {
    network_fingerprint(client.network(), secret)
}

/// The fingerprint of the clients in this network, see [`Address::network`].
#[must_use]
pub fn network_fingerprint(network: Address, secret: &Secret) -> Fingerprint {
    let mut fingerprinter = Fingerprinter::new(secret);
    write_address(network, &mut fingerprinter);
    fingerprinter.finish()
}

fn write_address(network: Address, out: &mut Fingerprinter) {
    match network {
        Address::Ip(IpAddr::V4(ip)) => out.piece(1, &ip.octets()),
        Address::Ip(IpAddr::V6(ip)) => out.piece(1, &ip.octets()),
        Address::Unknown => out.piece(1, b""),
    }
}

fn write_credential(credential: &[u8], out: &mut Fingerprinter) {
    out.piece(2, credential);
}

fn named<T: AsRef<[u8]>>(
    kind: u8,
    name: &str,
    values: impl Iterator<Item = T>,
    out: &mut Fingerprinter,
) -> Option<()> {
    let value = values.filter(|value| !value.as_ref().is_empty()).last()?;
    out.piece(kind, name.as_bytes());
    out.piece(kind, value.as_ref());
    Some(())
}
