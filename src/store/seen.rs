//! What is looked for in clients' records, and what is seen there.

use std::time::Duration;

use super::{CounterId, Fingerprint};
use crate::limit::{Limit, Verdict};

/// A limit that is looked for in clients' records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Its counter.
    pub counter: CounterId,
    /// How much it admits.
    pub limit: Limit,
}

/// What is known of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who.
    pub client: Fingerprint,
    /// For how long the application's acceptance of it counts yet; `None` if it does not.
    pub proved_for: Option<Duration>,
    /// By which of the limits looked for it is counted now, by their places in the list, and what they would say to one unit more.
    pub standings: Vec<(usize, Verdict)>,
}
