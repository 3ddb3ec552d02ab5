//! One request to the console.

use super::{Console, Desk};
use crate::console::{Answer, Ask, Call, LONGEST_BODY, Operator};
use crate::request::Headers;

/// One request to the console. Each of these is called when the proxy says so, and [`Self::end`] at last; the proxy keeps the request back.
#[derive(Default)]
pub struct Visit {
    /// Whose body is still to come, and the block of headers.
    expected: Option<(Operator, Vec<u8>)>,
}

impl Visit {
    /// The headers of the request on the stream `id` have come.
    pub fn on_request_headers<H: Desk>(
        &mut self,
        console: &Console<H>,
        id: u32,
        call: Call,
        end_of_stream: bool,
    ) {
        let headers = call.headers;
        match console.door.admit(call) {
            Err(answer) => console.send(id, &answer),
            Ok(operator) if end_of_stream || headers.first(":method") != Some(b"POST") => {
                serve(console, id, &operator, headers, b"");
            }
            Ok(operator) => {
                self.expected = Some((operator, Headers::encode(&headers.iter().collect::<Vec<_>>())));
                console.awaits_body(id);
            }
        }
    }

    /// Its body has come as far as `size` bytes; `body` reads it.
    pub fn on_request_body<H: Desk>(
        &mut self,
        console: &Console<H>,
        id: u32,
        size: usize,
        end_of_stream: bool,
        body: impl FnOnce() -> Vec<u8>,
    ) {
        if self.expected.is_none() {
            return;
        }
        if size > LONGEST_BODY {
            self.expected = None;
            console.has_body(id);
            console.send(id, &Answer::refusal(413, "the body is too long: expected 16 KiB at the most"));
        } else if end_of_stream && let Some((operator, block)) = self.expected.take() {
            console.has_body(id);
            serve(console, id, &operator, Headers::new(&block), &body());
        }
    }

    /// Its trailers have come.
    pub fn on_request_trailers<H: Desk>(&mut self, console: &Console<H>, id: u32) {
        if self.expected.take().is_some() {
            console.has_body(id);
            console.send(
                id,
                &Answer::refusal(400, "trailers are not understood here: end the request with its body"),
            );
        }
    }

    /// The stream is over.
    pub fn end<H: Desk>(&mut self, console: &Console<H>, id: u32) {
        console.is_gone(id);
    }
}

fn serve<H: Desk>(console: &Console<H>, id: u32, operator: &Operator, headers: Headers, body: &[u8]) {
    match Ask::read(headers, body) {
        Ok(ask) => console.serve(id, operator, ask),
        Err(answer) => console.send(id, &answer),
    }
}
