//! Tollgate: a rate limiter that lives inside the proxy.
//!
//! A request passes each of these rooms once, from left to right:
//!
//! ```text
//! request headers ─► capture ─► plan ─► charge ─► decide ─► reply, or on to the application
//!                    filter     policy   store     decision  reply
//! ```
//!
//! - [`request`] is a view of what the proxy hands over, and [`client`] says who sent it;
//! - [`policy`] finds the [`scope`]s that the request falls under and plans their charges;
//! - [`store`] takes all charges or none, here or, by [`redis`], in a Redis; each counter is one of [`limit`]'s;
//! - [`decision`] is what follows from their verdicts, and [`reply`] says it in HTTP;
//! - [`gate`] leads one request through these rooms, and settles what is left when the application's [`response`] comes;
//! - [`access_log`] is what the proxy's log can say of a request;
//! - [`metrics`] names what is counted for those who run the proxy;
//! - [`config`] makes all of it from one JSON document, and [`words`] says in plain words what it means;
//! - [`adapter`] is what is done for any proxy: requests are led through the gate, and Redis, metrics, the log and the console are served;
//! - `filter`, which exists for wasm32 only, is such a proxy by the proxy-wasm ABI; the package `native/` is another one, by Envoy's own.
//!
//! Everything but `adapter` and `filter` is pure: it takes time as an argument, does not log, and has no globals.

pub mod access_log;
pub mod adapter;
pub mod client;
pub mod config;
pub mod console;
pub mod decision;
#[cfg(target_arch = "wasm32")]
mod filter;
pub mod gate;
pub mod limit;
pub mod metrics;
pub mod policy;
pub mod redis;
pub mod reply;
pub mod request;
pub mod response;
pub mod scope;
pub mod store;
mod text;
pub mod time;
mod varint;
pub mod words;
