//! The rooms of the command `tollgate` that read logs, and policies wherever they are kept.
//!
//! ```text
//! access logs ─► log ─► replay: what a policy would have done to them
//!                   ├─► suggest: a policy to begin with
//!                   └─► report: either as a page
//! ```

pub mod embedded;
pub mod import;
pub mod log;
mod output;
mod parse;
pub mod replay;
mod report;
mod ring;
pub mod style;
pub mod suggest;

pub use output::{Output, count, number};
pub use parse::parse;
