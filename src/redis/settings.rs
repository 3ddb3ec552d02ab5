//! How Redis is reached, and what happens if it is not.

use std::time::Duration;

use super::address::Address;
use super::command::Login;
use crate::store::{Keeper, Secret};

/// How Redis is reached, and what happens if it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The proxy's cluster through which a filter in wasm reaches it. There is this, `url` or both.
    pub cluster: Option<String>,
    /// Where a module of the proxy's own kind finds it.
    pub url: Option<Address>,
    /// The file with the certificates that its own must be signed by, for TLS by `url`; without one, those that the system trusts.
    pub ca: Option<String>,
    /// What the names of its keys begin with.
    pub prefix: String,
    /// The longest that a request waits for it.
    pub timeout: Duration,
    /// What decides about a request if it does not answer.
    pub on_failure: OnFailure,
    /// As whom to log in.
    pub login: Option<Login>,
    /// The key under which clients are fingerprinted, the same in all proxies that share counters.
    pub secret: Secret,
}

impl Settings {
    /// For what can only go through the proxy's cluster, without `url`; `None` if no cluster is named.
    #[must_use]
    pub fn by_cluster(self) -> Option<Self> {
        self.cluster.is_some().then_some(Self { url: None, ca: None, ..self })
    }

    /// For what connects by itself, without `cluster`; `None` if there is no `url`.
    #[must_use]
    pub fn by_url(self) -> Option<Self> {
        self.url.is_some().then_some(Self { cluster: None, ..self })
    }

    /// The name of this Redis where operators' acts are kept: the same for all that reach it in the same way, with the same prefix.
    #[must_use]
    pub fn keeper(&self) -> Keeper {
        let url = self.url.as_ref().map(ToString::to_string).unwrap_or_default();
        Keeper::redis(self.cluster.as_deref().unwrap_or(&url), &self.prefix)
    }

    /// Where it is, in words, to follow `in Redis`.
    #[must_use]
    pub fn place(&self) -> String {
        match (&self.cluster, &self.url) {
            (Some(cluster), None) => format!("by way of the cluster {cluster}"),
            (None, Some(url)) => format!("at {url}"),
            (Some(cluster), Some(url)) => {
                format!("by way of the cluster {cluster} (the filter) or at {url} (the module)")
            }
            (None, None) => "nowhere".to_owned(),
        }
    }
}

/// What decides about a request if Redis does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// This proxy's own counters.
    #[default]
    Local,
    /// Nothing: it is let through.
    Allow,
    /// Nothing: it is denied, for a second.
    Deny,
}
