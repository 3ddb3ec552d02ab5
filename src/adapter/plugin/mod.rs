//! One configuration at work: what all workers share that have it.

mod answer;
mod redis;
mod tell;
mod told;

use std::sync::Mutex;

use told::Told;

use super::host::{Host, Stream};
use super::link::Link;
use super::metrics::Metrics;
use super::passed::{Kept, Passed};
use super::redirects::Redirects;
use super::wire::{Waiter, Wire};
use crate::access_log::{Entry, Logged};
use crate::client::{Client, Funnel};
use crate::config::Config;
use crate::decision::Ruling;
use crate::gate::{Gate, Passage};
use crate::metrics::policy_name;
use crate::redis::Store;
use crate::reply::LocalReply;
use crate::request::{Headers, Request, Unclear};
use crate::store::SharedCells;

/// The header that tells a proxy that asks what its log is to say.
const NOTE: &str = "x-tollgate";

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
    /// What the log was told of Redis.
    told: Mutex<Told>,
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
        if let Some(entry) = &self.logged {
            tell::tell_log(at, entry);
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
        let metrics = Metrics::define(
            host.meter(),
            &name,
            &config.policy.scopes,
            config.table.as_ref(),
            link.is_some(),
        );
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
                let before = before.map(Passed::charged).unwrap_or_default();
                let passage = self.gate.admit(client, before, now);
                self.go_on_with(self.here(at), passage, Kept::Here, client)
            }
            Some(link) => self.ask(link, at, client, before, now),
        }
    }

    /// Which stream is served, for the store: without one nobody asks, and to know it costs the module's workers something in common.
    fn here(&self, at: &impl Stream) -> u32 {
        if self.link.is_some() { at.id() } else { 0 }
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
        let Passage { decision, mut pending, .. } = passage;
        let is_logged = config.access_log.takes(ruling, &decision);
        let logged = is_logged.then(|| Entry::of(&config.policy, ruling, &decision));
        let note = logged.as_ref().and_then(|entry| self.note(entry));
        let fate = if let Some(mut reply) = self.gate.reply(&decision) {
            // What it was charged before it was redirected.
            self.give_up(here, pending, counters);
            reply.headers.extend(note.map(|note| (NOTE, note)));
            Fate::Deny { reply, is_grpc: asker.is_grpc() }
        } else {
            let told = config.reply.tells_quota().then(|| pending.told(decision));
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
