//! Counters that several proxies share, in Redis.
//!
//! Each worker has one connection and keeps it. Everything here is pure: what is to be done with the connection comes out of
//! [`Store::next_step`], bytes from it go into [`Store::received`]. How they travel is the adapter's business.
//!
//! - `queue` holds who waits, `conversation` what is said, and [`Store`] decides who goes on;
//! - `breaker` stops asking a Redis that fails, and `memory`, of `denials` and `proofs`, spares it questions;
//! - `command` writes what it is told and `answer` reads what it says, in the bytes of `resp`; `script` runs in it;
//! - `address` says where it is and `slot` in which part of a cluster, for a proxy's module that connects by itself;
//! - `acts` is what operators have done there, and [`Errand`] how the console asks it and does it, on connections of its own.

mod acts;
mod address;
mod answer;
mod breaker;
mod command;
mod conversation;
mod denials;
mod errand;
mod eviction;
mod failure;
mod memory;
mod proofs;
mod queue;
mod resp;
mod script;
mod settings;
mod slot;
mod store;
mod told;

pub use address::{Address, Node, Servers};
pub use answer::{Answer, Settled};
pub use breaker::Breaker;
pub use command::{Commands, Login};
pub use conversation::{GAP, MAX_ANSWER};
pub use errand::{Brought, Cursor, Errand, Question, Refused, Surveyed};
pub use failure::{Failure, Refusal};
pub use queue::{BATCH, WAITING};
pub use resp::{MAX_DEPTH, Reply, RespError, put_command, read_reply};
pub use script::{SCRIPT_SHA1, charging_script, console_script};
pub use settings::{OnFailure, Settings};
pub use slot::{SLOTS, hash_tag, slot};
pub use store::{AT_ONCE, Store};
pub use told::{Acts, Asked, Decided, Report, Step};
