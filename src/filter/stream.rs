//! One request and its response.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::host;
use super::passed::{Passed, Slot, State};
use super::worker::{Disposition, Worker};
use crate::reply::LocalReply;

/// One request's way through the proxy.
pub(super) struct Stream {
    id: u32,
    /// None only if the proxy serves without a configuration that was accepted, which Envoy does not.
    worker: Option<Rc<Worker>>,
    /// What is left to do once it is answered.
    passed: Option<Passed>,
    /// Where it finds that, if it had to wait.
    slot: Option<Rc<Slot>>,
}

impl Stream {
    pub(super) const fn new(id: u32, worker: Option<Rc<Worker>>) -> Self {
        Self { id, worker, passed: None, slot: None }
    }

    /// It waits no more. Takes over what it has waited for, if that is there.
    #[inline(never)]
    fn stop_waiting(&mut self) {
        let (Some(worker), Some(slot)) = (&self.worker, self.slot.take()) else { return };
        match slot.replace(State::Over) {
            State::Waiting => worker.on_gone(self.id),
            State::Passed(passed) => self.passed = Some(passed),
            State::Over => {}
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.slot.is_some() {
            self.stop_waiting();
        }
        if let (Some(worker), Some(passed)) = (&self.worker, self.passed.take()) {
            worker.on_unanswered(self.id, passed);
        }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(worker) = &self.worker else { return Action::Continue };
        let Some(headers) = host::request_headers() else {
            host::reply(&LocalReply::too_many_headers(), false);
            return Action::Pause;
        };
        match worker.admit(self.id, &headers) {
            Disposition::Allow(passed) => {
                self.passed = Some(passed);
                Action::Continue
            }
            Disposition::Deny { reply, is_grpc } => {
                host::reply(&reply, is_grpc);
                Action::Pause
            }
            Disposition::Wait(slot) => {
                self.slot = Some(slot);
                Action::Pause
            }
        }
    }

    // Also called for the filter's own reply, which says everything already: then there is nothing to do. And for the
    // proxy's answer to a request that is still waiting.
    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        if self.slot.is_some() {
            self.stop_waiting();
        }
        let Some(worker) = &self.worker else { return Action::Continue };
        worker.put_status_right();
        if let Some(passed) = self.passed.take() {
            self.passed = worker.on_response(self.id, passed, end_of_stream);
        }
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        if let (Some(worker), Some(passed)) = (&self.worker, self.passed.take()) {
            worker.on_trailers(self.id, passed);
        }
        Action::Continue
    }
}
