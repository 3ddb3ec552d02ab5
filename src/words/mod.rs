//! A policy in plain words, for people who ask what is in force: by the command, or by the console.
//!
//! Nothing here steers a terminal, and no value of a header or cookie is shown that may be a secret.

mod lists;
mod matches;
mod policy;
mod scope;
mod span;

pub use lists::{and, clean, or};
pub use matches::{condition, header, matcher};
pub use policy::{frame, source};
pub use scope::{ScopeWords, key, scope};
pub use span::{span, window};
