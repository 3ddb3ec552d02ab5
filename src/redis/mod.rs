//! Counters that several proxies share, in Redis.
//!
//! Everything here is pure. Bytes for Redis come out ([`Store::dispatch`]), bytes from it go in
//! ([`Store::answered`]); how they travel is the adapter's business.

mod answer;
mod breaker;
mod command;
mod denials;
mod exchange;
mod failure;
mod proofs;
mod queue;
mod resp;
mod settings;
mod store;

pub use answer::{Answer, Settled};
pub use breaker::Breaker;
pub use command::{Commands, Login, SCRIPT, SCRIPT_SHA1};
pub use exchange::{Decided, Exchange, Report};
pub use failure::Failure;
pub use proofs::Proofs;
pub use queue::{AT_ONCE, BATCH, Queue, WAITING};
pub use resp::{MAX_DEPTH, Reply, RespError, read_reply};
pub use settings::{OnFailure, Settings};
pub use store::{Asked, Lasting, Store};

/// No answer is larger, in bytes: a thousand times what the script answers to a request under three scopes.
pub const MAX_ANSWER: usize = 1_048_576;
