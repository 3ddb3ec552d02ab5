//! One request and its response.

use std::sync::Arc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::host;
use super::proxy::{AtWork, Proxy};
use crate::adapter::{Action as Next, Exchange, Plugin};
use crate::request::Headers;

/// One request's way through the proxy.
pub(super) struct Stream {
    at: AtWork,
    plugin: Arc<Plugin<Proxy>>,
    exchange: Exchange<Proxy>,
}

impl Stream {
    pub(super) const fn new(id: u32, plugin: Arc<Plugin<Proxy>>) -> Self {
        Self { at: AtWork(id), plugin, exchange: Exchange::new() }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.exchange.end(&self.plugin, &self.at);
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let block = host::request_headers();
        let disposition = self.plugin.judge(&self.at, block.as_deref().map(Headers::new));
        match self.exchange.follow(&mut self.at, disposition) {
            Next::Continue => Action::Continue,
            Next::Wait => Action::Pause,
            Next::Reply { reply, is_grpc } => {
                host::reply(&reply, is_grpc);
                Action::Pause
            }
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.exchange.on_response_headers(&self.plugin, &mut self.at, end_of_stream);
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        self.exchange.on_response_trailers(&self.plugin, &self.at);
        Action::Continue
    }
}

/// One request while no configuration was accepted, which Envoy does not let happen.
pub(super) struct Unjudged;

impl Context for Unjudged {}

impl HttpContext for Unjudged {}
