//! Access logs: which format it is, what a line says, and all files as one stream in the order of time.
//!
//! Most formats tell when a request *ended*, since that is when a line can be written. A gate decides when it *begins*. So each
//! line that tells a duration is put back by it. [`names`] says for each format which moment it tells.

mod dialects;
mod draft;
mod escape;
mod field;
mod json;
mod known;
mod lines;
mod merge;
mod notation;
mod options;
mod order;
mod pattern;
#[cfg(test)]
mod tests;
pub(crate) mod time;

pub(crate) use field::Field;
pub(crate) use field::{Credential, Line, Skip};
pub(crate) use json::REDACTED;
pub use known::{Format, Refusal, names};
pub use lines::MAX_LINE;
pub(crate) use merge::{FileReport, HowToRead, Input, follow};
pub use options::Logs;

/// Reads one line in this format, and forgets it. For those who try what happens then.
#[must_use]
pub fn can_read(format: &Format, line: &[u8]) -> bool {
    format.read(line).is_ok()
}
