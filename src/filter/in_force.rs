//! The log line that says which configuration is in force: once for each, whatever the number of workers.
//!
//! Envoy hands a configuration to every worker before it knows whether it can use it: also one that it refuses in the end for another
//! filter's sake, and each for a trial, in a machine of its own. Those are gone after a moment. So the line is written by a tick
//! that comes later, by whichever worker is first; and may be written again when the configuration goes.

use std::rc::Rc;
use std::time::Duration;

use super::host;
use super::worker::Worker;
use crate::store::{Fingerprinter, Secret, Topic};
use crate::time::Time;

/// After this, what was refused is gone.
const A_MOMENT: Duration = Duration::from_secs(1);

/// A timer may be a little early.
const ALMOST: Duration = Duration::from_millis(900);

/// A configuration in one worker, which has to be told of.
pub(super) struct InForce {
    worker: Rc<Worker>,
    topic: Topic,
    since: Time,
    is_told: bool,
}

impl InForce {
    /// Has the root context called when it can be told of.
    pub(super) fn new(worker: Rc<Worker>, document: &[u8]) -> Self {
        host::set_tick_period(A_MOMENT);
        // It goes no further than the document itself, so the key need not be a secret.
        let mut hash = Fingerprinter::new(&Secret::new(*b"tollgate.inforce"));
        hash.piece(0, &host::plugin_name());
        hash.piece(1, document);
        Self { worker, topic: hash.finish().to_bytes(), since: host::now(), is_told: false }
    }

    /// Tells the log of it if it is time, and nobody else has. Returns in how long it has to be called again; zero if it need not.
    pub(super) fn on_tick(&mut self) -> Duration {
        if !self.is_told {
            if host::now().since(self.since) < ALMOST {
                return A_MOMENT;
            }
            self.is_told = true;
            if self.worker.cells().is_first_to_tell(&self.topic) {
                log::info!("{}", self.worker);
            }
        }
        Duration::ZERO
    }
}

impl Drop for InForce {
    fn drop(&mut self) {
        if self.is_told {
            self.worker.cells().may_tell_again(&self.topic);
        }
        // Envoy's timer may outlive its context.
        host::set_tick_period(Duration::ZERO);
    }
}
