//! What one worker needs to judge requests.

use std::cell::RefCell;
use std::fmt;

use super::host;
use super::metrics::Metrics;
use super::shared::{HostData, SharedCells};
use crate::client::{Client, Funnel};
use crate::config::Config;
use crate::gate::{Gate, Pending};
use crate::request::{Headers, Properties, Request};
use crate::response::Denial;

/// One accepted configuration at work.
pub(super) struct Worker {
    gate: Gate<SharedCells>,
    metrics: Metrics,
    funnel: RefCell<Funnel>,
}

/// What happens to a request.
pub(super) enum Answer {
    /// It goes on; the response gets these headers, and settles what is pending.
    Allow { quota_headers: Vec<(&'static str, String)>, pending: Option<Pending> },
    /// It is answered with this.
    Deny { denial: Denial, is_grpc: bool },
}

impl Worker {
    /// Takes a configuration into use; or says why not.
    pub(super) fn open(document: &[u8]) -> Result<Self, String> {
        let config = Config::parse(document).map_err(|error| error.to_string())?;
        let cells = SharedCells::open(HostData)?;
        cells.agree_on_capacity(config.capacity)?;
        let secret = cells.agree_on_secret(host::random)?;
        let metrics = Metrics::define(&config.policy);
        let gate = Gate::new(config, secret, cells);
        Ok(Self { gate, metrics, funnel: RefCell::default() })
    }

    /// Of our reply to a gRPC call Envoy makes a 200, which to a proxy that asks would mean yes.
    pub(super) fn put_status_right(&self) {
        let config = self.gate.config();
        if config.request_from.is_asked()
            && host::is_grpc_response()
            && let Some(status) = config.response.status_of(&host::code_details())
        {
            host::set_response_header(":status", &status.to_string());
        }
    }

    /// Judges the request with this block of headers.
    pub(super) fn admit(&self, block: &[u8]) -> Answer {
        let from = self.gate.config().request_from;
        let request = match Request::read(from, Headers::new(block), &Host) {
            Ok(request) => request,
            Err(unclear) => {
                self.metrics.count_malformed(unclear);
                return Answer::Deny { denial: Denial::malformed(unclear), is_grpc: false };
            }
        };
        let client = Client::identify(&self.gate.config().policy.client, &request);
        let passage = self.gate.admit(&request, &client, host::now());
        self.metrics.count_passage(&passage);
        self.watch(&request, &client);
        if let Some(denial) = self.gate.denial(&passage.decision) {
            return Answer::Deny { denial, is_grpc: request.is_grpc() };
        }
        let quota_headers = self.gate.quota_headers(&passage.decision);
        Answer::Allow { quota_headers, pending: passage.pending }
    }

    /// Settles what a request has left pending, now that its response is there.
    pub(super) fn settle(&self, pending: Pending) {
        match self.gate.settle(pending, host::response(), host::now()) {
            Ok((proved, events)) => self.metrics.count_settled(proved, events),
            Err(error) => self.metrics.count_error(error),
        }
    }

    /// Tells the log, once for all workers, when every client seems to arrive from one address.
    fn watch(&self, request: &Request, client: &Client) {
        let Some(address) = client.known_address() else { return };
        if self.funnel.borrow_mut().notices(address, request) && self.gate.cells().is_first_to_tell() {
            log::warn!(
                "all requests come from {address} and carry an X-Forwarded-For that the proxy does not trust, so all \
                 clients share one counter; if {address} is a proxy of yours, set xff_num_trusted_hops in Envoy's \
                 HTTP connection manager to the number of proxies in front of it"
            );
        }
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.gate.config();
        f.write_str("in force:")?;
        for scope in &config.policy.scopes {
            let rates: Vec<String> = scope.limits.iter().map(|limit| limit.rate.to_string()).collect();
            let shadow = if scope.enforced { "" } else { " (shadow)" };
            write!(f, " {} {}{shadow},", scope.name, rates.join(" and "))?;
        }
        write!(f, " counters for {} clients", config.capacity.clients())
    }
}

/// What the proxy knows besides the headers.
struct Host;

impl Properties for Host {
    fn source_address(&self) -> Vec<u8> {
        host::source_address()
    }

    fn jwt_claim(&self, name: &str) -> Option<Vec<u8>> {
        host::jwt_claim(name)
    }
}
