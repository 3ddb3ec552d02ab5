//! What a worker needs to judge requests, and the walk of one request through the core.

use std::fmt;
use std::time::Duration;

use super::host;
use super::metrics::Metrics;
use super::shared::{self, SharedCells};
use crate::config::Config;
use crate::limiter::Decision;
use crate::request::{Headers, Properties, Request};
use crate::response::Denial;
use crate::store::{Secret, StoreError, Table};

/// One accepted configuration at work.
pub(super) struct Gate {
    config: Config,
    secret: Secret,
    table: Table<SharedCells>,
    metrics: Metrics,
}

/// What happens to a request.
pub(super) enum Answer {
    /// It goes on; the response gets these headers.
    Allow { quota_headers: Vec<(&'static str, String)> },
    /// It is answered with this.
    Deny { denial: Denial, is_grpc: bool },
}

impl Gate {
    /// Takes a configuration into use; or says why not.
    pub(super) fn open(document: &[u8]) -> Result<Self, String> {
        let config = Config::parse(document).map_err(|error| error.to_string())?;
        shared::agree_on_capacity(config.capacity)?;
        let secret = shared::agree_on_secret()?;
        let table = Table::new(SharedCells, config.capacity);
        let metrics = Metrics::define(&config.policy);
        Ok(Self { config, secret, table, metrics })
    }

    /// Judges the request with this block of headers.
    pub(super) fn judge(&self, block: &[u8]) -> Answer {
        let request = Request::new(Headers::new(block), &Host);
        let charges = self.config.policy.plan(&request, &self.secret);
        if charges.is_empty() {
            return Answer::Allow { quota_headers: Vec::new() };
        }
        let decision = match self.table.charge(&charges, host::now()) {
            Ok(outcome) => {
                self.metrics.count_events(outcome.events);
                Decision::of(&charges, &outcome.verdicts)
            }
            Err(error) => self.undecided(error),
        };
        self.metrics.count_decision(&decision);
        let Config { policy, response: rules, .. } = &self.config;
        match rules.denial(policy, &decision) {
            Some(denial) => Answer::Deny { denial, is_grpc: request.is_grpc() },
            None => Answer::Allow { quota_headers: rules.quota_headers(policy, &decision) },
        }
    }

    /// Without counters the application is worth more than its limits; but nobody may get past a limit by
    /// making workers race.
    fn undecided(&self, error: StoreError) -> Decision {
        self.metrics.count_error(error);
        let wait = match error {
            StoreError::Unavailable => None,
            StoreError::Contended => Some(Duration::from_secs(1)),
        };
        Decision { scopes: Vec::new(), wait, nearest: None }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("in force:")?;
        for scope in &self.config.policy.scopes {
            let rates: Vec<String> = scope.limits.iter().map(|limit| limit.rate.to_string()).collect();
            let shadow = if scope.enforced { "" } else { " (shadow)" };
            write!(f, " {} {}{shadow},", scope.name, rates.join(" and "))?;
        }
        write!(f, " counters for {} clients", self.config.capacity.clients())
    }
}

/// What the proxy knows besides the headers.
struct Host;

impl Properties for Host {
    fn source_address(&self) -> Vec<u8> {
        host::source_address()
    }
}
