//! Who is calling: an address and perhaps a credential.

mod address;
mod crawler;
mod credential;
mod funnel;

use std::borrow::Cow;
use std::cell::OnceCell;

pub use address::{Address, Cidr, CidrError, Prefixes};
pub use crawler::{CrawlerError, Crawlers};
pub use credential::Source;
pub use funnel::Funnel;

use crate::request::Request;

/// How clients are told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientRules {
    /// How many leading bits of an address tell clients apart.
    pub prefixes: Prefixes,
    /// Where a credential may stand; the first place that has one counts.
    pub credential_from: Vec<Source>,
    /// Crawlers, and by what they are known.
    pub crawlers: Crawlers,
}

/// Who sent one request.
pub struct Client<'r, 'a> {
    rules: &'r ClientRules,
    request: &'r Request<'a>,
    credential: Option<Cow<'a, [u8]>>,
    address: OnceCell<Address>,
    crawler: OnceCell<Option<&'r str>>,
}

impl<'r, 'a> Client<'r, 'a> {
    /// Who sent `request`, under these rules.
    #[must_use]
    pub fn identify(rules: &'r ClientRules, request: &'r Request<'a>) -> Self {
        let credential = rules.credential_from.iter().find_map(|source| source.credential(request));
        Self { rules, request, credential, address: OnceCell::new(), crawler: OnceCell::new() }
    }

    /// The request that it has sent.
    #[must_use]
    pub const fn request(&self) -> &'r Request<'a> {
        self.request
    }

    /// The same client, as it would be without its credential.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        let (address, crawler) = (self.address.clone(), self.crawler.clone());
        Self { rules: self.rules, request: self.request, credential: None, address, crawler }
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

    /// The network that the client is counted by, see [`Prefixes`].
    #[must_use]
    pub fn network(&self) -> Address {
        self.address().network(self.rules.prefixes)
    }

    /// The client's address if a decision has asked for it.
    #[must_use]
    pub fn known_address(&self) -> Option<Address> {
        self.address.get().copied()
    }

    /// The family of the crawler that the client says it is.
    #[must_use]
    pub fn crawler(&self) -> Option<&'r str> {
        let family = |user_agent| self.rules.crawlers.family(user_agent);
        *self.crawler.get_or_init(|| self.request.header("user-agent").find_map(family))
    }
}
