//! What there is not in nginx: a console, and what is done now and then. It calls a filter for requests alone.

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext};

use super::worker::Worker;

/// There is none.
pub(super) enum Console {}

impl Console {
    pub(super) const fn open(_document: &[u8]) -> Option<Result<Self, String>> {
        None
    }

    pub(super) const fn on_received(&self, _connection: u32, _size: usize) {
        match *self {}
    }

    pub(super) const fn on_closed(&self, _connection: u32) {
        match *self {}
    }

    pub(super) const fn on_tick(&self) -> Duration {
        match *self {}
    }
}

/// There is none.
pub(super) struct Visit(#[expect(dead_code, reason = "nobody comes")] Rc<Console>);

impl Visit {
    pub(super) const fn new(_id: u32, console: Rc<Console>) -> Self {
        Self(console)
    }
}

impl Context for Visit {}

impl HttpContext for Visit {}

/// That a configuration is in force is said at once: nginx hands it to its workers alone, and to none on trial.
pub(super) struct InForce;

impl InForce {
    pub(super) fn new(worker: &Rc<Worker>, _document: Vec<u8>) -> Self {
        log::info!("{worker}");
        Self
    }

    #[expect(clippy::unused_self, reason = "elsewhere there is much to do")]
    pub(super) const fn on_tick(&mut self) -> Duration {
        Duration::ZERO
    }
}
