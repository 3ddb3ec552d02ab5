//! What stands between a proxy and the gate, whatever the proxy: a request is judged, and settled when it is answered; Redis is asked;
//! metrics, the log and the console are told.
//!
//! An adapter brings a [`Host`], which is its proxy, and calls an [`Exchange`] for each request. It holds no decision. There are two: the
//! proxy-wasm filter (`crate::filter`) and the Envoy module (the package `native/`).
//!
//! - a [`Plugin`] is one configuration at work;
//! - a [`Link`] is the way to Redis, over the proxy's [`Wire`];
//! - the [`console`] answers operators;
//! - [`InForce`] is what is done now and then while a configuration is in force.

pub mod console;
mod exchange;
mod host;
mod in_force;
mod link;
mod metrics;
mod passed;
mod plugin;
mod redirects;
mod wire;

pub use exchange::{Action, Exchange};
pub use host::{Host, Kind, Meter, Stream};
pub use in_force::{A_MOMENT, InForce};
pub use link::Link;
pub use passed::Passed;
pub use plugin::{Disposition, Fate, Plugin, SeatOf};
pub use wire::{Left, Seat, Waiter, Wire};
