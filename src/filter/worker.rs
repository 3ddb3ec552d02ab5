//! What one worker needs to judge requests.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::host;
use super::metrics::Metrics;
use super::passed::{Counters, Passed, Slot, State};
use super::redirects::Redirects;
use super::redis::{self, Link, Sent, Waiter};
use super::shared::{HostData, SharedCells};
use crate::client::{Cause, Client, Funnel};
use crate::config::Config;
use crate::decision::{Decision, Ruling};
use crate::gate::{Gate, Passage, Pending};
use crate::metrics;
use crate::redis::{AT_ONCE, Asked, Decided, Failure, OnFailure, Refusal, Report, Store};
use crate::reply::LocalReply;
use crate::request::{Headers, Properties, Request};
use crate::store::{Events, Plan, Settlement, Topic};
use crate::time::Time;

/// How often the log is told the same about Redis.
const EACH: Duration = Duration::from_mins(1);

/// That all clients seem to be one.
const FUNNEL: &Topic = b"all from one src";

/// One accepted configuration at work.
pub(super) struct Worker {
    gate: Gate<SharedCells>,
    metrics: Metrics,
    funnel: RefCell<Funnel>,
    redirects: Redirects,
    /// The way to Redis, if the counters are there.
    link: Option<Link>,
    /// When the log was told last what Redis refuses, by kind.
    told: RefCell<Vec<(Failure, Time)>>,
}

/// What happens to a request.
pub(super) enum Disposition {
    /// It goes on.
    Allow(Passed),
    /// It is answered with this.
    Deny { reply: LocalReply, is_grpc: bool },
    /// It waits; the slot will say for what.
    Wait(Rc<Slot>),
}

impl Worker {
    /// Takes a configuration into use; or says why not. `root` is the context that may call out.
    pub(super) fn new(document: &[u8], root: u32) -> Result<Self, String> {
        let config =
            Config::parse_with(document, &host::environment_variable).map_err(|error| error.to_string())?;
        #[cfg(feature = "nginx")]
        super::nginx::check(&config)?;
        let cells = SharedCells::open(HostData)?;
        cells.agree_on_capacity(config.capacity)?;
        let link = config.redis.as_ref().map(|settings| Link::new(settings, root));
        let secret = match &config.redis {
            Some(settings) => settings.secret,
            None => cells.agree_on_secret(host::random)?,
        };
        let name = metrics::policy_name(&host::plugin_name());
        let metrics = Metrics::define(&name, &config.policy, config.capacity, link.is_some());
        let gate = Gate::new(config, secret, cells);
        Ok(Self {
            gate,
            metrics,
            funnel: RefCell::default(),
            redirects: Redirects::default(),
            link,
            told: RefCell::default(),
        })
    }

    /// What all workers have in common.
    pub(super) const fn cells(&self) -> &SharedCells {
        self.gate.cells()
    }

    /// Of our reply to a gRPC call Envoy makes a 200, which to a proxy that asks would mean yes.
    pub(super) fn put_status_right(&self) {
        let config = self.gate.config();
        if config.request_from.is_asked()
            && host::is_grpc_response()
            && let Some(status) = config.reply.status_of(&host::code_details())
        {
            host::set_response_header(":status", &status.to_string());
        }
    }

    /// Judges the request with this block of headers, on the stream `id`.
    pub(super) fn admit(&self, id: u32, block: &[u8]) -> Disposition {
        let from = self.gate.config().request_from;
        let request = match Request::read(from, Headers::new(block), &Host) {
            Ok(request) => request,
            Err(unclear) => {
                self.metrics.count_malformed(unclear);
                return Disposition::Deny { reply: LocalReply::malformed(unclear), is_grpc: false };
            }
        };
        let client = Client::identify(&self.gate.config().policy.client, &request);
        let now = host::now();
        let before = self.redirects.take();
        let disposition = match &self.link {
            None => {
                let passage =
                    self.gate.admit(&client, before.map(|passed| passed.pending).unwrap_or_default(), now);
                self.go_on_with(id, passage, Counters::Here, &client)
            }
            Some(link) => self.ask(link, id, &client, before, now),
        };
        // A flood that is denied is to cost as little as it can.
        if !matches!(disposition, Disposition::Deny { .. }) {
            self.watch(&request, &client);
        }
        disposition
    }

    /// A request that was let through is answered: settles what can be settled now. Returns the request if what is
    /// left to know stands in the trailers.
    pub(super) fn on_response(&self, id: u32, passed: Passed, end_of_stream: bool) -> Option<Passed> {
        let status = if self.gate.awaits(&passed.pending) { host::response_status() } else { 200 };
        if !self.gate.matters(&passed.pending, status) {
            self.tell_quota(passed.told);
            return None;
        }
        let Some(response) = host::response(status, end_of_stream) else {
            self.tell_quota(passed.told.clone());
            return Some(passed);
        };
        let Passed { pending, counters, told } = passed;
        self.tell_quota(told.map(|decision| self.gate.settled(decision, &pending, response)));
        self.settle(id, self.gate.settlement(pending, response), counters);
        None
    }

    /// The answer to a gRPC call is complete.
    pub(super) fn on_trailers(&self, id: u32, passed: Passed) {
        let Passed { pending, counters, .. } = passed;
        self.settle(id, self.gate.settlement(pending, host::response_in_trailers()), counters);
    }

    /// A stream has ended before its request was answered, or before its answer was complete.
    pub(super) fn on_unanswered(&self, id: u32, passed: Passed) {
        if host::is_redirected() {
            if let Some(Passed { pending, counters, .. }) = self.redirects.put(passed) {
                self.abandon(id, pending, counters);
            }
        } else {
            self.abandon(id, passed.pending, passed.counters);
        }
    }

    fn abandon(&self, id: u32, pending: Pending, counters: Counters) {
        self.settle(id, self.gate.abandoned(pending), counters);
    }

    fn settle(&self, id: u32, settlement: Settlement, counters: Counters) {
        if settlement.is_empty() {
            return;
        }
        let proved = settlement.proof.is_some();
        match counters {
            Counters::Here => match self.gate.settle(settlement, host::now()) {
                Ok(events) => self.metrics.count_settled(proved, events),
                // The request was decided: this denies and admits nobody.
                Err(_) => self.metrics.count_events(Events { unsettled: 1, ..Events::default() }),
            },
            Counters::InRedis => {
                self.metrics.count_settled(proved, Events::default());
                self.settle_in_redis(id, settlement);
            }
        }
    }

    fn tell_quota(&self, told: Option<Decision>) {
        let Some(decision) = told else { return };
        for (name, value) in self.gate.quota_headers(&decision) {
            host::set_response_header(name, &value);
        }
    }

    /// The root context was woken: there are requests that can go on, or a connection is to be opened.
    pub(super) fn on_wake(&self, queue: u32) {
        let Some(link) = &self.link else { return };
        link.is_awake(queue);
        let now = host::now();
        self.with(link, link.root(), now, |_| ());
        self.release(link, now);
    }

    /// Time has passed. Returns whether it has to be called again as soon.
    pub(super) fn on_tick(&self) -> bool {
        let Some(link) = &self.link else { return false };
        let now = host::now();
        self.with(link, link.root(), now, |store| store.tick(now));
        self.release(link, now);
        link.ticked()
    }

    /// So many bytes have come from Redis.
    pub(super) fn on_received(&self, connection: u32, size: usize) {
        let Some(link) = self.link.as_ref().filter(|link| link.is_open(connection)) else { return };
        let bytes = redis::received(size);
        // First the next batch: Redis can think about it while this worker goes on with those of the last.
        let now = host::now();
        self.with(link, link.root(), now, |store| store.received(&bytes, now));
        self.release(link, now);
    }

    /// The connection to Redis is no more.
    pub(super) fn on_closed(&self, connection: u32) {
        let Some(link) = self.link.as_ref().filter(|link| link.is_open(connection)) else { return };
        link.is_closed();
        let now = host::now();
        self.with(link, link.root(), now, |store| store.closed(Failure::Connection, now));
        self.release(link, now);
    }

    /// The stream is no more, and its request was waiting.
    pub(super) fn on_gone(&self, id: u32) {
        let Some(link) = &self.link else { return };
        self.with(link, id, host::now(), |store| store.gone(id));
    }

    /// Does this with the store, sees to the connection, and counts and tells what has come of it. `here` is the context that is
    /// being served.
    fn with<T>(&self, link: &Link, here: u32, now: Time, act: impl FnOnce(&mut Store<Waiter>) -> T) -> T {
        let (result, report, sent) = link.with(here, now, act);
        self.tell(&report, &sent);
        result
    }

    fn ask(&self, link: &Link, id: u32, client: &Client, before: Option<Passed>, now: Time) -> Disposition {
        let acceptance = link.look(|store| store.acceptance(self.gate.proof(client), now));
        let mut plan = self.gate.plan(client, acceptance);
        let before = self.in_redis(id, before);
        plan.leave_out(before.receipt());
        let is_grpc = client.request().is_grpc();
        let slot = Rc::<Slot>::default();
        let waiter = Waiter { is_grpc, slot: slot.clone(), before };
        match self.with(link, id, now, |store| store.ask(id, waiter, plan, now)) {
            Asked::Waits => Disposition::Wait(slot),
            Asked::Known(Waiter { before, .. }, plan, proved_for, outcome) => {
                let passage = self.gate.conclude(&plan, proved_for, outcome, before);
                self.go_on_with(id, passage, Counters::InRedis, client)
            }
            Asked::Refused(waiter, plan, failure) => self.admit_without(id, plan, failure, waiter, now),
        }
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

    /// Called from several places, and not small.
    #[inline(never)]
    fn go_on_with(&self, here: u32, passage: Passage, counters: Counters, asker: &dyn Asker) -> Disposition {
        let ruling = match passage.decision.ruling() {
            Ruling::Allowed if passage.decision.limits.is_empty() && asker.is_exempt(&self.gate) => {
                Ruling::Exempt
            }
            ruling => ruling,
        };
        self.metrics.count_passage(&passage, ruling);
        let Passage { decision, pending, .. } = passage;
        if let Some(reply) = self.gate.reply(&decision) {
            // What it was charged before it was redirected.
            self.abandon(here, pending, counters);
            return Disposition::Deny { reply, is_grpc: asker.is_grpc() };
        }
        let told = self.gate.config().reply.tells_quota().then_some(decision);
        Disposition::Allow(Passed { pending, counters, told })
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

    fn settle_in_redis(&self, here: u32, settlement: Settlement) {
        if let Some(link) = &self.link {
            self.with(link, here, host::now(), |store| store.settle(settlement));
        }
    }

    /// Goes on with requests that are decided. Only the root context can do this, and each of its calls ends with it.
    fn release(&self, link: &Link, now: Time) {
        for _ in 0..AT_ONCE {
            let Some(decided) = link.next_decided(now) else { return };
            self.go_on(link.root(), decided, now);
            Link::enter(link.root());
        }
        link.come_back();
    }

    fn go_on(&self, root: u32, decided: Decided<Waiter>, now: Time) {
        let Decided { ticket, mut waiter, plan, outcome } = decided;
        let slot = waiter.slot.clone();
        let disposition = match outcome {
            Ok(answer) => {
                let before = std::mem::take(&mut waiter.before);
                let passage = self.gate.conclude(&plan, answer.proved_for, answer.outcome, before);
                self.go_on_with(root, passage, Counters::InRedis, &waiter)
            }
            Err(failure) => self.admit_without(root, plan, failure, waiter, now),
        };
        match disposition {
            Disposition::Allow(passed) => {
                slot.replace(State::Passed(passed));
                Link::resume(ticket);
            }
            Disposition::Deny { reply, is_grpc } => {
                slot.replace(State::Over);
                Link::enter(ticket);
                host::reply(&reply, is_grpc);
            }
            Disposition::Wait(_) => {}
        }
    }

    fn tell(&self, report: &Report, sent: &Sent) {
        self.metrics.count_redis(report, &sent.0);
        for refusal in &report.refusals {
            self.tell_refusal(refusal);
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

    /// Tells the log what Redis said, for each kind of refusal once a minute.
    fn tell_refusal(&self, refusal: &Refusal) {
        let now = host::now();
        let mut told = self.told.borrow_mut();
        if told.iter().any(|(failure, at)| *failure == refusal.failure && now.since(*at) < EACH) {
            return;
        }
        told.retain(|(failure, _)| *failure != refusal.failure);
        told.push((refusal.failure, now));
        log::warn!("Redis refuses ({}): {}", refusal.failure.name(), refusal.text);
    }

    /// Tells the log, once for all workers, when every client seems to arrive from one address.
    fn watch(&self, request: &Request, client: &Client) {
        let Some(address) = client.known_address() else { return };
        let noticed = self.funnel.borrow_mut().notices(address, request);
        let Some(cause) = noticed.filter(|_| self.cells().is_first_to_tell(FUNNEL)) else { return };
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

impl Drop for Worker {
    /// A configuration that is gone is not without Redis any more.
    fn drop(&mut self) {
        if self.link.as_ref().is_some_and(|link| !link.look(Store::is_asked)) {
            self.metrics.is_gone();
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
        write!(f, " counters for {} clients", config.capacity.clients())?;
        match &config.redis {
            Some(redis) => write!(f, ", shared in Redis through the cluster {}", redis.cluster),
            None => Ok(()),
        }
    }
}

/// What is asked about a request once it is decided; of most requests nothing.
trait Asker {
    /// Whether it is a gRPC call.
    fn is_grpc(&self) -> bool;

    /// Whether the policy exempts it.
    fn is_exempt(&self, gate: &Gate<SharedCells>) -> bool;
}

impl Asker for Client<'_, '_> {
    fn is_grpc(&self) -> bool {
        self.request().is_grpc()
    }

    fn is_exempt(&self, gate: &Gate<SharedCells>) -> bool {
        gate.config().policy.exempts(self)
    }
}

/// What is exempt does not wait.
impl Asker for Waiter {
    fn is_grpc(&self) -> bool {
        self.is_grpc
    }

    fn is_exempt(&self, _: &Gate<SharedCells>) -> bool {
        false
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
