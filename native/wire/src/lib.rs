//! The native module's way to Redis: one thread of the process, and connections on it.
//!
//! What is said on a connection, and what the replies mean, is the core's business ([`tollgate::redis`]). Here bytes travel.
//!
//! - [`Thread`] is where everything here happens: no thread of the proxy ever waits for a connection.
//! - [`Target`] is what a policy says about Redis: which servers, by TLS or not, with which login.
//! - [`Wire`] is one connection there, which finds its server first: by asking the sentinels, or a cluster's nodes.

mod connect;
mod exchange;
mod find;
mod outbox;
mod stream;
mod target;
mod thread;
mod tls;
mod wire;

pub use target::Target;
pub use thread::{Thread, Timer};
pub use wire::{Event, Wire};

use tollgate::redis::{Failure, Refusal};

/// Why there is no connection: what that is counted as, and in words for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    failure: Failure,
    reason: String,
}

impl Trouble {
    fn new(failure: Failure, reason: impl Into<String>) -> Self {
        Self { failure, reason: reason.into() }
    }

    /// Redis has refused, in these words.
    fn refused(message: &[u8]) -> Self {
        let Refusal { failure, text } = Refusal::of_error(message);
        Self { failure, reason: text }
    }
}
