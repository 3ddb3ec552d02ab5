//! What comes of an answer: charges that do not stay are given back, and its client is told its quota.

use std::str::FromStr;

use super::{NOTE, Plugin};
use crate::adapter::host::{Host, Stream};
use crate::adapter::passed::{Kept, Passed};
use crate::decision::Decision;
use crate::gate::Pending;
use crate::response::{Origin, Response};
use crate::store::{Events, Settlement};

/// gRPC: `UNKNOWN`.
const GRPC_UNKNOWN: u32 = 2;

impl<H: Host> Plugin<H> {
    /// Of our reply to a gRPC call Envoy makes a 200, which to a proxy that asks would mean yes.
    pub(in crate::adapter) fn put_status_right(&self, at: &mut impl Stream) {
        let config = self.config();
        if config.request_from.is_asked()
            && at.response_header("grpc-status").is_some()
            && let Some(status) = config.reply.status_of(&at.code_details())
        {
            at.set_response_header(":status", &status.to_string());
        }
    }

    /// A request that was let through is answered: settles what can be settled now. Returns the request if what is
    /// left to know stands in the trailers.
    pub(in crate::adapter) fn on_response<S: Stream>(
        &self,
        at: &mut S,
        passed: Passed,
        end_of_stream: bool,
    ) -> Option<Passed> {
        let status = if self.gate.awaits(&passed.pending) { status_of(at) } else { 200 };
        if !self.gate.matters(&passed.pending, status) {
            self.tell(at, passed.told, passed.note);
            return None;
        }
        let Some(response) = response(at, status, end_of_stream) else {
            self.tell(at, passed.told.clone(), passed.note.clone());
            return Some(passed);
        };
        let Passed { pending, counters, told, note } = passed;
        self.tell(at, told.map(|decision| self.gate.settled(decision, &pending, response)), note);
        self.settle(self.here(at), self.gate.settlement(pending, response), counters);
        None
    }

    /// The answer to a gRPC call is complete.
    pub(in crate::adapter) fn on_trailers(&self, at: &impl Stream, passed: Passed) {
        let grpc = at.response_trailer("grpc-status").map(|status| grpc_status(&status));
        let origin = Origin::Application;
        let response = Response { status: 200, grpc: Some(grpc.unwrap_or(GRPC_UNKNOWN)), origin };
        let Passed { pending, counters, .. } = passed;
        self.settle(self.here(at), self.gate.settlement(pending, response), counters);
    }

    /// A stream has ended before its request was answered, or before its answer was complete.
    pub(in crate::adapter) fn on_unanswered(&self, at: &impl Stream, passed: Passed) {
        // The proxy answers by asking for another target itself.
        let is_redirected = *at.code_details() == *b"internal_redirect";
        let over = if is_redirected { self.redirects.put(at, passed) } else { Some(passed) };
        if let Some(Passed { pending, counters, .. }) = over {
            self.give_up(self.here(at), pending, counters);
        }
    }

    pub(super) fn give_up(&self, here: u32, pending: Pending, counters: Kept) {
        self.settle(here, self.gate.abandoned(pending), counters);
    }

    fn settle(&self, here: u32, settlement: Settlement, counters: Kept) {
        if settlement.is_empty() {
            return;
        }
        let proved = settlement.proof.is_some();
        match counters {
            Kept::Here => match self.gate.settle(settlement, self.host.now()) {
                Ok(events) => self.metrics.count_settled(proved, events),
                // The request was decided: this denies and admits nobody.
                Err(_) => self.metrics.count_events(Events { unsettled: 1, ..Events::default() }),
            },
            Kept::InRedis => {
                self.metrics.count_settled(proved, Events::default());
                self.settle_in_redis(here, settlement);
            }
        }
    }

    fn tell(&self, at: &mut impl Stream, told: Option<Decision>, note: Option<String>) {
        if let Some(note) = note {
            at.set_response_header(NOTE, &note);
        }
        let Some(decision) = told else { return };
        for (name, value) in self.gate.quota_headers(&decision) {
            at.set_response_header(name, &value);
        }
    }
}

/// The status of the response whose headers have come; 0 if it has none.
fn status_of(at: &impl Stream) -> u16 {
    at.response_header(":status").and_then(|status| number(&status)).unwrap_or(0)
}

/// What matters of the response with this status whose headers have come. `None` if that stands in its trailers.
fn response(at: &impl Stream, status: u16, end_of_stream: bool) -> Option<Response> {
    let origin = at.origin();
    let kind = at.response_header("content-type").unwrap_or_default();
    // What comes of these calls is said at their end: in trailers, or, by gRPC-Web and Connect, in the last of the body.
    let is_call = kind.starts_with(b"application/grpc") || kind.starts_with(b"application/connect+");
    if !is_call {
        return Some(Response { status, grpc: None, origin });
    }
    let grpc = at.response_header("grpc-status").map(|status| grpc_status(&status));
    match grpc {
        Some(_) => Some(Response { status, grpc, origin }),
        None if end_of_stream => Some(Response { status, grpc: Some(GRPC_UNKNOWN), origin }),
        None => None,
    }
}

/// Of a call without a status that can be read nobody knows what has come of it.
fn grpc_status(status: &[u8]) -> u32 {
    number(status).unwrap_or(GRPC_UNKNOWN)
}

fn number<T: FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
