//! Tollgate: a rate limiter that lives inside the proxy.
//!
//! A request passes each of these rooms once, from left to right:
//!
//! ```text
//! request headers ─► capture ─► plan ─► charge ─► decide ─► respond
//!                    filter     limiter  store    limiter   response
//! ```
//!
//! - [`request`] is a view of what the proxy hands over, and [`client`] says who sent it;
//! - [`limiter`] finds the [`scope`]s that the request falls under and plans their charges;
//! - [`store`] takes all charges or none, each counter a [`window`] or a [`bucket`], here or in a Redis;
//! - [`limiter`] makes one decision of the verdicts, and [`response`] says it in HTTP;
//! - [`gate`] leads one request through these rooms, and settles what is left when its response comes;
//! - [`config`] makes all of it from one JSON document;
//! - `filter`, which exists for wasm32 only, is the way between the proxy and the rooms above.
//!
//! Everything but `filter` is pure: it takes time as an argument, does not log, and has no globals.

pub mod bucket;
pub mod client;
mod codec;
pub mod config;
#[cfg(target_arch = "wasm32")]
mod filter;
pub mod gate;
pub mod limit;
pub mod limiter;
mod marks;
pub mod rate;
pub mod request;
pub mod response;
pub mod scope;
pub mod store;
pub mod time;
pub mod window;
