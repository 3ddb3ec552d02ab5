//! What an operator is shown and may do: a small HTTP API, and a page on top of it.
//!
//! The console stands on a listener of its own, in the same proxy as the filters whose counters it shows. It finds their policies in the
//! [`Registry`], reads their counters with the [`Book`]'s help, and answers in JSON. Here is all of it that needs no proxy:
//!
//! - [`Door`] says who may come in, and [`Ask`] what was asked for;
//! - [`Book`] knows all limits that are in force, and says by which a client is counted;
//! - [`Ranking`] keeps the clients that are closest to their limits;
//! - [`view`] writes the answers, of which [`Answer`] is the form.

mod answer;
mod ask;
mod book;
mod door;
mod ranking;
mod registry;
pub mod view;

pub use answer::Answer;
pub use ask::{Act, Ask, Whom};
pub use book::{Book, InForce, Known, Listed};
pub use door::{Call, Door, Operator};
pub use ranking::Ranking;
pub use registry::{Posted, Registry, Sign};

/// The page, in which `NONCE` stands for a number that is new in each answer.
pub const PAGE: &str = include_str!("page.html");

/// The longest body of a request, in bytes.
pub const LONGEST_BODY: usize = 16 * 1024;
