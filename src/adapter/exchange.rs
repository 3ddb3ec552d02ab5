//! One request and its response.

use super::host::{Host, Stream};
use super::passed::Passed;
use super::plugin::{Disposition, Fate, Plugin, SeatOf};
use super::wire::{Left, Seat};
use crate::reply::LocalReply;

/// What the proxy is to do with a request now.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Let it go on.
    Continue,
    /// Keep it: it waits.
    Wait,
    /// Answer it in the application's place.
    Reply {
        /// With this.
        reply: LocalReply,
        /// Whether it is a gRPC call.
        is_grpc: bool,
    },
}

/// One request's way through the proxy: each of these is called when the proxy says so, and [`Self::end`] at last. It is of one
/// [`Plugin`], which is handed in each time.
pub struct Exchange<H: Host> {
    /// What is left to do once it is answered.
    passed: Option<Passed>,
    /// Where it finds that, if it had to wait.
    seat: Option<SeatOf<H>>,
}

impl<H: Host> Exchange<H> {
    /// A request that is still to come.
    #[must_use]
    pub const fn new() -> Self {
        Self { passed: None, seat: None }
    }

    /// Tells the access log, and says what follows for the proxy.
    pub fn follow<S: Stream>(&mut self, at: &mut S, disposition: Disposition<'_, H>) -> Action {
        self.seat = None;
        match disposition.told(at) {
            Fate::Allow(passed) => {
                self.passed = Some(passed);
                Action::Continue
            }
            Fate::Deny { reply, is_grpc } => Action::Reply { reply, is_grpc },
            Fate::Wait(seat) => {
                self.seat = Some(seat);
                Action::Wait
            }
        }
    }

    /// Where it finds what becomes of it, if it waits.
    pub const fn seat(&self) -> Option<&SeatOf<H>> {
        self.seat.as_ref()
    }

    /// The response's headers have come. Also called for the filter's own reply, which says everything already: then there is nothing to
    /// do. And for the proxy's answer to a request that is still waiting.
    pub fn on_response_headers<S: Stream>(&mut self, plugin: &Plugin<H>, at: &mut S, end_of_stream: bool) {
        if self.seat.is_some() {
            self.stop_waiting(plugin, at);
        }
        plugin.put_status_right(at);
        if let Some(passed) = self.passed.take() {
            self.passed = plugin.on_response(at, passed, end_of_stream);
        }
    }

    /// The response's trailers have come.
    pub fn on_response_trailers<S: Stream>(&mut self, plugin: &Plugin<H>, at: &S) {
        if let Some(passed) = self.passed.take() {
            plugin.on_trailers(at, passed);
        }
    }

    /// The stream is over, one way or the other.
    pub fn end<S: Stream>(&mut self, plugin: &Plugin<H>, at: &S) {
        if self.seat.is_some() {
            self.stop_waiting(plugin, at);
        }
        if let Some(passed) = self.passed.take() {
            plugin.on_unanswered(at, passed);
        }
    }

    /// It waits no more. Takes over what it has waited for, if that is there.
    #[inline(never)]
    fn stop_waiting<S: Stream>(&mut self, plugin: &Plugin<H>, at: &S) {
        let Some(seat) = self.seat.take() else { return };
        match seat.leave() {
            Left::Waiting => plugin.on_gone(at.id()),
            Left::Decided(decided) => plugin.undo(at.id(), *decided),
            Left::Passed(passed) => self.passed = Some(passed),
            Left::Over => {}
        }
    }
}

impl<H: Host> Default for Exchange<H> {
    fn default() -> Self {
        Self::new()
    }
}
