//! A named limit: which requests, who is counted, how much.

mod count;
mod key;
mod matcher;
mod pattern;

pub use count::{Count, GrpcStatuses};
pub use key::{Counted, Key, KeyPart, address_fingerprint, credential_fingerprint, network_fingerprint};
pub use matcher::{ClientKind, Condition, Matcher, Reading, ValueTest};
pub use pattern::{HostPattern, MethodPattern, PathPattern, PatternError};

use crate::limit::Limit;
use crate::store::CounterId;

/// A named limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// Which requests fall under it.
    pub matcher: Matcher,
    /// Who is counted. A request without any of it does not fall under the scope.
    pub key: Key,
    /// How much: all must admit.
    pub limits: Vec<Limit>,
    /// The counters' names, one for each limit.
    pub counters: Vec<CounterId>,
    /// Units that one request takes, at least 1.
    pub cost: u32,
    /// Which requests count, once they have been answered.
    pub count: Count,
    /// Whether a request over the limit is denied.
    pub enforced: bool,
}
