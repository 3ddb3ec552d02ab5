//! One configuration at work: what all workers share that have it.

mod redis;
mod tell;

use std::sync::Mutex;

use super::host::{Host, Stream};
use super::link::Link;
use super::metrics::Metrics;
use super::passed::{Kept, Passed};
use super::redirects::Redirects;
use super::wire::{Waiter, Wire};
use crate::access_log::{Entry, Logged};
use crate::client::{Client, Funnel};
use crate::config::Config;
use crate::decision::{Decision, Ruling};
use crate::gate::{Gate, Passage, Pending};
use crate::metrics::policy_name;
use crate::redis::{Failure, Store};
use crate::reply::LocalReply;
use crate::request::{Headers, Request, Unclear};
use crate::response::Response;
use crate::store::{Events, Settlement, SharedCells};
use crate::time::Time;

/// The header that tells a proxy that asks what its log is to say.
const NOTE: &str = "x-tollgate";

/// gRPC: `UNKNOWN`.
const GRPC_UNKNOWN: u32 = 2;

/// Where a request of this proxy waits.
pub type SeatOf<H> = <<H as Host>::Wire as Wire>::Seat;

/// One accepted configuration at work.
pub struct Plugin<H: Host> {
    host: H,
    gate: Gate<H::Counters>,
    shared: SharedCells<H::Data>,
    metrics: Metrics<H::Meter>,
    /// The way to Redis, if the counters are there.
    link: Option<Link<H::Wire>>,
    /// When the log was told last what Redis refuses, by kind.
    told: Mutex<Vec<(Failure, Time)>>,
    funnel: Mutex<Funnel>,
    redirects: Redirects,
}

/// What happens to a request, and what the access log is told of it.
#[must_use]
pub struct Disposition<'p, H: Host> {
    fate: Fate<H>,
    logged: Option<Entry<'p>>,
}

/// What happens to a request.
pub enum Fate<H: Host> {
    /// It goes on.
    Allow(Passed),
    /// It is answered.
    Deny {
        /// With this.
        reply: LocalReply,
        /// Whether it is a gRPC call.
        is_grpc: bool,
    },
    /// It waits; there it finds what for.
    Wait(SeatOf<H>),
}

impl<'p, H: Host> Disposition<'p, H> {
    const fn deny(reply: LocalReply, logged: Option<Entry<'p>>) -> Self {
        Self { fate: Fate::Deny { reply, is_grpc: false }, logged }
    }

    /// Tells the access log. Returns what happens to the request.
    pub fn told(self, at: &mut impl Stream) -> Fate<H> {
        for (name, value) in self.logged.iter().flat_map(Entry::fields) {
            at.set_filter_state(name, &value);
        }
        self.fate
    }
}

impl<H: Host> Plugin<H> {
    /// Takes a configuration into use.
    ///
    /// # Errors
    /// If it is refused: the text names the field, and says what was expected.
    pub fn open(host: H, document: &[u8]) -> Result<Self, String> {
        let environment = |name: &str| host.environment_variable(name);
        let config = Config::parse_with(document, &environment).map_err(|error| error.to_string())?;
        let config = host.fit(config)?;
        let wire = config.redis.as_ref().map(|settings| Ok::<_, String>((settings, host.wire(settings)?)));
        let wire = wire.transpose()?;
        let shared = host.shared(config.table.clone())?;
        shared.agree_on_capacity(config.capacity)?;
        let secret = match &config.redis {
            Some(settings) => settings.secret,
            None => shared.agree_on_secret(|| host.random())?,
        };
        let link = wire.map(|(settings, wire)| {
            let seed = host
                .random()
                .map_or(1, |bytes| bytes.first_chunk().map_or(1, |first| u64::from_le_bytes(*first)));
            Link::new(settings, wire, seed)
        });
        let name = policy_name(&host.plugin_name());
        let metrics = Metrics::define(host.meter(), &name, &config.policy.scopes, link.is_some());
        let counters = host.counters(&config, &shared)?;
        let gate = Gate::new(config, secret, counters);
        let (told, funnel, redirects) = (Mutex::default(), Mutex::default(), Redirects::default());
        Ok(Self { host, gate, shared, metrics, link, told, funnel, redirects })
    }

    /// The proxy.
    pub const fn host(&self) -> &H {
        &self.host
    }

    /// What judges requests.
    pub const fn gate(&self) -> &Gate<H::Counters> {
        &self.gate
    }

    /// The way to Redis, if the counters are there.
    pub const fn link(&self) -> Option<&Link<H::Wire>> {
        self.link.as_ref()
    }

    /// Where workers agree on something.
    pub(super) const fn shared(&self) -> &SharedCells<H::Data> {
        &self.shared
    }

    /// What is counted for those who run the proxy.
    pub(super) const fn metrics(&self) -> &Metrics<H::Meter> {
        &self.metrics
    }

    pub(super) const fn config(&self) -> &Config {
        self.gate.config()
    }

    /// What happens to the request with these headers; `None` if the proxy does not hand over all of them.
    pub fn judge<S: Stream>(&self, at: &S, headers: Option<Headers>) -> Disposition<'_, H> {
        let Some(headers) = headers else {
            return Disposition::deny(LocalReply::too_many_headers(), None);
        };
        let request = match Request::read(self.config().request_from, headers, at) {
            Ok(request) => request,
            Err(unclear) => return self.refuse(unclear),
        };
        let client = Client::identify(&self.config().policy.client, &request);
        let disposition = self.admit(at, &client, self.redirects.take(at));
        // A flood that is denied is to cost as little as it can.
        if !matches!(disposition.fate, Fate::Deny { .. }) {
            self.watch(&request, &client);
        }
        disposition
    }

    /// A proxy has asked about a request without telling all of it.
    fn refuse(&self, unclear: Unclear) -> Disposition<'_, H> {
        self.metrics.count_malformed(unclear);
        let mut reply = LocalReply::malformed(unclear);
        let logged = (self.config().access_log != Logged::Off).then(Entry::malformed);
        let note = logged.as_ref().and_then(|entry| self.note(entry));
        reply.headers.extend(note.map(|note| (NOTE, note)));
        Disposition::deny(reply, logged)
    }

    /// Judges a request of this client, which was charged `before` if the proxy has redirected it.
    fn admit<S: Stream>(&self, at: &S, client: &Client, before: Option<Passed>) -> Disposition<'_, H> {
        let now = self.host.now();
        match &self.link {
            None => {
                let before = before.map(|passed| passed.pending).unwrap_or_default();
                let passage = self.gate.admit(client, before, now);
                self.go_on_with(at.id(), passage, Kept::Here, client)
            }
            Some(link) => self.ask(link, at, client, before, now),
        }
    }

    /// Of our reply to a gRPC call Envoy makes a 200, which to a proxy that asks would mean yes.
    pub(super) fn put_status_right(&self, at: &mut impl Stream) {
        let config = self.config();
        if config.request_from.is_asked()
            && at.response_header("grpc-status").is_some()
            && let Some(status) = config.reply.status_of(&at.code_details())
        {
            at.set_response_header(":status", &status.to_string());
        }
    }

    /// A request that was let through is answered: settles what can be settled now. Returns the request if what is
    /// left to know stands in the trailers.
    pub(super) fn on_response<S: Stream>(
        &self,
        at: &mut S,
        passed: Passed,
        end_of_stream: bool,
    ) -> Option<Passed> {
        let status = if self.gate.awaits(&passed.pending) { status_of(at) } else { 200 };
        if !self.gate.matters(&passed.pending, status) {
            self.tell(at, passed.told, passed.note);
            return None;
        }
        let Some(response) = response(at, status, end_of_stream) else {
            self.tell(at, passed.told.clone(), passed.note.clone());
            return Some(passed);
        };
        let Passed { pending, counters, told, note } = passed;
        self.tell(at, told.map(|decision| self.gate.settled(decision, &pending, response)), note);
        self.settle(at.id(), self.gate.settlement(pending, response), counters);
        None
    }

    /// The answer to a gRPC call is complete.
    pub(super) fn on_trailers(&self, at: &impl Stream, passed: Passed) {
        let grpc = at.response_trailer("grpc-status").map(|status| grpc_status(&status));
        let origin = crate::response::Origin::Application;
        let response = Response { status: 200, grpc: Some(grpc.unwrap_or(GRPC_UNKNOWN)), origin };
        let Passed { pending, counters, .. } = passed;
        self.settle(at.id(), self.gate.settlement(pending, response), counters);
    }

    /// A stream has ended before its request was answered, or before its answer was complete.
    pub(super) fn on_unanswered(&self, at: &impl Stream, passed: Passed) {
        // The proxy answers by asking for another target itself.
        let is_redirected = *at.code_details() == *b"internal_redirect";
        let over = if is_redirected { self.redirects.put(at, passed) } else { Some(passed) };
        if let Some(Passed { pending, counters, .. }) = over {
            self.give_up(at.id(), pending, counters);
        }
    }

    fn give_up(&self, here: u32, pending: Pending, counters: Kept) {
        self.settle(here, self.gate.abandoned(pending), counters);
    }

    fn settle(&self, here: u32, settlement: Settlement, counters: Kept) {
        if settlement.is_empty() {
            return;
        }
        let proved = settlement.proof.is_some();
        match counters {
            Kept::Here => match self.gate.settle(settlement, self.host.now()) {
                Ok(events) => self.metrics.count_settled(proved, events),
                // The request was decided: this denies and admits nobody.
                Err(_) => self.metrics.count_events(Events { unsettled: 1, ..Events::default() }),
            },
            Kept::InRedis => {
                self.metrics.count_settled(proved, Events::default());
                self.settle_in_redis(here, settlement);
            }
        }
    }

    fn tell(&self, at: &mut impl Stream, told: Option<Decision>, note: Option<String>) {
        if let Some(note) = note {
            at.set_response_header(NOTE, &note);
        }
        let Some(decision) = told else { return };
        for (name, value) in self.gate.quota_headers(&decision) {
            at.set_response_header(name, &value);
        }
    }

    /// Called from several places, and not small.
    #[inline(never)]
    fn go_on_with(
        &self,
        here: u32,
        passage: Passage,
        counters: Kept,
        asker: &dyn Asker,
    ) -> Disposition<'_, H> {
        let config = self.config();
        let ruling = match passage.decision.ruling() {
            Ruling::Allowed if passage.decision.limits.is_empty() && asker.is_exempt(config) => {
                Ruling::Exempt
            }
            ruling => ruling,
        };
        self.metrics.count_passage(&passage, ruling);
        let Passage { decision, pending, .. } = passage;
        let is_logged = config.access_log.takes(ruling, &decision);
        let logged = is_logged.then(|| Entry::of(&config.policy, ruling, &decision));
        let note = logged.as_ref().and_then(|entry| self.note(entry));
        let fate = if let Some(mut reply) = self.gate.reply(&decision) {
            // What it was charged before it was redirected.
            self.give_up(here, pending, counters);
            reply.headers.extend(note.map(|note| (NOTE, note)));
            Fate::Deny { reply, is_grpc: asker.is_grpc() }
        } else {
            let told = config.reply.tells_quota().then_some(decision);
            Fate::Allow(Passed { pending, counters, told, note })
        };
        Disposition { fate, logged }
    }

    /// What the proxy that asks is to be told for its log, if one does.
    fn note(&self, entry: &Entry) -> Option<String> {
        self.config().request_from.is_asked().then(|| entry.header())
    }
}

impl<H: Host> Drop for Plugin<H> {
    /// A configuration that is gone is not without Redis any more.
    fn drop(&mut self) {
        if self.link.as_ref().is_some_and(|link| !link.look(Store::is_asked)) {
            self.metrics.are_gone(self.host.workers());
        }
    }
}

/// The status of the response whose headers have come; 0 if it has none.
fn status_of(at: &impl Stream) -> u16 {
    at.response_header(":status").and_then(|status| number(&status)).unwrap_or(0)
}

/// What matters of the response with this status whose headers have come. `None` if that stands in its trailers.
fn response(at: &impl Stream, status: u16, end_of_stream: bool) -> Option<Response> {
    let origin = at.origin();
    let kind = at.response_header("content-type").unwrap_or_default();
    // What comes of these calls is said at their end: in trailers, or, by gRPC-Web and Connect, in the last of the body.
    let is_call = kind.starts_with(b"application/grpc") || kind.starts_with(b"application/connect+");
    if !is_call {
        return Some(Response { status, grpc: None, origin });
    }
    let grpc = at.response_header("grpc-status").map(|status| grpc_status(&status));
    match grpc {
        Some(_) => Some(Response { status, grpc, origin }),
        None if end_of_stream => Some(Response { status, grpc: Some(GRPC_UNKNOWN), origin }),
        None => None,
    }
}

/// Of a call without a status that can be read nobody knows what has come of it.
fn grpc_status(status: &[u8]) -> u32 {
    number(status).unwrap_or(GRPC_UNKNOWN)
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What is asked about a request once it is decided; of most requests nothing.
trait Asker {
    /// Whether it is a gRPC call.
    fn is_grpc(&self) -> bool;

    /// Whether the policy exempts it.
    fn is_exempt(&self, config: &Config) -> bool;
}

impl Asker for Client<'_, '_> {
    fn is_grpc(&self) -> bool {
        self.request().is_grpc()
    }

    fn is_exempt(&self, config: &Config) -> bool {
        config.policy.exempts(self)
    }
}

/// What is exempt does not wait.
impl<S> Asker for Waiter<S> {
    fn is_grpc(&self) -> bool {
        self.is_grpc
    }

    fn is_exempt(&self, _: &Config) -> bool {
        false
    }
}
