//! A policy at work in Envoy.

use tollgate::config::{self, Config as Policy, Failure};
use tollgate::metrics;

use crate::abi::{Next, Opening, Plugin, Request, Stream};

/// One policy, shared by all workers.
pub struct Module {
    failure: Failure,
}

impl Plugin for Module {
    type Request = Passage;

    fn open(at: &mut Opening<'_>) -> Result<Self, String> {
        let document = at.document();
        if let Some(console) = config::console(document, &environment_variable) {
            console.map_err(|error| error.to_string())?;
            return Ok(Self { failure: Failure::Deny });
        }
        let policy =
            Policy::parse_with(document, &environment_variable).map_err(|error| error.to_string())?;
        Ok(Self { failure: policy.failure })
    }

    fn request(&self) -> Passage {
        Passage
    }

    fn failure(&self) -> Failure {
        self.failure
    }

    fn panics(name: &[u8]) -> String {
        metrics::panics(&metrics::policy_name(name))
    }
}

/// What Envoy's own environment has under this name.
fn environment_variable(name: &str) -> Option<Vec<u8>> {
    std::env::var_os(name).map(std::ffi::OsString::into_encoded_bytes)
}

/// One request's way through it.
pub struct Passage;

impl Request for Passage {
    type Plugin = Module;

    fn on_request_headers(&mut self, _plugin: &Module, _at: &mut Stream<'_>, _end: bool) -> Next {
        Next::Continue
    }
}
