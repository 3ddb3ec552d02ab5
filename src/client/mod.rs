//! Who is calling: an address and perhaps a credential.

mod address;
mod credential;

use std::borrow::Cow;
use std::cell::OnceCell;

pub use address::{Address, Cidr, CidrError, Prefixes};
pub use credential::Source;

use crate::request::Request;

/// How clients are told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientRules {
    /// How many leading bits of an address tell clients apart.
    pub prefixes: Prefixes,
    /// Where a credential may stand; the first place that has one counts.
    pub credential_from: Vec<Source>,
}

/// Who sent one request.
pub struct Client<'r, 'a> {
    request: &'r Request<'a>,
    credential: Option<Cow<'a, [u8]>>,
    address: OnceCell<Address>,
}

impl<'r, 'a> Client<'r, 'a> {
    /// Who sent `request`, under these rules.
    #[must_use]
    pub fn identify(rules: &ClientRules, request: &'r Request<'a>) -> Self {
        let credential = rules.credential_from.iter().find_map(|source| source.credential(request));
        Self { request, credential, address: OnceCell::new() }
    }

    /// The secret that the client presents, without its scheme: the same secret is the same client however
    /// it is presented. Never to be stored or shown.
    #[must_use]
    pub fn credential(&self) -> Option<&[u8]> {
        self.credential.as_deref()
    }

    /// Where the client is, as the proxy says it.
    #[must_use]
    pub fn address(&self) -> Address {
        *self.address.get_or_init(|| Address::parse(&self.request.source_address()))
    }
}
