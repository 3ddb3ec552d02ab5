//! What a worker does now and then while it has a configuration in force: it says so, in the log and to the console; and one of them
//! counts the clients in the table.
//!
//! Envoy hands a configuration to every worker before it knows whether it can use it: also one that it refuses in the end for another
//! filter's sake, and each for a trial, in a machine of its own. Those are gone after a moment. So nothing is said before a
//! tick that comes later. The log is told by whichever worker is first; and may be told again when the configuration goes.

use std::rc::Rc;
use std::time::Duration;

use super::host;
use super::metrics::{set_clients, set_gauges};
use super::shared::SharedCells;
use super::worker::Worker;
use crate::console::{Posted, Registry, Sign};
use crate::metrics::policy_name;
use crate::store::{Census, Fingerprinter, Secret, Topic};
use crate::time::Time;

/// After this, what was refused is gone. And so often there is something to do.
const A_MOMENT: Duration = Duration::from_secs(1);

/// A timer may be a little early.
const ALMOST: Duration = Duration::from_millis(900);

/// Who counts clients, and since when he has not said so.
const CENSUS: &[u8] = b"tollgate.v2.census";
/// After so long without a word another worker counts.
const PATIENCE: Duration = Duration::from_secs(3);

/// A configuration in one worker.
pub(super) struct InForce {
    worker: Rc<Worker>,
    document: Vec<u8>,
    sign: Sign,
    /// When something was done last.
    since: Time,
    is_told: bool,
    census: Census,
}

impl InForce {
    /// Has the root context called when there is something to do.
    pub(super) fn new(worker: &Rc<Worker>, document: Vec<u8>) -> Self {
        host::set_tick_period(A_MOMENT);
        // It goes no further than the document itself, so the key need not be a secret.
        let mut hash = Fingerprinter::new(&Secret::new(*b"tollgate.inforce"));
        hash.piece(0, &host::plugin_name());
        hash.piece(1, &document);
        let topic = hash.finish().to_bytes();
        let number = host::random()
            .map_or(0, |bytes| bytes.first_chunk().map_or(0, |first| u64::from_le_bytes(*first)));
        let sign = Sign { topic, worker: number };
        Self {
            worker: worker.clone(),
            document,
            sign,
            since: host::now(),
            is_told: false,
            census: Census::default(),
        }
    }

    /// Does what is to be done now. Returns in how long it has to be called again.
    pub(super) fn on_tick(&mut self) -> Duration {
        let now = host::now();
        // While Redis is asked there are many more ticks.
        if now.since(self.since) < ALMOST {
            return A_MOMENT;
        }
        self.since = now;
        if !self.is_told {
            self.tell(now);
        }
        // What cannot be written now is written the next time.
        let _ = Registry(self.cells()).give_sign(self.sign, now);
        if self.counts_clients(now)
            && let Ok(clients) = self.census.step(self.worker.gate().counters(), now)
        {
            set_clients(clients);
        }
        A_MOMENT
    }

    fn tell(&mut self, now: Time) {
        self.is_told = true;
        set_gauges(&policy_name(&host::plugin_name()), self.worker.gate().config());
        if self.cells().is_first_to_tell(self.topic()) {
            log::info!("{}", self.worker);
        }
        let posted = Posted {
            topic: *self.topic(),
            name: host::plugin_name(),
            document: std::mem::take(&mut self.document),
            since: host::unix_time(),
        };
        if Registry(self.cells()).post(&posted, self.sign, now).is_err() {
            log::warn!("the console cannot be told of this policy: the proxy's shared data takes nothing");
        }
    }

    fn cells(&self) -> &SharedCells {
        self.worker.gate().counters().cells()
    }

    const fn topic(&self) -> &Topic {
        &self.sign.topic
    }

    /// Whether it is this worker that counts: the first one to come, as long as it comes.
    fn counts_clients(&self, now: Time) -> bool {
        let me = self.sign.worker.to_le_bytes();
        let taken = self.cells().change(CENSUS, |bytes| {
            let (who, at) = bytes.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
            let at =
                at.first_chunk().map_or(Time::default(), |at| Time::from_micros(u64::from_le_bytes(*at)));
            let is_free = *who == me || bytes.is_empty() || now.since(at) > PATIENCE;
            is_free.then(|| [me, now.micros().to_le_bytes()].concat())
        });
        taken.unwrap_or(false)
    }
}

impl Drop for InForce {
    fn drop(&mut self) {
        if self.is_told {
            self.cells().may_tell_again(self.topic());
            // If it stays, it is found to be old in a while.
            let _ = Registry(self.cells()).take_away(self.sign);
        }
        // Envoy's timer may outlive its context.
        host::set_tick_period(Duration::ZERO);
    }
}
