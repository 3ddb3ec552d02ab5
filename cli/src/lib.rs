//! The rooms of the command `tollgate` that read logs.
//!
//! ```text
//! access logs ─► log ─► replay: what a policy would have done to them
//!                   └─► suggest: a policy to begin with
//! ```

pub mod import;
pub mod log;
mod output;
pub mod replay;
pub mod suggest;

pub use output::Output;
