//! One request and its response.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::host;
use super::worker::{Answer, Worker};
use crate::gate::Pending;

/// One request's way through the proxy.
pub(super) struct Stream {
    /// None only if the proxy serves without a configuration that was accepted, which Envoy does not.
    worker: Option<Rc<Worker>>,
    /// What the response is to say about the quota.
    quota_headers: Vec<(&'static str, String)>,
    /// What is settled when the response comes.
    pending: Option<Pending>,
}

impl Stream {
    pub(super) const fn new(worker: Option<Rc<Worker>>) -> Self {
        Self { worker, quota_headers: Vec::new(), pending: None }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(worker) = &self.worker else { return Action::Continue };
        match worker.admit(&host::request_headers()) {
            Answer::Allow { quota_headers, pending } => {
                self.quota_headers = quota_headers;
                self.pending = pending;
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

    // Also called for the filter's own reply, which says everything already: then there is nothing to do.
    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if let (Some(worker), Some(pending)) = (&self.worker, self.pending.take()) {
            worker.settle(pending);
        }
        if let Some(worker) = &self.worker {
            worker.put_status_right();
        }
        for (name, value) in self.quota_headers.drain(..) {
            host::set_response_header(name, &value);
        }
        Action::Continue
    }
}
