//! What is shown of metrics, and by metrics, beside what requests count: to the console, and by gauges. nginx has neither.

use proxy_wasm::hostcalls;

use super::{Metrics, gauge, record};
use crate::config::Config;
use crate::console::view::{Counts, RedisState, TableState};
use crate::decision::{Judgement, Ruling};
use crate::metrics as names;
use crate::redis::Failure;
use crate::store::Capacity;

/// What a console is told.
impl Counts for Metrics {
    fn requests(&self, ruling: Ruling) -> u64 {
        value(self.rulings[ruling as usize])
    }

    fn scope(&self, scope: usize, judgement: Judgement) -> u64 {
        let Some(scope) = self.scopes.get(scope) else { return 0 };
        value(match judgement {
            Judgement::Allowed => scope.allowed,
            Judgement::Denied => scope.denied,
            Judgement::Shadowed => scope.shadowed,
        })
    }
}

impl Metrics {
    /// The state of the table.
    pub(in crate::filter) fn table(&self, capacity: Option<Capacity>) -> TableState {
        TableState {
            capacity,
            clients: value(gauge(names::STORE_CLIENTS)),
            evicted: value(self.evicted),
            corrupt: value(self.corrupt),
            contended: value(self.contended),
            failed: value(self.failed),
        }
    }

    /// The state of Redis, if the policy keeps counters there.
    pub(in crate::filter) fn redis(&self) -> Option<RedisState> {
        let redis = self.redis.as_ref()?;
        let failures = Failure::ALL.iter().zip(&redis.failures);
        Some(RedisState {
            workers_without: value(redis.workers_without),
            evicts: value(redis.evicts) > 0,
            failures: failures.map(|((_, cause), (_, metric))| (*cause, value(*metric))).collect(),
        })
    }
}

/// Says for how many clients there is room, and which scopes are enforced under the policy with this name.
pub(in crate::filter) fn set_gauges(name: &str, config: &Config) {
    record(gauge(names::STORE_CAPACITY), config.capacity.clients().into());
    for scope in &config.policy.scopes {
        record(gauge(&names::scope_enforced(name, &scope.name)), scope.enforced.into());
    }
}

/// Says how many clients' counters matter.
pub(in crate::filter) fn set_clients(clients: u64) {
    record(gauge(names::STORE_CLIENTS), clients);
}

fn value(metric: u32) -> u64 {
    hostcalls::get_metric(metric).unwrap_or_default()
}
