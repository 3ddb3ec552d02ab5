//! What a worker tells the log.

use std::fmt;
use std::sync::PoisonError;

use super::Plugin;
use crate::access_log::{Entry, Field};
use crate::adapter::host::{Host, Stream};
use crate::client::{Cause, Client};
use crate::decision::Ruling;
use crate::redis::{Failure, Refusal};
use crate::request::Request;
use crate::store::Topic;

/// That all clients seem to be one.
const FUNNEL: &Topic = b"all from one src";

/// Tells the access log of a request.
///
/// Where an earlier gate of the same chain has told it something, nothing of that stays: a line speaks of one gate. Of a denial that is not
/// looked at, since floods are denied: it says all but `shadow`, which may stay.
pub(super) fn tell_log(at: &mut impl Stream, entry: &Entry) {
    let fields = entry.fields();
    let says_all = entry.ruling == Ruling::Denied && entry.scope.is_some();
    if !says_all && at.has_logged(Field::Decision) {
        for field in Field::ALL {
            if fields.iter().all(|(said, _)| *said != field) {
                at.set_logged(field, "");
            }
        }
    }
    for (field, value) in fields {
        at.set_logged(field, &value);
    }
}

impl<H: Host> Plugin<H> {
    /// Tells the log what Redis said, each refusal once a minute.
    pub(super) fn tell_refusal(&self, refusal: &Refusal) {
        if self.is_news(refusal.failure, &refusal.text) {
            log::warn!("Redis refuses ({}): {}", refusal.failure.name(), refusal.text);
        }
    }

    /// Tells the log why there is no connection to Redis, each reason once a minute.
    pub fn tell_trouble(&self, failure: Failure, reason: &str) {
        if self.is_news(failure, reason) {
            log::warn!("Redis cannot be asked ({}): {reason}", failure.name());
        }
    }

    fn is_news(&self, failure: Failure, reason: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.is_news(failure, reason, self.host.now())
    }

    /// Tells the log, once for all workers, when every client seems to arrive from one address.
    pub(super) fn watch(&self, request: &Request, client: &Client) {
        let Some(address) = client.known_address() else { return };
        // Where another worker looks at this moment, there is no need to.
        let Ok(mut funnel) = self.funnel.try_lock() else { return };
        let noticed = funnel.notices(address, request);
        drop(funnel);
        let Some(cause) = noticed.filter(|_| self.shared.is_first_to_tell(FUNNEL)) else { return };
        match cause {
            Cause::Untold => log::warn!(
                "all requests come from {address} and carry an X-Forwarded-For that the proxy does not trust, so all \
                 clients share one counter; if {address} is a proxy of yours, set xff_num_trusted_hops in Envoy's \
                 HTTP connection manager to the number of proxies in front of it"
            ),
            Cause::WithPort => log::warn!(
                "all requests come from {address}, whose X-Forwarded-For names clients as `192.0.2.1:4711` or in brackets; \
                 Envoy reads addresses without a port alone, so all clients share one counter; if {address} is a proxy of \
                 yours, let it leave the port out, or cut it off in Envoy by early_header_mutation_extensions, as \
                 docs/envoy.md shows"
            ),
        }
    }
}

/// What is in force.
impl<H: Host> fmt::Display for Plugin<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.config();
        f.write_str("in force:")?;
        for scope in &config.policy.scopes {
            let rates: Vec<String> = scope.limits.iter().map(|limit| limit.rate.to_string()).collect();
            let shadow = if scope.enforced { "" } else { " (shadow)" };
            write!(f, " {} {}{shadow},", scope.name, rates.join(" and "))?;
        }
        write!(f, " counters for {} clients", config.capacity.clients())?;
        match &config.redis {
            Some(redis) => write!(f, ", shared in Redis {}", redis.place()),
            None => Ok(()),
        }
    }
}
