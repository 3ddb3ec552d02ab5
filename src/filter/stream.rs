//! One request and its response.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::gate::{Answer, Gate};
use super::host;

/// One request's way through the proxy.
pub(super) struct Stream {
    /// None only if the proxy serves without a configuration that was accepted, which Envoy does not.
    gate: Option<Rc<Gate>>,
    /// What the response is to say about the quota.
    quota_headers: Vec<(&'static str, String)>,
}

impl Stream {
    pub(super) const fn new(gate: Option<Rc<Gate>>) -> Self {
        Self { gate, quota_headers: Vec::new() }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(gate) = &self.gate else { return Action::Continue };
        match gate.judge(&host::request_headers()) {
            Answer::Allow { quota_headers } => {
                self.quota_headers = quota_headers;
                Action::Continue
            }
            Answer::Deny { denial, is_grpc } => {
                if is_grpc {
                    host::reply_grpc(&denial);
                } else {
                    host::reply(&denial);
                }
                Action::Pause
            }
        }
    }

    // Also called for the filter's own reply, which says everything already: then there is nothing to add.
    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        for (name, value) in self.quota_headers.drain(..) {
            host::set_response_header(name, &value);
        }
        Action::Continue
    }
}
