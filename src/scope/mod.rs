//! A named limit: which requests, who is counted, how much.

mod key;
mod matcher;
mod pattern;

pub use key::{Key, KeyPart};
pub use matcher::{ClientKind, Condition, Matcher, Reading, ValueTest};
pub use pattern::{HostPattern, MethodPattern, PathPattern, PatternError};

use crate::limit::Limit;

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
    /// Units that one request takes, at least 1.
    pub cost: u32,
    /// Whether a request over the limit is denied.
    pub enforced: bool,
}
