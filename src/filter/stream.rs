//! One request and its response.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::host;
use super::redis::{Slot, State};
use super::worker::{Answer, Passed, Worker};

/// One request's way through the proxy.
pub(super) struct Stream {
    id: u32,
    /// None only if the proxy serves without a configuration that was accepted, which Envoy does not.
    worker: Option<Rc<Worker>>,
    /// What its response is to say and to settle, once it is let through.
    passed: Option<Passed>,
    /// The same, if it had to wait for that.
    slot: Option<Rc<Slot>>,
}

impl Stream {
    pub(super) const fn new(id: u32, worker: Option<Rc<Worker>>) -> Self {
        Self { id, worker, passed: None, slot: None }
    }

    /// If it is still waiting, nobody waits any more.
    #[inline(never)]
    fn give_up(&mut self) {
        if let (Some(worker), Some(slot)) = (&self.worker, self.slot.take())
            && matches!(slot.replace(State::Over), State::Waiting)
        {
            worker.on_gone(self.id);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(worker) = &self.worker else { return Action::Continue };
        match worker.admit(self.id, &host::request_headers()) {
            Answer::Allow(passed) => {
                self.passed = Some(passed);
                Action::Continue
            }
            Answer::Deny { denial, is_grpc } => {
                host::deny(&denial, is_grpc);
                Action::Pause
            }
            Answer::Wait(slot) => {
                self.slot = Some(slot);
                Action::Pause
            }
        }
    }

    // Also called for the filter's own reply, which says everything already: then there is nothing to do.
    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(worker) = &self.worker else { return Action::Continue };
        if let Some(slot) = &self.slot
            && let State::Passed(passed) = &mut *slot.borrow_mut()
        {
            self.passed = Some(std::mem::take(passed));
        }
        worker.put_status_right();
        if let Some(Passed { quota_headers, pending }) = self.passed.take() {
            if let Some(pending) = pending {
                worker.settle(pending);
            }
            for (name, value) in quota_headers {
                host::set_response_header(name, &value);
            }
        }
        // The proxy has answered a request that was still waiting.
        self.give_up();
        Action::Continue
    }
}
