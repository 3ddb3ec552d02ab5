//! The border to Envoy: the only place with `unsafe`, and what the rest of the module sees of it, which is safe.
//!
//! Nothing that Envoy lends outlives the hook it is lent in: a [`Stream`] has that hook's lifetime, and cannot be sent to another
//! thread. What may be kept and sent is a [`Meter`] and a [`Scheduler`]: they know when what they are of has gone.
//!
//! Some calls make Envoy call the module again before they return: an answer, or to go on with a request that has waited. So
//! those are not here. A hook returns what is to happen ([`Next`], [`Then`]), and it happens when nothing of the module's is borrowed.
#![allow(unsafe_code, reason = "Envoy hands over pointers")]

mod exports;
mod headers;
mod hooks;
#[cfg(any(test, feature = "host"))]
pub mod host;
mod meter;
mod panics;
mod plugin;
mod raw;
mod scheduler;
mod stream;
#[cfg(test)]
mod tests;

pub use headers::Pair;
pub use meter::{Counter, Gauge, Histogram, Meter};
pub use plugin::{Next, Opening, Plugin, Request, Then};
pub use scheduler::Scheduler;
pub use stream::{Attribute, Reply, Stream};

/// How much a line in Envoy's log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Level {
    /// For those who look for a fault.
    Debug = 1,
    /// What happens in the course of things.
    Info = 2,
    /// What somebody ought to look at.
    Warn = 3,
    /// What is wrong.
    Error = 4,
}

/// Writes a line to Envoy's log, as the component `dynamic_modules`. From any thread.
pub fn log(level: Level, line: &str) {
    raw::envoy_dynamic_module_callback_log(level as u32, line.as_bytes().into());
}

/// Whether Envoy's log takes lines of this level. From any thread.
#[must_use]
pub fn logs(level: Level) -> bool {
    raw::envoy_dynamic_module_callback_log_enabled(level as u32)
}

/// Whether Envoy only looks whether its configuration is right (`--mode validate`). On the main thread, which is where [`Plugin::open`]
/// is called; elsewhere Envoy complains, and this is false.
#[must_use]
pub fn is_validating() -> bool {
    raw::envoy_dynamic_module_callback_is_validation_mode()
}

/// How many workers Envoy has. On the main thread, as [`is_validating`]; elsewhere this is 0.
#[must_use]
pub fn concurrency() -> u32 {
    raw::envoy_dynamic_module_callback_get_concurrency()
}

/// What Envoy lends.
///
/// # Safety
/// The bytes are there, and stay as they are, for as long as `'a`.
unsafe fn lent<'a>(bytes: raw::EnvoyBytes) -> &'a [u8] {
    if bytes.data.is_null() || bytes.len == 0 {
        return &[];
    }
    // SAFETY: as promised.
    unsafe { std::slice::from_raw_parts(bytes.data, bytes.len) }
}
