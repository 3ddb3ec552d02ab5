//! What is counted for those who run the proxy: the metrics at the host.

mod shown;

pub(super) use shown::{set_clients, set_gauges};

use std::sync::atomic::{AtomicBool, Ordering};

use super::host::{Kind, Meter};
use crate::decision::{Judgement, Ruling};
use crate::gate::Passage;
use crate::metrics::{self as names};
use crate::redis::{Failure, Report};
use crate::request::Unclear;
use crate::scope::Scope;
use crate::store::{Events, StoreError, TableName};

/// The metrics' ids at the proxy.
pub(super) struct Metrics<M> {
    meter: M,
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
    told: AtomicBool,
    told_malformed: AtomicBool,
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

impl<M: Meter> Metrics<M> {
    /// Those of the policy with this name, and of its table.
    pub(super) fn define(
        meter: M,
        name: &str,
        scopes: &[Scope],
        table: Option<&TableName>,
        with_redis: bool,
    ) -> Self {
        let counter = |name: &str| meter.define(Kind::Counter, name);
        shown::prepare(&meter, name, scopes, table);
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
            redis: with_redis.then(|| RedisMetrics::define(&meter)),
            told: AtomicBool::new(false),
            told_malformed: AtomicBool::new(false),
            meter,
        }
    }

    /// The proxy's metrics.
    pub(super) const fn meter(&self) -> &M {
        &self.meter
    }

    /// Counts a request that was ruled on so.
    pub(super) fn count(&self, ruling: Ruling) {
        self.increment(self.rulings[ruling as usize], 1);
    }

    /// Counts the ruling, and for each scope what it did to the request. One that would have let a request through which
    /// another has denied did nothing: it was not charged either.
    pub(super) fn count_passage(&self, passage: &Passage, ruling: Ruling) {
        self.count(ruling);
        let decision = &passage.decision;
        for (scope, judgement) in decision.scopes() {
            let Some(scope) = self.scopes.get(scope) else { continue };
            match judgement {
                Judgement::Allowed if decision.is_allowed() => self.increment(scope.allowed, 1),
                Judgement::Allowed => {}
                Judgement::Denied => self.increment(scope.denied, 1),
                Judgement::Shadowed => self.increment(scope.shadowed, 1),
            }
        }
        self.count_events(passage.events);
        if let Some(error) = passage.error {
            self.count_error(error);
        }
    }

    /// Counts what came of a response.
    pub(super) fn count_settled(&self, proved: bool, events: Events) {
        self.increment(self.proved, proved.into());
        self.count_events(events);
    }

    /// Counts what was sent to Redis, about so many requests each time, and what else has happened there. `workers`: how many share the
    /// connection.
    pub(super) fn count_redis(&self, report: &Report, sent: &[usize], workers: u32) {
        let Some(redis) = &self.redis else { return };
        for requests in sent {
            self.increment(redis.exchanges, 1);
            self.meter.record(redis.requests, *requests as u64);
        }
        self.increment(redis.unsettled, report.unsettled);
        if report.gave_up.is_some() {
            self.meter.add(redis.workers_without, workers.into());
        }
        if report.has_recovered {
            self.meter.add(redis.workers_without, -i64::from(workers));
        }
        if let Some(evicts) = report.evicts {
            self.meter.record(redis.evicts, evicts.into());
        }
        self.count_events(report.events);
    }

    /// Counts a request about which Redis did not decide.
    pub(super) fn count_failure(&self, failure: Failure) {
        let Some(redis) = &self.redis else { return };
        if let Some((_, metric)) = redis.failures.iter().find(|(known, _)| *known == failure) {
            self.increment(*metric, 1);
        }
    }

    /// So many workers that were without Redis are no more.
    pub(super) fn are_gone(&self, workers: u32) {
        if let Some(redis) = &self.redis {
            self.meter.add(redis.workers_without, -i64::from(workers));
        }
    }

    pub(super) fn count_events(&self, events: Events) {
        self.increment(self.lost_races, events.lost_races);
        self.increment(self.evicted, events.evicted);
        self.increment(self.corrupt, events.corrupt);
        self.increment(self.held_back, events.held_back);
        self.increment(self.unsettled, events.unsettled);
    }

    /// Counts a question that another proxy has not put well. The log is told once: the fault is the proxy's, which
    /// will not mend it meanwhile.
    pub(super) fn count_malformed(&self, unclear: Unclear) {
        self.count(Ruling::Malformed);
        if !self.told_malformed.swap(true, Ordering::Relaxed) {
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
        self.increment(metric, 1);
        if !self.told.swap(true, Ordering::Relaxed) {
            log::error!("{error}; such requests are {consequence} and counted in tollgate_store_*");
        }
    }

    fn increment(&self, metric: u32, by: u32) {
        if by > 0 {
            self.meter.add(metric, by.into());
        }
    }
}

impl RedisMetrics {
    fn define(meter: &impl Meter) -> Self {
        let counter = |name: &str| meter.define(Kind::Counter, name);
        let gauge = |name: &str| meter.define(Kind::Gauge, name);
        let failure = |(failure, cause): &(Failure, &str)| (*failure, counter(&names::redis_failures(cause)));
        Self {
            exchanges: counter(names::REDIS_EXCHANGES),
            requests: meter.define(Kind::Histogram, names::REDIS_REQUESTS),
            unsettled: counter(names::REDIS_UNSETTLED),
            workers_without: gauge(names::REDIS_WORKERS_WITHOUT),
            evicts: gauge(names::REDIS_EVICTS),
            failures: Failure::ALL.iter().map(failure).collect(),
        }
    }
}
