//! One request to the console.

use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType};

use super::Console;
use crate::console::{Answer, Ask, Call, LONGEST_BODY, Operator};
use crate::filter::host;
use crate::request::Headers;

/// One request to the console.
pub(in crate::filter) struct Visit {
    id: u32,
    console: Rc<Console>,
    /// Whose body is still to come.
    expected: Option<(Operator, Vec<u8>)>,
}

impl Visit {
    pub(in crate::filter) const fn new(id: u32, console: Rc<Console>) -> Self {
        Self { id, console, expected: None }
    }

    fn serve(&self, operator: &Operator, block: &[u8], body: &[u8]) {
        match Ask::read(Headers::new(block), body) {
            Ok(ask) => self.console.serve(self.id, operator, ask),
            Err(answer) => super::send(&answer),
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.console.is_gone(self.id);
    }
}

impl Context for Visit {}

impl HttpContext for Visit {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let block = host::request_headers().unwrap_or_default();
        let headers = Headers::new(&block);
        let (to, from) = (host::destination_address(), host::source_address());
        match self.console.door().admit(Call { headers, to: &to, from: &from }) {
            Err(answer) => super::send(&answer),
            Ok(operator) if end_of_stream || headers.first(":method") != Some(b"POST") => {
                self.serve(&operator, &block, b"");
            }
            Ok(operator) => {
                self.expected = Some((operator, block));
                self.console.awaits_body(self.id);
            }
        }
        Action::Pause
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        if self.expected.take().is_some() {
            self.console.has_body(self.id);
            super::send(&Answer::refusal(
                400,
                "trailers are not understood here: end the request with its body",
            ));
        }
        Action::Pause
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if self.expected.is_none() {
            return Action::Pause;
        }
        if size > LONGEST_BODY {
            self.expected = None;
            self.console.has_body(self.id);
            super::send(&Answer::refusal(413, "the body is too long: expected 16 KiB at the most"));
        } else if end_of_stream && let Some((operator, block)) = self.expected.take() {
            self.console.has_body(self.id);
            let body = hostcalls::get_buffer(BufferType::HttpRequestBody, 0, size)
                .ok()
                .flatten()
                .unwrap_or_default();
            self.serve(&operator, &block, &body);
        }
        Action::Pause
    }
}
