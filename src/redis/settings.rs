//! How Redis is reached, and what happens if it is not.

use std::time::Duration;

use super::command::Login;
use crate::store::{Keeper, Secret};

/// How Redis is reached, and what happens if it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The proxy's cluster through which it is reached.
    pub cluster: String,
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
    /// The name of this Redis where operators' acts are kept.
    #[must_use]
    pub fn keeper(&self) -> Keeper {
        Keeper::redis(&self.cluster, &self.prefix)
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
