//! One request that is judged.

use tollgate::adapter::{Action, Exchange};
use tollgate::reply::LocalReply;
use tollgate::request::Headers;

use crate::abi::{Next, Pair, Reply, Stream, Then};
use crate::at::{At, Ticket};
use crate::envoy::Envoy;
use crate::gate::Gate;
use crate::redis::Seat;

/// gRPC: `RESOURCE_EXHAUSTED`.
const RESOURCE_EXHAUSTED: &str = "8";

/// One request's way through the gate.
#[derive(Default)]
pub(crate) struct Call {
    ticket: Ticket,
    exchange: Exchange<Envoy>,
}

impl Call {
    pub(crate) fn on_request_headers(&mut self, gate: &Gate, stream: &mut Stream<'_>) -> Next {
        let plugin = gate.plugin();
        let mut at = At { stream, ticket: &self.ticket };
        let disposition =
            at.stream.with_request_headers(|pairs| plugin.judge(&at, Some(Headers::of_pairs(pairs))));
        let mut action = self.exchange.follow(&mut at, disposition);
        if let Some(seat) = self.exchange.seat()
            && let Some(decided) = seat.sit(at.stream.scheduler())
        {
            let disposition = plugin.go_on(&at, decided);
            action = self.exchange.follow(&mut at, disposition);
        }
        match action {
            Action::Continue => Next::Continue,
            Action::Wait => Next::Wait,
            Action::Reply { reply, is_grpc } => Next::Reply(reply_of(gate, stream, reply, is_grpc)),
        }
    }

    /// What it has waited for is there.
    pub(crate) fn on_scheduled(&mut self, gate: &Gate, stream: &mut Stream<'_>) -> Then {
        let Some(decided) = self.exchange.seat().and_then(Seat::take) else { return Then::Nothing };
        let mut at = At { stream, ticket: &self.ticket };
        let disposition = gate.plugin().go_on(&at, decided);
        match self.exchange.follow(&mut at, disposition) {
            Action::Continue => Then::Continue,
            Action::Wait => Then::Nothing,
            Action::Reply { reply, is_grpc } => Then::Reply(reply_of(gate, stream, reply, is_grpc)),
        }
    }

    pub(crate) fn on_response_headers(&mut self, gate: &Gate, stream: &mut Stream<'_>, end_of_stream: bool) {
        let mut at = At { stream, ticket: &self.ticket };
        self.exchange.on_response_headers(gate.plugin(), &mut at, end_of_stream);
    }

    pub(crate) fn on_response_trailers(&mut self, gate: &Gate, stream: &mut Stream<'_>) {
        let at = At { stream, ticket: &self.ticket };
        self.exchange.on_response_trailers(gate.plugin(), &at);
    }

    pub(crate) fn on_complete(&mut self, gate: &Gate, stream: &mut Stream<'_>) {
        let at = At { stream, ticket: &self.ticket };
        self.exchange.end(gate.plugin(), &at);
    }
}

/// The reply to a request. Of one to a gRPC call Envoy makes a 200, which to a proxy that asks would mean yes: such a one is as it stands.
fn reply_of(gate: &Gate, stream: &Stream<'_>, reply: LocalReply, is_grpc: bool) -> Reply {
    let is_asked = gate.plugin().gate().config().request_from.is_asked();
    let verbatim = is_asked && stream.with_request_headers(looks_like_grpc);
    Reply { verbatim, ..written(reply, is_grpc && !verbatim) }
}

/// Whether Envoy takes a request with these headers for a gRPC call.
fn looks_like_grpc(headers: &[Pair<'_>]) -> bool {
    Headers::of_pairs(headers).first("content-type").is_some_and(|kind| kind.starts_with(b"application/grpc"))
}

/// As Envoy takes it.
pub(crate) fn written(reply: LocalReply, is_grpc: bool) -> Reply {
    let LocalReply { status, headers, body, details, grpc_message } = reply;
    let mut headers: Vec<_> = headers
        .into_iter()
        .filter(|(name, _)| !is_grpc || *name != "content-type")
        .map(|(name, value)| (name.into(), value))
        .collect();
    if is_grpc {
        headers.push(("grpc-status".into(), RESOURCE_EXHAUSTED.to_owned()));
    }
    let body = if is_grpc { grpc_message } else { body };
    Reply { status, headers, body: body.into_bytes(), details: details.into(), verbatim: false }
}
