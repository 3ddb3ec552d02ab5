//! What a worker does now and then while it has a configuration in force: it says so, in the log and to the console; and one of them
//! counts the clients in the table.
//!
//! Envoy hands a configuration to every worker before it knows whether it can use it: also one that it refuses in the end for another
//! filter's sake, and each for a trial, in a machine of its own. Those are gone after a moment. So nothing is said before a
//! tick that comes later. The log is told by whichever worker is first; and may be told again when the configuration goes.

use std::sync::Arc;
use std::time::Duration;

use super::host::Host;
use super::metrics::{set_clients, set_gauges};
use super::plugin::Plugin;
use crate::console::{Posted, Registry, Sign};
use crate::metrics::policy_name;
use crate::store::{Census, Fingerprinter, Secret};
use crate::time::Time;

/// After this, what was refused is gone. And so often there is something to do.
pub const A_MOMENT: Duration = Duration::from_secs(1);

/// A timer may be a little early.
const ALMOST: Duration = Duration::from_millis(900);

/// Who counts clients, and since when he has not said so.
const CENSUS: &[u8] = b"tollgate.v2.census";
/// After so long without a word another worker counts.
const PATIENCE: Duration = Duration::from_secs(3);

/// A configuration in one worker, or in all workers of a proxy that share everything.
pub struct InForce<H: Host> {
    plugin: Arc<Plugin<H>>,
    document: Vec<u8>,
    /// One for each of them.
    signs: Vec<Sign>,
    /// When something was done last.
    since: Time,
    is_told: bool,
    census: Census,
}

impl<H: Host> InForce<H> {
    /// A configuration that `threads` of the proxy have, its main thread among them, from now on. To be dropped when it has gone.
    pub fn new(plugin: &Arc<Plugin<H>>, document: Vec<u8>, threads: u32) -> Self {
        let host = plugin.host();
        // It goes no further than the document itself, so the key need not be a secret.
        let mut hash = Fingerprinter::new(&Secret::new(*b"tollgate.inforce"));
        hash.piece(0, &host.plugin_name());
        hash.piece(1, &document);
        let topic = hash.finish().to_bytes();
        let first = host
            .random()
            .map_or(0, |bytes| bytes.first_chunk().map_or(0, |first| u64::from_le_bytes(*first)));
        let sign = |place| Sign { topic, worker: first.wrapping_add(place) };
        Self {
            plugin: plugin.clone(),
            document,
            signs: (0..u64::from(threads.max(1))).map(sign).collect(),
            since: host.now(),
            is_told: false,
            census: Census::default(),
        }
    }

    /// Does what is to be done now. Returns in how long it has to be called again.
    pub fn on_tick(&mut self) -> Duration {
        let now = self.plugin.host().now();
        // While Redis is asked there are many more ticks.
        if now.since(self.since) < ALMOST {
            return A_MOMENT;
        }
        self.since = now;
        if !self.is_told {
            self.tell(now);
        }
        for sign in &self.signs {
            // What cannot be written now is written the next time.
            let _ = Registry(self.plugin.shared()).give_sign(*sign, now);
        }
        if self.counts_clients(now)
            && let Ok(clients) = self.census.step(self.plugin.gate().counters(), now)
        {
            set_clients(self.plugin.metrics().meter(), self.plugin.config().table.as_ref(), clients);
        }
        A_MOMENT
    }

    fn tell(&mut self, now: Time) {
        self.is_told = true;
        let (plugin, host) = (&self.plugin, self.plugin.host());
        let name = host.plugin_name();
        set_gauges(plugin.metrics().meter(), &policy_name(&name), plugin.config());
        let topic = self.signs[0].topic;
        if plugin.shared().is_first_to_tell(&topic) {
            log::info!("{plugin}");
        }
        let posted = Posted {
            topic,
            name: name.into_owned(),
            document: std::mem::take(&mut self.document),
            since: host.unix_time(),
        };
        if Registry(plugin.shared()).post(&posted, self.signs[0], now).is_err() {
            log::warn!("the console cannot be told of this policy: the proxy's shared data takes nothing");
        }
    }

    /// Whether it is this worker that counts: the first one to come, as long as it comes.
    fn counts_clients(&self, now: Time) -> bool {
        let me = self.signs[0].worker.to_le_bytes();
        let taken = self.plugin.shared().change(CENSUS, |bytes| {
            let (who, at) = bytes.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
            let at =
                at.first_chunk().map_or(Time::default(), |at| Time::from_micros(u64::from_le_bytes(*at)));
            let is_free = *who == me || bytes.is_empty() || now.since(at) > PATIENCE;
            is_free.then(|| [me, now.micros().to_le_bytes()].concat())
        });
        taken.unwrap_or(false)
    }
}

impl<H: Host> Drop for InForce<H> {
    fn drop(&mut self) {
        if !self.is_told {
            return;
        }
        self.plugin.shared().may_tell_again(&self.signs[0].topic);
        for sign in &self.signs {
            // If it stays, it is found to be old in a while.
            let _ = Registry(self.plugin.shared()).take_away(*sign);
        }
    }
}
