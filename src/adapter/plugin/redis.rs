//! Requests that Redis decides about: they wait, and go on.

use super::{Disposition, Fate, Plugin, SeatOf};
use crate::adapter::host::{Host, Stream};
use crate::adapter::link::{Link, Sent};
use crate::adapter::passed::{Kept, Passed};
use crate::adapter::wire::Waiter;
use crate::client::Client;
use crate::gate::{Passage, Pending};
use crate::redis::{Asked, Decided, Failure, OnFailure, Report, Store};
use crate::store::{Events, Fingerprint, Plan, Settlement};
use crate::time::Time;

/// A request that can go on.
type Ready<H> = Decided<Waiter<SeatOf<H>>>;

impl<H: Host> Plugin<H> {
    /// Does something with the store, if there is one, and what follows from it. `here` stands for the worker itself.
    pub fn with_store(&self, here: u32, act: impl FnOnce(&mut Store<Waiter<SeatOf<H>>>, Time)) {
        let Some(link) = &self.link else { return };
        let now = self.host.now();
        self.with(link, here, now, |store| act(store, now));
    }

    /// The stream is no more, and its request was waiting.
    pub(in crate::adapter) fn on_gone(&self, id: u32) {
        let Some(link) = &self.link else { return };
        self.with(link, id, self.host.now(), |store| store.gone(id));
    }

    /// The stream is no more, and its request was decided, but had not gone on.
    pub(in crate::adapter) fn undo(&self, here: u32, decided: Ready<H>) {
        if let Ok(answer) = decided.outcome {
            self.settle_in_redis(here, answer.undo());
        }
    }

    /// Does this with the store, sees to the connection, and counts and tells what has come of it. `here` is the stream that is
    /// being served.
    fn with<T>(
        &self,
        link: &Link<H::Wire>,
        here: u32,
        now: Time,
        act: impl FnOnce(&mut Store<Waiter<SeatOf<H>>>) -> T,
    ) -> T {
        let (result, report, sent) = link.with(here, now, act);
        self.account_for(link, &report, &sent, now);
        result
    }

    pub(super) fn ask<S: Stream>(
        &self,
        link: &Link<H::Wire>,
        at: &S,
        client: &Client,
        before: Option<Passed>,
        now: Time,
    ) -> Disposition<'_, H> {
        let id = at.id();
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
                let seat = SeatOf::<H>::default();
                let waiter = Waiter { is_grpc, seat: seat.clone(), before, identities };
                match (self.with(link, id, now, |store| store.ask(id, waiter, plan, now)), blocked) {
                    (Asked::Waits, _) => return Disposition { fate: Fate::Wait(seat), logged: None },
                    (Asked::Known(waiter, ..) | Asked::Refused(waiter, ..), Some(passage)) => {
                        Passage { pending: waiter.before, ..passage }
                    }
                    (Asked::Known(waiter, plan, proved_for, outcome), None) => {
                        self.gate.conclude(&plan, proved_for, outcome, waiter.before)
                    }
                    (Asked::Refused(waiter, plan, failure), None) => {
                        return self.admit_without(at, plan, failure, waiter, now);
                    }
                }
            }
        };
        self.go_on_with(at.id(), passage, Kept::InRedis, client)
    }

    /// What becomes of a request with these identities, if an operator has blocked it.
    fn blocked(
        &self,
        link: &Link<H::Wire>,
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
    fn in_redis(&self, here: u32, before: Option<Passed>) -> Pending {
        match before {
            Some(passed) if passed.counters == Kept::InRedis => passed.charged(),
            Some(Passed { pending, .. }) => {
                self.give_up(here, pending, Kept::Here);
                Pending::default()
            }
            None => Pending::default(),
        }
    }

    fn admit_without<S: Stream>(
        &self,
        at: &S,
        plan: Plan,
        failure: Failure,
        mut waiter: Waiter<SeatOf<H>>,
        now: Time,
    ) -> Disposition<'_, H> {
        self.metrics.count_failure(failure);
        self.give_up(at.id(), std::mem::take(&mut waiter.before), Kept::InRedis);
        let redis = self.config().redis.as_ref();
        let on_failure = redis.map_or(OnFailure::default(), |settings| settings.on_failure);
        let passage = self.gate.admit_without(plan, on_failure, now);
        self.go_on_with(at.id(), passage, Kept::Here, &waiter)
    }

    pub(super) fn settle_in_redis(&self, here: u32, settlement: Settlement) {
        if let Some(link) = &self.link {
            self.with(link, here, self.host.now(), |store| store.settle(settlement));
        }
    }

    /// What happens to a request that was waiting.
    pub fn go_on<S: Stream>(&self, at: &S, decided: Ready<H>) -> Disposition<'_, H> {
        let Decided { mut waiter, plan, outcome, .. } = decided;
        let now = self.host.now();
        let (answer, link) = match (outcome, &self.link) {
            (Ok(answer), Some(link)) => (answer, link),
            (Ok(_), None) => return self.admit_without(at, plan, Failure::Connection, waiter, now),
            (Err(failure), _) => return self.admit_without(at, plan, failure, waiter, now),
        };
        let before = std::mem::take(&mut waiter.before);
        let passage = match self.blocked(link, at.id(), &waiter.identities, &plan, now) {
            Some(passage) => {
                self.settle_in_redis(at.id(), answer.undo());
                Passage { pending: before, ..passage }
            }
            None => self.gate.conclude(&plan, answer.proved_for, answer.outcome, before),
        };
        self.go_on_with(at.id(), passage, Kept::InRedis, &waiter)
    }

    /// Counts and tells what has happened in Redis.
    fn account_for(&self, link: &Link<H::Wire>, report: &Report, sent: &Sent, now: Time) {
        self.metrics.count_redis(report, &sent.0, self.host.workers());
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
