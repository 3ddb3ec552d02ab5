//! Who is calling: an address and perhaps a credential.

mod address;
mod crawler;
mod crawler_list;
mod credential;
mod funnel;
mod spelling;

use std::borrow::Cow;
use std::cell::OnceCell;

pub use address::{Address, Cidr, CidrError, Prefixes};
pub use crawler::{CrawlerError, Crawlers};
use credential::Presented;
pub use credential::{Source, typed_credential};
pub use funnel::{Cause, Funnel};

use crate::request::Request;

/// How clients are told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientRules {
    /// How many leading bits of an address tell clients apart.
    pub prefixes: Prefixes,
    /// Where a credential may stand. A request that has one in several of these places proves nothing by any of them.
    pub credential_from: Vec<Source>,
    /// Crawlers, and by what they are known.
    pub crawlers: Crawlers,
}

/// Who sent one request.
pub struct Client<'r, 'a> {
    rules: &'r ClientRules,
    request: &'r Request<'a>,
    presented: Presented<'a>,
    address: OnceCell<Address>,
    crawler: OnceCell<Option<&'r str>>,
}

impl<'r, 'a> Client<'r, 'a> {
    /// Who sent `request`, under these rules.
    #[must_use]
    pub fn identify(rules: &'r ClientRules, request: &'r Request<'a>) -> Self {
        let presented = Presented::find(&rules.credential_from, request);
        Self { rules, request, presented, address: OnceCell::new(), crawler: OnceCell::new() }
    }

    /// The request that it has sent.
    #[must_use]
    pub const fn request(&self) -> &'r Request<'a> {
        self.request
    }

    /// The same client, as it would be without its credential.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        self.presenting(Presented::Nothing)
    }

    /// The same client, as it would be with this credential alone.
    #[must_use]
    pub fn with(&self, credential: &Cow<'a, [u8]>) -> Self {
        self.presenting(Presented::One(credential.clone()))
    }

    fn presenting(&self, presented: Presented<'a>) -> Self {
        let (address, crawler) = (self.address.clone(), self.crawler.clone());
        Self { rules: self.rules, request: self.request, presented, address, crawler }
    }

    /// The secret that the client presents, without its scheme: the same secret is the same client however
    /// it is presented. `None` if there is none, or if nobody can say which one the application will use. Never to be stored or
    /// shown.
    #[must_use]
    pub fn credential(&self) -> Option<&[u8]> {
        match &self.presented {
            Presented::One(credential) => Some(credential),
            Presented::Nothing | Presented::Unclear { .. } => None,
        }
    }

    /// Whose it could be, if nobody can say which of its credentials the application will use, or how it will read them.
    #[must_use]
    pub fn could_be(&self) -> &[Cow<'a, [u8]>] {
        match &self.presented {
            Presented::Unclear { secrets, .. } => secrets,
            Presented::Nothing | Presented::One(_) => &[],
        }
    }

    /// Whether it could also be somebody else: its credentials may be read in several ways, or stand beside something else.
    #[must_use]
    pub const fn could_be_another(&self) -> bool {
        matches!(self.presented, Presented::Unclear { or_none: true, .. })
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
