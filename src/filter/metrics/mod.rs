//! What is counted for those who run the proxy: the metrics at the host.

#[cfg(not(feature = "nginx"))]
mod shown;

use std::cell::Cell;

#[cfg(not(feature = "nginx"))]
pub(super) use shown::set_clients;
#[cfg(not(feature = "nginx"))]
pub(super) use shown::set_gauges;

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use crate::decision::{Judgement, Ruling};
use crate::gate::Passage;
use crate::metrics::{self as names};
use crate::redis::{Failure, Report};
use crate::request::Unclear;
use crate::scope::Scope;
use crate::store::{Events, StoreError};

/// The metrics' ids at the host.
pub(super) struct Metrics {
    rulings: [u32; Ruling::ALL.len()],
    scopes: Vec<ScopeMetrics>,
    proved: u32,
    held_back: u32,
    lost_races: u32,
    evicted: u32,
    corrupt: u32,
    unsettled: u32,
    contended: u32,
    failed: u32,
    redis: Option<RedisMetrics>,
    told: Cell<bool>,
    told_malformed: Cell<bool>,
}

/// What there is only with counters in Redis.
struct RedisMetrics {
    exchanges: u32,
    requests: u32,
    unsettled: u32,
    /// How many workers are without Redis.
    workers_without: u32,
    evicts: u32,
    failures: Vec<(Failure, u32)>,
}

struct ScopeMetrics {
    allowed: u32,
    denied: u32,
    shadowed: u32,
}

impl Metrics {
    /// Those of the policy with this name.
    pub(super) fn define(name: &str, scopes: &[Scope], with_redis: bool) -> Self {
        let scope = |scope: &str| {
            let judged = |judgement| counter(&names::scope_requests(name, scope, judgement));
            ScopeMetrics {
                allowed: judged(Judgement::Allowed),
                denied: judged(Judgement::Denied),
                shadowed: judged(Judgement::Shadowed),
            }
        };
        let store = |what| counter(&names::store(what));
        Self {
            rulings: Ruling::ALL.map(|ruling| counter(&names::requests(name, ruling))),
            scopes: scopes.iter().map(|found| scope(&found.name)).collect(),
            proved: counter(&names::credentials(name, "proved")),
            held_back: counter(&names::credentials(name, "held_back")),
            lost_races: store("lost_races"),
            evicted: store("evicted"),
            corrupt: store("corrupt"),
            unsettled: store("unsettled"),
            contended: store("contended"),
            failed: store("failed"),
            redis: with_redis.then(RedisMetrics::define),
            told: Cell::new(false),
            told_malformed: Cell::new(false),
        }
    }

    /// Counts a request that was ruled on so.
    pub(super) fn count(&self, ruling: Ruling) {
        increment(self.rulings[ruling as usize], 1);
    }

    /// Counts the ruling, and for each scope what it did to the request. One that would have let a request through which
    /// another has denied did nothing: it was not charged either.
    pub(super) fn count_passage(&self, passage: &Passage, ruling: Ruling) {
        self.count(ruling);
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
            increment(redis.exchanges, 1);
            record(redis.requests, *requests as u64);
        }
        increment(redis.unsettled, report.unsettled);
        if report.gave_up.is_some() {
            add(redis.workers_without, 1);
        }
        if report.has_recovered {
            add(redis.workers_without, -1);
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
            add(redis.workers_without, -1);
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
        self.count(Ruling::Malformed);
        if !self.told_malformed.replace(true) {
            log::warn!(
                "{unclear}; such requests are answered with 400 and counted in tollgate_requests_total"
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
            log::error!("{error}; such requests are {consequence} and counted in tollgate_store_*");
        }
    }
}

impl RedisMetrics {
    fn define() -> Self {
        let failure = |(failure, cause): &(Failure, &str)| (*failure, counter(&names::redis_failures(cause)));
        Self {
            exchanges: counter(names::REDIS_EXCHANGES),
            requests: metric(MetricType::Histogram, names::REDIS_REQUESTS),
            unsettled: counter(names::REDIS_UNSETTLED),
            workers_without: gauge(names::REDIS_WORKERS_WITHOUT),
            evicts: gauge(names::REDIS_EVICTS),
            failures: Failure::ALL.iter().map(failure).collect(),
        }
    }
}

fn counter(name: &str) -> u32 {
    metric(MetricType::Counter, name)
}

fn gauge(name: &str) -> u32 {
    metric(MetricType::Gauge, name)
}

fn metric(kind: MetricType, name: &str) -> u32 {
    hostcalls::define_metric(kind, name).unwrap_or_default()
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
