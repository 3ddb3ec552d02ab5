//! What one worker needs to judge requests.

mod redis;
mod tell;

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use super::host;
use super::metrics::Metrics;
use super::passed::{Counters, Passed, Slot};
use super::redirects::Redirects;
use super::redis::{Link, Waiter};
use super::shared::{self, HostData, SharedCells};
use crate::access_log::{Entry, Logged};
use crate::client::{Client, Funnel};
use crate::config::Config;
use crate::decision::{Decision, Ruling};
use crate::gate::{Gate, Passage, Pending};
use crate::metrics;
use crate::redis::{Failure, Store};
use crate::reply::LocalReply;
use crate::request::{Headers, Properties, Request};
use crate::store::{Events, Settlement, Table};
use crate::time::Time;

/// The header that tells a proxy that asks what its log is to say.
const NOTE: &str = "x-tollgate";

/// One accepted configuration at work.
pub(super) struct Worker {
    gate: Gate<shared::Counters>,
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
        let metrics = Metrics::define(&name, &config.policy.scopes, link.is_some());
        let table = Table::new(cells, config.capacity);
        let gate = Gate::new(config, secret, table);
        Ok(Self {
            gate,
            metrics,
            funnel: RefCell::default(),
            redirects: Redirects::default(),
            link,
            told: RefCell::default(),
        })
    }

    /// What judges requests.
    #[cfg_attr(feature = "nginx", expect(dead_code, reason = "nobody looks at it there"))]
    pub(super) const fn gate(&self) -> &Gate<shared::Counters> {
        &self.gate
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
                let mut reply = LocalReply::malformed(unclear);
                if self.gate.config().access_log != Logged::Off {
                    reply.headers.extend(self.log(&Entry::malformed()).map(|note| (NOTE, note)));
                }
                return Disposition::Deny { reply, is_grpc: false };
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
            self.tell(passed.told, passed.note);
            return None;
        }
        let Some(response) = host::response(status, end_of_stream) else {
            self.tell(passed.told.clone(), passed.note.clone());
            return Some(passed);
        };
        let Passed { pending, counters, told, note } = passed;
        self.tell(told.map(|decision| self.gate.settled(decision, &pending, response)), note);
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

    fn tell(&self, told: Option<Decision>, note: Option<String>) {
        if let Some(note) = note {
            host::set_response_header(NOTE, &note);
        }
        let Some(decision) = told else { return };
        for (name, value) in self.gate.quota_headers(&decision) {
            host::set_response_header(name, &value);
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
        let config = self.gate.config();
        let note = if config.access_log.takes(ruling, &decision) {
            self.log(&Entry::of(&config.policy, ruling, &decision))
        } else {
            None
        };
        if let Some(mut reply) = self.gate.reply(&decision) {
            // What it was charged before it was redirected.
            self.abandon(here, pending, counters);
            reply.headers.extend(note.map(|note| (NOTE, note)));
            return Disposition::Deny { reply, is_grpc: asker.is_grpc() };
        }
        let told = config.reply.tells_quota().then_some(decision);
        Disposition::Allow(Passed { pending, counters, told, note })
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

/// What is asked about a request once it is decided; of most requests nothing.
trait Asker {
    /// Whether it is a gRPC call.
    fn is_grpc(&self) -> bool;

    /// Whether the policy exempts it.
    fn is_exempt(&self, gate: &Gate<shared::Counters>) -> bool;
}

impl Asker for Client<'_, '_> {
    fn is_grpc(&self) -> bool {
        self.request().is_grpc()
    }

    fn is_exempt(&self, gate: &Gate<shared::Counters>) -> bool {
        gate.config().policy.exempts(self)
    }
}

/// What is exempt does not wait.
impl Asker for Waiter {
    fn is_grpc(&self) -> bool {
        self.is_grpc
    }

    fn is_exempt(&self, _: &Gate<shared::Counters>) -> bool {
        false
    }
}

/// What the proxy knows besides the headers.
struct Host;

impl Properties for Host {
    fn source_address(&self) -> Cow<'_, [u8]> {
        host::source_address().into()
    }

    fn jwt_claim(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        host::jwt_claim(name).map(Cow::Owned)
    }
}
