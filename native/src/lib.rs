//! Tollgate as an Envoy dynamic module: the same gate as the wasm filter, in Envoy's own process.
//!
//! - [`abi`] is the border to Envoy, and the only place with `unsafe`;
//! - [`jwt`] reads claims of a verified token;
//! - [`module`] is what stands behind it: a policy, and what becomes of its requests.

pub mod abi;
mod at;
mod call;
mod console;
mod envoy;
mod gate;
pub mod jwt;
mod lock;
mod logger;
mod meter;
pub mod module;
mod redis;
mod tables;
