//! A worker's requests that Redis decides about: they wait, and go on.

use std::rc::Rc;

use super::{Disposition, Worker};
use crate::client::Client;
use crate::filter::host;
use crate::filter::passed::{Counters, Passed, Slot, State};
use crate::filter::redis::{self, Link, Sent, Waiter};
use crate::gate::{Passage, Pending};
use crate::redis::{AT_ONCE, Asked, Decided, Failure, OnFailure, Report, Store};
use crate::store::{Events, Fingerprint, Plan, Settlement};
use crate::time::Time;

impl Worker {
    /// The root context was woken: there are requests that can go on, or a connection is to be opened.
    pub(in crate::filter) fn on_wake(&self, queue: u32) {
        let Some(link) = &self.link else { return };
        link.is_awake(queue);
        let now = host::now();
        self.with(link, link.root(), now, |_| ());
        self.release(link, now);
    }

    /// Time has passed. Returns whether it has to be called again as soon.
    pub(in crate::filter) fn on_tick(&self) -> bool {
        let Some(link) = &self.link else { return false };
        let now = host::now();
        self.with(link, link.root(), now, |store| store.tick(now));
        self.release(link, now);
        link.ticked()
    }

    /// So many bytes have come from Redis.
    pub(in crate::filter) fn on_received(&self, connection: u32, size: usize) {
        let Some(link) = self.link.as_ref().filter(|link| link.is_open(connection)) else { return };
        let bytes = redis::received(size);
        // First the next batch: Redis can think about it while this worker goes on with those of the last.
        let now = host::now();
        self.with(link, link.root(), now, |store| store.received(&bytes, now));
        self.release(link, now);
    }

    /// The connection to Redis is no more.
    pub(in crate::filter) fn on_closed(&self, connection: u32) {
        let Some(link) = self.link.as_ref().filter(|link| link.is_open(connection)) else { return };
        link.is_closed();
        let now = host::now();
        self.with(link, link.root(), now, |store| store.closed(Failure::Connection, now));
        self.release(link, now);
    }

    /// The stream is no more, and its request was waiting.
    pub(in crate::filter) fn on_gone(&self, id: u32) {
        let Some(link) = &self.link else { return };
        self.with(link, id, host::now(), |store| store.gone(id));
    }

    /// Does this with the store, sees to the connection, and counts and tells what has come of it. `here` is the context that is
    /// being served.
    fn with<T>(&self, link: &Link, here: u32, now: Time, act: impl FnOnce(&mut Store<Waiter>) -> T) -> T {
        let (result, report, sent) = link.with(here, now, act);
        self.account_for(link, &report, &sent, now);
        result
    }

    pub(super) fn ask(
        &self,
        link: &Link,
        id: u32,
        client: &Client,
        before: Option<Passed>,
        now: Time,
    ) -> Disposition {
        let acceptance = link.look(|store| store.acceptance(self.gate.proof(client), now));
        let mut plan = self.gate.plan(client, acceptance);
        let before = self.in_redis(id, before);
        let identities = self.gate.identities(client);
        let blocked = self.blocked(link, id, &identities, &plan, now);
        let passage = match blocked {
            // Once in a while Redis is asked all the same, or nobody would hear that it is over.
            Some(passage) if plan.is_free() || !link.look(|store| store.asks_for_acts(now)) => {
                Passage { pending: before, ..passage }
            }
            blocked => {
                plan.leave_out(before.receipt());
                let is_grpc = client.request().is_grpc();
                let slot = Rc::<Slot>::default();
                let waiter = Waiter { is_grpc, slot: slot.clone(), before, identities };
                match (self.with(link, id, now, |store| store.ask(id, waiter, plan, now)), blocked) {
                    (Asked::Waits, _) => return Disposition::Wait(slot),
                    (Asked::Known(waiter, ..) | Asked::Refused(waiter, ..), Some(passage)) => {
                        Passage { pending: waiter.before, ..passage }
                    }
                    (Asked::Known(waiter, plan, proved_for, outcome), None) => {
                        self.gate.conclude(&plan, proved_for, outcome, waiter.before)
                    }
                    (Asked::Refused(waiter, plan, failure), None) => {
                        return self.admit_without(id, plan, failure, waiter, now);
                    }
                }
            }
        };
        self.go_on_with(id, passage, Counters::InRedis, client)
    }

    /// What becomes of a request with these identities, if an operator has blocked it.
    fn blocked(
        &self,
        link: &Link,
        here: u32,
        identities: &[Fingerprint],
        plan: &Plan,
        now: Time,
    ) -> Option<Passage> {
        let mut events = Events::default();
        let acts = self.gate.acts(&mut events);
        self.metrics.count_events(events);
        if link.is_news(&acts) {
            self.with(link, here, now, Store::forget);
        }
        let decision = if acts.is_empty() { None } else { self.gate.block(&acts, identities, plan, now) };
        decision.map(|decision| Passage::of(decision, Events::default(), Pending::default()))
    }

    /// What a redirected request was charged in Redis. Charges here, made while Redis was away, cannot be carried over.
    fn in_redis(&self, id: u32, before: Option<Passed>) -> Pending {
        match before {
            Some(Passed { pending, counters: Counters::InRedis, .. }) => pending,
            Some(Passed { pending, counters: Counters::Here, .. }) => {
                self.abandon(id, pending, Counters::Here);
                Pending::default()
            }
            None => Pending::default(),
        }
    }

    fn admit_without(
        &self,
        here: u32,
        plan: Plan,
        failure: Failure,
        mut waiter: Waiter,
        now: Time,
    ) -> Disposition {
        self.metrics.count_failure(failure);
        self.abandon(here, std::mem::take(&mut waiter.before), Counters::InRedis);
        let redis = self.gate.config().redis.as_ref();
        let on_failure = redis.map_or(OnFailure::default(), |settings| settings.on_failure);
        let passage = self.gate.admit_without(plan, on_failure, now);
        self.go_on_with(here, passage, Counters::Here, &waiter)
    }

    pub(super) fn settle_in_redis(&self, here: u32, settlement: Settlement) {
        if let Some(link) = &self.link {
            self.with(link, here, host::now(), |store| store.settle(settlement));
        }
    }

    /// Goes on with requests that are decided. Only the root context can do this, and each of its calls ends with it.
    fn release(&self, link: &Link, now: Time) {
        for _ in 0..AT_ONCE {
            let Some(decided) = link.next_decided() else { return };
            self.go_on(link, decided, now);
            Link::enter(link.root());
        }
        link.come_back();
    }

    fn go_on(&self, link: &Link, decided: Decided<Waiter>, now: Time) {
        let Decided { ticket, mut waiter, plan, outcome } = decided;
        let slot = waiter.slot.clone();
        // In its name the log is told, and it goes on or is answered.
        Link::enter(ticket);
        let disposition = match outcome {
            Ok(answer) => {
                let before = std::mem::take(&mut waiter.before);
                let passage = match self.blocked(link, ticket, &waiter.identities, &plan, now) {
                    Some(passage) => {
                        self.settle_in_redis(ticket, answer.undo());
                        Passage { pending: before, ..passage }
                    }
                    None => self.gate.conclude(&plan, answer.proved_for, answer.outcome, before),
                };
                self.go_on_with(ticket, passage, Counters::InRedis, &waiter)
            }
            Err(failure) => self.admit_without(ticket, plan, failure, waiter, now),
        };
        match disposition {
            Disposition::Allow(passed) => {
                slot.replace(State::Passed(passed));
                Link::resume();
            }
            Disposition::Deny { reply, is_grpc } => {
                slot.replace(State::Over);
                host::reply(&reply, is_grpc);
            }
            Disposition::Wait(_) => {}
        }
    }

    /// Counts and tells what has happened in Redis.
    fn account_for(&self, link: &Link, report: &Report, sent: &Sent, now: Time) {
        self.metrics.count_redis(report, &sent.0);
        for refusal in &report.refusals {
            self.tell_refusal(refusal);
        }
        if let Some(acts) = &report.acts {
            self.gate.hear(link.keeper(), acts.number, &acts.blocked, now);
        }
        if let Some(failure) = report.gave_up {
            log::warn!(
                "Redis is not asked for the moment ({}); `store.redis.on_failure` decides",
                failure.name()
            );
        }
        if report.has_recovered {
            log::warn!("Redis is asked again");
        }
        if report.evicts == Some(true) {
            log::warn!(
                "Redis drops keys when its memory is full, and with them what clients have used up: set its `maxmemory-policy` to \
                 `noeviction`, or give it more `maxmemory`"
            );
        }
    }
}
