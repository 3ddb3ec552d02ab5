//! What is shown of metrics, and by metrics, beside what requests count: to the console, and by gauges.

use super::Metrics;
use crate::adapter::host::{Kind, Meter};
use crate::config::Config;
use crate::console::view::{Counts, RedisState, TableState};
use crate::decision::{Judgement, Ruling};
use crate::metrics as names;
use crate::redis::Failure;
use crate::scope::Scope;
use crate::store::{Capacity, TableName};

/// What a console is told.
impl<M: Meter> Counts for Metrics<M> {
    fn requests(&self, ruling: Ruling) -> u64 {
        self.meter.value(self.rulings[ruling as usize])
    }

    fn scope(&self, scope: usize, judgement: Judgement) -> u64 {
        let Some(scope) = self.scopes.get(scope) else { return 0 };
        self.meter.value(match judgement {
            Judgement::Allowed => scope.allowed,
            Judgement::Denied => scope.denied,
            Judgement::Shadowed => scope.shadowed,
        })
    }
}

impl<M: Meter> Metrics<M> {
    /// The state of the table of this name, or of that without one.
    pub(in crate::adapter) fn table(
        &self,
        name: Option<&TableName>,
        capacity: Option<Capacity>,
    ) -> TableState {
        TableState {
            capacity,
            clients: self.meter.value(self.meter.define(Kind::Gauge, &names::store_clients(name))),
            evicted: self.meter.value(self.evicted),
            corrupt: self.meter.value(self.corrupt),
            contended: self.meter.value(self.contended),
            failed: self.meter.value(self.failed),
        }
    }

    /// The state of Redis, if the policy keeps counters there.
    pub(in crate::adapter) fn redis(&self) -> Option<RedisState> {
        let redis = self.redis.as_ref()?;
        let failures = Failure::ALL.iter().zip(&redis.failures);
        Some(RedisState {
            workers_without: self.meter.value(redis.workers_without),
            evicts: self.meter.value(redis.evicts) > 0,
            failures: failures.map(|((_, cause), (_, metric))| (*cause, self.meter.value(*metric))).collect(),
        })
    }
}

/// Tells the proxy which gauges there will be.
pub(super) fn prepare(meter: &impl Meter, name: &str, scopes: &[Scope], table: Option<&TableName>) {
    meter.prepare(Kind::Gauge, &names::store_capacity(table));
    meter.prepare(Kind::Gauge, &names::store_clients(table));
    for scope in scopes {
        meter.prepare(Kind::Gauge, &names::scope_enforced(name, &scope.name));
    }
}

/// Says for how many clients there is room, and which scopes are enforced under the policy with this name.
pub(in crate::adapter) fn set_gauges(meter: &impl Meter, name: &str, config: &Config) {
    let set = |name: &str, value: u64| meter.record(meter.define(Kind::Gauge, name), value);
    set(&names::store_capacity(config.table.as_ref()), config.capacity.clients().into());
    for scope in &config.policy.scopes {
        set(&names::scope_enforced(name, &scope.name), scope.enforced.into());
    }
}

/// Says how many clients' counters matter in the table of this name, or in that without one.
pub(in crate::adapter) fn set_clients(meter: &impl Meter, table: Option<&TableName>, clients: u64) {
    meter.record(meter.define(Kind::Gauge, &names::store_clients(table)), clients);
}
