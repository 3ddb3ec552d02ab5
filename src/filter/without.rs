//! What there is not in nginx: a console, and what is done now and then. It calls a filter for requests alone.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext};

use crate::adapter::{Host, Plugin};

/// There is none.
pub(super) enum Console {}

impl Console {
    pub(super) fn open<H>(_host: H, _document: &[u8]) -> Option<Result<Self, String>> {
        None
    }

    pub(super) const fn on_received(&self, _connection: u32, _bytes: &[u8]) {
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
pub(super) struct InForce<H>(PhantomData<H>);

impl<H: Host> InForce<H> {
    pub(super) fn new(plugin: &Arc<Plugin<H>>, _document: Vec<u8>, _threads: u32) -> Self {
        log::info!("{plugin}");
        Self(PhantomData)
    }

    #[expect(clippy::unused_self, reason = "elsewhere there is much to do")]
    pub(super) const fn on_tick(&mut self) -> Duration {
        Duration::ZERO
    }
}
