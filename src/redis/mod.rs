//! Counters that several proxies share, in Redis.
//!
//! Each worker has one connection and keeps it. Everything here is pure: what is to be done with the connection comes out of
//! [`Store::next_step`], bytes from it go into [`Store::received`]. How they travel is the adapter's business.
//!
//! - `queue` holds who waits, `conversation` what is said, and [`Store`] decides who goes on;
//! - `breaker` stops asking a Redis that fails, and `memory`, of `denials` and `proofs`, spares it questions;
//! - `command` writes what it is told and `answer` reads what it says, in the bytes of `resp`.

mod answer;
mod breaker;
mod command;
mod conversation;
mod denials;
mod eviction;
mod failure;
mod memory;
mod proofs;
mod queue;
mod resp;
mod settings;
mod store;
mod told;

pub use answer::{Answer, Settled};
pub use breaker::Breaker;
pub use command::{Commands, Login, SCRIPT, SCRIPT_SHA1};
pub use conversation::{GAP, MAX_ANSWER};
pub use failure::{Failure, Refusal};
pub use queue::{BATCH, WAITING};
pub use resp::{MAX_DEPTH, Reply, RespError, read_reply};
pub use settings::{OnFailure, Settings};
pub use store::{AT_ONCE, Store};
pub use told::{Acts, Asked, Decided, Report, Step};
