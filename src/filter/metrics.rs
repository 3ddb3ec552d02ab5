//! What is counted for those who run the proxy. Never by client: names are fixed when a configuration is
//! taken into use.

use std::cell::Cell;

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use crate::decision::Judgement;
use crate::gate::Passage;
use crate::policy::Policy;
use crate::redis::{Failure, Report};
use crate::request::Unclear;
use crate::store::{Events, StoreError};

/// The metrics' ids at the host.
pub(super) struct Metrics {
    scopes: Vec<ScopeMetrics>,
    proved: u32,
    held_back: u32,
    lost_races: u32,
    evicted: u32,
    corrupt: u32,
    unsettled: u32,
    contended: u32,
    failed: u32,
    malformed: u32,
    redis: Option<RedisMetrics>,
    told: Cell<bool>,
    told_malformed: Cell<bool>,
}

/// What there is only with counters in Redis.
struct RedisMetrics {
    batches: u32,
    batch: u32,
    unsettled: u32,
    /// How many workers are without Redis.
    degraded: u32,
    evicts: u32,
    failures: Vec<(Failure, u32)>,
}

struct ScopeMetrics {
    allowed: u32,
    denied: u32,
    shadowed: u32,
}

impl Metrics {
    pub(super) fn define(policy: &Policy, with_redis: bool) -> Self {
        let scope = |name: &str| {
            let decision = |decision| counter(&format!("requests.scope.{name}.decision.{decision}"));
            ScopeMetrics {
                allowed: decision("allowed"),
                denied: decision("denied"),
                shadowed: decision("shadowed"),
            }
        };
        Self {
            scopes: policy.scopes.iter().map(|found| scope(&found.name)).collect(),
            proved: counter("credentials.proved"),
            held_back: counter("credentials.held_back"),
            lost_races: counter("store.lost_races"),
            evicted: counter("store.evicted"),
            corrupt: counter("store.corrupt"),
            unsettled: counter("store.unsettled"),
            contended: counter("store.contended"),
            failed: counter("store.failed"),
            malformed: counter("requests.malformed"),
            redis: with_redis.then(RedisMetrics::define),
            told: Cell::new(false),
            told_malformed: Cell::new(false),
        }
    }

    /// Counts for each scope what it did to the request. One that would have let a request through which
    /// another has denied did nothing: it was not charged either.
    pub(super) fn count_passage(&self, passage: &Passage) {
        let decision = &passage.decision;
        for (scope, judgement) in decision.scopes() {
            let Some(scope) = self.scopes.get(scope) else { continue };
            match judgement {
                Judgement::Allowed if decision.is_allowed() => increment(scope.allowed, 1),
                Judgement::Allowed => {}
                Judgement::Denied => increment(scope.denied, 1),
                Judgement::Shadowed => increment(scope.shadowed, 1),
            }
        }
        self.count_events(passage.events);
        if let Some(error) = passage.error {
            self.count_error(error);
        }
    }

    /// Counts what came of a response.
    pub(super) fn count_settled(&self, proved: bool, events: Events) {
        increment(self.proved, proved.into());
        self.count_events(events);
    }

    /// Counts what was sent to Redis, about so many requests each time, and what else has happened there.
    pub(super) fn count_redis(&self, report: &Report, sent: &[usize]) {
        let Some(redis) = &self.redis else { return };
        for requests in sent {
            increment(redis.batches, 1);
            record(redis.batch, *requests as u64);
        }
        increment(redis.unsettled, report.unsettled);
        if report.gave_up.is_some() {
            add(redis.degraded, 1);
        }
        if report.has_recovered {
            add(redis.degraded, -1);
        }
        if let Some(evicts) = report.evicts {
            record(redis.evicts, evicts.into());
        }
        self.count_events(report.events);
    }

    /// Counts a request about which Redis did not decide.
    pub(super) fn count_failure(&self, failure: Failure) {
        let Some(redis) = &self.redis else { return };
        if let Some((_, metric)) = redis.failures.iter().find(|(known, _)| *known == failure) {
            increment(*metric, 1);
        }
    }

    /// A worker that was without Redis is no more.
    pub(super) fn is_gone(&self) {
        if let Some(redis) = &self.redis {
            add(redis.degraded, -1);
        }
    }

    pub(super) fn count_events(&self, events: Events) {
        increment(self.lost_races, events.lost_races);
        increment(self.evicted, events.evicted);
        increment(self.corrupt, events.corrupt);
        increment(self.held_back, events.held_back);
        increment(self.unsettled, events.unsettled);
    }

    /// Counts a question that another proxy has not put well. The log is told once: the fault is the proxy's, which
    /// will not mend it meanwhile.
    pub(super) fn count_malformed(&self, unclear: Unclear) {
        increment(self.malformed, 1);
        if !self.told_malformed.replace(true) {
            log::warn!(
                "{unclear}; such requests are answered with 400 and counted in tollgate.requests.malformed"
            );
        }
    }

    /// Counts requests that could not be decided. The log is told once: it would say nothing new.
    fn count_error(&self, error: StoreError) {
        let (metric, consequence) = match error {
            StoreError::Contended => (self.contended, "denied"),
            StoreError::Unavailable => (self.failed, "allowed"),
        };
        increment(metric, 1);
        if !self.told.replace(true) {
            log::error!("{error}; such requests are {consequence} and counted in tollgate.store.*");
        }
    }
}

impl RedisMetrics {
    fn define() -> Self {
        let failures = Failure::ALL.iter();
        Self {
            batches: counter("store.redis.batches"),
            batch: metric(MetricType::Histogram, "store.redis.batch"),
            unsettled: counter("store.redis.unsettled"),
            degraded: metric(MetricType::Gauge, "store.redis.degraded"),
            evicts: metric(MetricType::Gauge, "store.redis.evicts"),
            failures: failures
                .map(|(failure, name)| (*failure, counter(&format!("store.redis.failures.cause.{name}"))))
                .collect(),
        }
    }
}

fn counter(name: &str) -> u32 {
    metric(MetricType::Counter, name)
}

fn metric(kind: MetricType, name: &str) -> u32 {
    hostcalls::define_metric(kind, &format!("tollgate.{name}")).unwrap_or_default()
}

fn record(metric: u32, value: u64) {
    let _ = hostcalls::record_metric(metric, value);
}

fn increment(metric: u32, by: u32) {
    if by > 0 {
        add(metric, by.into());
    }
}

fn add(metric: u32, by: i64) {
    // An unknown metric is nothing that a request should fail for.
    let _ = hostcalls::increment_metric(metric, by);
}
