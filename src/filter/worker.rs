//! What one worker needs to judge requests.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::host;
use super::metrics::Metrics;
use super::redis::{Link, Slot, State, Waiter};
use super::shared::{HostData, SharedCells};
use crate::client::{Client, Funnel};
use crate::config::Config;
use crate::gate::{Gate, Passage, Pending};
use crate::request::{Headers, Properties, Request};
use crate::response::Denial;
use crate::store::redis::{AT_ONCE, Asked, Decided, Failure, Report};
use crate::store::{Events, Plan, Settlement};
use crate::time::Time;

/// One accepted configuration at work.
pub(super) struct Worker {
    gate: Gate<SharedCells>,
    metrics: Metrics,
    funnel: RefCell<Funnel>,
    /// The way to Redis, if the counters are there.
    link: Option<Link>,
}

/// What happens to a request.
pub(super) enum Answer {
    /// It goes on.
    Allow(Passed),
    /// It is answered with this.
    Deny { denial: Denial, is_grpc: bool },
    /// It waits; the slot will say for what.
    Wait(Rc<Slot>),
}

/// What is left to do when the response comes.
#[derive(Default)]
pub(super) struct Passed {
    /// What it is to say.
    pub(super) quota_headers: Vec<(&'static str, String)>,
    /// What is to be settled.
    pub(super) pending: Option<Unsettled>,
}

/// What is to be settled, and with which counters.
pub(super) enum Unsettled {
    Here(Pending),
    InRedis(Pending),
}

impl Worker {
    /// Takes a configuration into use; or says why not. `root` is the context that may call out.
    pub(super) fn open(document: &[u8], root: u32) -> Result<Self, String> {
        let config = Config::parse(document).map_err(|error| error.to_string())?;
        let cells = SharedCells::open(HostData)?;
        cells.agree_on_capacity(config.capacity)?;
        let link = config.redis.as_ref().map(|settings| Link::new(settings, &config.policy, root));
        let secret = match &config.redis {
            Some(settings) => settings.secret,
            None => cells.agree_on_secret(host::random)?,
        };
        let metrics = Metrics::define(&config.policy, link.is_some());
        let gate = Gate::new(config, secret, cells);
        Ok(Self { gate, metrics, funnel: RefCell::default(), link })
    }

    /// Of our reply to a gRPC call Envoy makes a 200, which to a proxy that asks would mean yes.
    pub(super) fn put_status_right(&self) {
        let config = self.gate.config();
        if config.request_from.is_asked()
            && host::is_grpc_response()
            && let Some(status) = config.response.status_of(&host::code_details())
        {
            host::set_response_header(":status", &status.to_string());
        }
    }

    /// Judges the request with this block of headers, on the stream `id`.
    pub(super) fn admit(&self, id: u32, block: &[u8]) -> Answer {
        let from = self.gate.config().request_from;
        let request = match Request::read(from, Headers::new(block), &Host) {
            Ok(request) => request,
            Err(unclear) => {
                self.metrics.count_malformed(unclear);
                return Answer::Deny { denial: Denial::malformed(unclear), is_grpc: false };
            }
        };
        let client = Client::identify(&self.gate.config().policy.client, &request);
        let now = host::now();
        let answer = match &self.link {
            None => {
                self.answer(self.gate.admit(&request, &client, now), Unsettled::Here, &|| request.is_grpc())
            }
            Some(link) => self.ask(link, id, &request, &client, now),
        };
        self.watch(&request, &client);
        answer
    }

    /// Settles what a request has left, now that its response is there.
    pub(super) fn settle(&self, unsettled: Unsettled) {
        let response = host::response();
        match unsettled {
            Unsettled::Here(pending) => match self.gate.settle(pending, response, host::now()) {
                Ok((proved, events)) => self.metrics.count_settled(proved, events),
                Err(error) => self.metrics.count_error(error),
            },
            Unsettled::InRedis(pending) => {
                let settlement = self.gate.settlement(pending, response);
                self.metrics.count_settled(settlement.proof.is_some(), Events::default());
                self.settle_in_redis(settlement);
            }
        }
    }

    /// A request waits, or there is something else to do.
    pub(super) fn on_wake(&self) {
        let Some(link) = &self.link else { return };
        self.dispatch(link);
        self.release(link);
    }

    /// Redis has answered, or has not.
    pub(super) fn on_answer(&self, answer: Result<Vec<u8>, Failure>) {
        let Some(link) = &self.link else { return };
        let now = host::now();
        let report = match answer {
            Ok(bytes) => link.shared().answered(&bytes, now),
            Err(failure) => link.shared().failed(failure, now),
        };
        self.tell(&report);
        // First the next exchange: Redis can think about it while this worker goes on with those of the last.
        self.dispatch(link);
        self.release(link);
    }

    /// The stream is no more, and its request was waiting.
    pub(super) fn on_gone(&self, id: u32) {
        let Some(link) = &self.link else { return };
        if link.shared().gone(id) {
            link.wake();
        }
    }

    fn ask(&self, link: &Link, id: u32, request: &Request, client: &Client, now: Time) -> Answer {
        let acceptance = link.shared().acceptance(self.gate.proof(client), now);
        let plan = self.gate.plan(request, client, acceptance);
        let renewal = link.shared().renewal(&plan, now);
        self.settle_in_redis(renewal.unwrap_or_default());
        let is_grpc = request.is_grpc();
        let slot = Rc::<Slot>::default();
        let waiter = Waiter { is_grpc, slot: slot.clone() };
        let asked = link.shared().ask(id, waiter, plan, now);
        match asked {
            Asked::Waits { wake: false } => Answer::Wait(slot),
            Asked::Waits { wake: true } if link.wake() => Answer::Wait(slot),
            Asked::Waits { .. } => {
                let withdrawn = link.shared().withdraw(id);
                match withdrawn {
                    Some((_, plan)) => self.answer_without(plan, Failure::Connection, is_grpc, now),
                    None => Answer::Wait(slot),
                }
            }
            Asked::Known(_, plan, is_proved, charged) => {
                self.answer(self.gate.conclude(plan, is_proved, charged), Unsettled::InRedis, &|| is_grpc)
            }
            Asked::Refused(_, plan, failure) => self.answer_without(plan, failure, is_grpc, now),
        }
    }

    /// Called from several places, and not small.
    #[inline(never)]
    fn answer(
        &self,
        passage: Passage,
        unsettled: fn(Pending) -> Unsettled,
        is_grpc: &dyn Fn() -> bool,
    ) -> Answer {
        self.metrics.count_passage(&passage);
        if let Some(denial) = self.gate.denial(&passage.decision) {
            return Answer::Deny { denial, is_grpc: is_grpc() };
        }
        let quota_headers = self.gate.quota_headers(&passage.decision);
        Answer::Allow(Passed { quota_headers, pending: passage.pending.map(unsettled) })
    }

    fn answer_without(&self, plan: Plan, failure: Failure, is_grpc: bool, now: Time) -> Answer {
        self.metrics.count_failure(failure);
        let redis = self.gate.config().redis.as_ref();
        let on_failure = redis.map(|settings| settings.on_failure).unwrap_or_default();
        self.answer(self.gate.admit_without(plan, on_failure, now), Unsettled::Here, &|| is_grpc)
    }

    fn settle_in_redis(&self, settlement: Settlement) {
        let Some(link) = self.link.as_ref().filter(|_| !settlement.is_empty()) else { return };
        let queued = link.shared().settle(settlement);
        match queued {
            Ok(true) => {
                link.wake();
            }
            Ok(false) => {}
            Err(_) => self.metrics.count_unsettled(),
        }
    }

    /// Sends the next exchange, if none is under way.
    fn dispatch(&self, link: &Link) {
        loop {
            let exchange = link.shared().dispatch(host::now());
            let Some(exchange) = exchange else { return };
            let Err(failure) = link.send(&exchange) else { return };
            let report = link.shared().failed(failure, host::now());
            self.tell(&report);
        }
    }

    /// Goes on with requests that are decided.
    fn release(&self, link: &Link) {
        let now = host::now();
        for _ in 0..AT_ONCE {
            let decided = link.shared().next_decided(now);
            let Some(decided) = decided else { break };
            self.go_on(decided, now);
        }
        link.back_to_root();
        if link.shared().must_come_back() {
            link.wake();
        }
    }

    fn go_on(&self, decided: Decided<Waiter>, now: Time) {
        let Decided { ticket, waiter: Waiter { is_grpc, slot }, plan, outcome } = decided;
        let answer = match outcome {
            Ok(answer) => {
                let passage = self.gate.conclude(plan, answer.is_proved(), answer.charged);
                self.answer(passage, Unsettled::InRedis, &|| is_grpc)
            }
            Err(failure) => self.answer_without(plan, failure, is_grpc, now),
        };
        match answer {
            Answer::Allow(passed) => {
                slot.replace(State::Passed(passed));
                Link::resume(ticket);
            }
            Answer::Deny { denial, is_grpc } => {
                slot.replace(State::Over);
                Link::enter(ticket);
                host::deny(&denial, is_grpc);
            }
            Answer::Wait(_) => {}
        }
    }

    fn tell(&self, report: &Report) {
        self.metrics.count_exchange(report);
        if let Some(failure) = report.gave_up {
            log::warn!(
                "Redis is not asked for the moment ({}); `store.redis.on_failure` decides",
                failure.name()
            );
        }
        if report.has_recovered {
            log::warn!("Redis is asked again");
        }
    }

    /// Tells the log, once for all workers, when every client seems to arrive from one address.
    fn watch(&self, request: &Request, client: &Client) {
        let Some(address) = client.known_address() else { return };
        if self.funnel.borrow_mut().notices(address, request) && self.gate.cells().is_first_to_tell() {
            log::warn!(
                "all requests come from {address} and carry an X-Forwarded-For that the proxy does not trust, so all \
                 clients share one counter; if {address} is a proxy of yours, set xff_num_trusted_hops in Envoy's \
                 HTTP connection manager to the number of proxies in front of it"
            );
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
