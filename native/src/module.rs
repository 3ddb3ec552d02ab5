//! What a configuration makes of the module: a gate, or the console.

use tollgate::config::Failure;
use tollgate::metrics;

use crate::abi::{Next, Opening, Plugin, Request, Stream, Then};
use crate::call::Call;
use crate::console::{Console, Visit};
use crate::gate::Gate;
use crate::logger;

/// One configuration, which all workers share.
pub struct Module(Role);

enum Role {
    /// It judges requests.
    Gate(Gate),
    /// It answers operators.
    Console(Console),
}

impl Plugin for Module {
    type Request = Passage;

    fn open(at: &mut Opening<'_>) -> Result<Self, String> {
        logger::install();
        match Console::open(at) {
            Some(console) => Ok(Self(Role::Console(console?))),
            None => Ok(Self(Role::Gate(Gate::open(at)?))),
        }
    }

    fn request(&self) -> Passage {
        Passage(match self.0 {
            Role::Gate(_) => Kind::Call(Call::default()),
            Role::Console(_) => Kind::Visit(Visit::default()),
        })
    }

    fn on_scheduled(&self, _event: u64) {
        if let Role::Gate(gate) = &self.0 {
            gate.on_scheduled();
        }
    }

    fn failure(&self) -> Failure {
        match &self.0 {
            Role::Gate(gate) => gate.failure(),
            // Behind it there is no application.
            Role::Console(_) => Failure::Deny,
        }
    }

    fn panics(name: &[u8]) -> String {
        metrics::panics(&metrics::policy_name(name))
    }
}

/// One request.
pub struct Passage(Kind);

enum Kind {
    Call(Call),
    Visit(Visit),
}

impl Request for Passage {
    type Plugin = Module;

    fn on_request_headers(&mut self, module: &Module, at: &mut Stream<'_>, end: bool) -> Next {
        match (&mut self.0, &module.0) {
            (Kind::Call(call), Role::Gate(gate)) => call.on_request_headers(gate, at),
            (Kind::Visit(visit), Role::Console(console)) => visit.on_request_headers(console, at, end),
            _ => Next::Continue,
        }
    }

    fn on_request_body(&mut self, module: &Module, at: &mut Stream<'_>, end: bool) -> Next {
        match (&mut self.0, &module.0) {
            (Kind::Visit(visit), Role::Console(console)) => visit.on_request_body(console, at, end),
            _ => Next::Continue,
        }
    }

    fn on_request_trailers(&mut self, module: &Module, _at: &mut Stream<'_>) -> Next {
        match (&mut self.0, &module.0) {
            (Kind::Visit(visit), Role::Console(console)) => visit.on_request_trailers(console),
            _ => Next::Continue,
        }
    }

    fn on_response_headers(&mut self, module: &Module, at: &mut Stream<'_>, end: bool) {
        if let (Kind::Call(call), Role::Gate(gate)) = (&mut self.0, &module.0) {
            call.on_response_headers(gate, at, end);
        }
    }

    fn on_response_trailers(&mut self, module: &Module, at: &mut Stream<'_>) {
        if let (Kind::Call(call), Role::Gate(gate)) = (&mut self.0, &module.0) {
            call.on_response_trailers(gate, at);
        }
    }

    fn on_scheduled(&mut self, module: &Module, at: &mut Stream<'_>, _event: u64) -> Then {
        match (&mut self.0, &module.0) {
            (Kind::Call(call), Role::Gate(gate)) => call.on_scheduled(gate, at),
            (Kind::Visit(visit), Role::Console(console)) => visit.on_scheduled(console),
            _ => Then::Nothing,
        }
    }

    fn on_complete(&mut self, module: &Module, at: &mut Stream<'_>) {
        match (&mut self.0, &module.0) {
            (Kind::Call(call), Role::Gate(gate)) => call.on_complete(gate, at),
            (Kind::Visit(visit), Role::Console(console)) => visit.on_complete(console),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::host::Host;

    #[test]
    fn a_policy_that_goes_is_gone_before_its_metrics_are() {
        let host = Host::<Module>::open(b"tollgate", b"{}").expect("a policy");
        let Role::Gate(gate) = &host.plugin().0 else { panic!("no console") };
        let left = gate.left();
        drop(host);
        assert_eq!(left.strong_count(), 0, "what it still counts is lost");
    }
}
