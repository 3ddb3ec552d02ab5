//! A policy at work.

use std::sync::{Arc, Mutex};

use tollgate::adapter::{A_MOMENT, Host, InForce, Plugin};
use tollgate::config::Failure;
use tollgate_wire::{Thread, Timer};

use crate::abi::{Opening, concurrency, is_validating};
use crate::envoy::Envoy;
use crate::lock::lock;
use crate::meter::Meter;
use crate::tables::tidy_up;

/// A policy at work, which all workers share.
pub(crate) struct Gate {
    plugin: Arc<Plugin<Envoy>>,
    /// What is done now and then while it is in force. None where Envoy only looks whether its configuration is right.
    _in_force: Option<Watch>,
}

impl Gate {
    /// Takes a policy into use; or says why not.
    pub(crate) fn open(at: &mut Opening<'_>) -> Result<Self, String> {
        let meter = Meter::new(at);
        let envoy = Envoy {
            name: at.name().to_owned(),
            meter: meter.clone(),
            workers: concurrency(),
            papers: Arc::default(),
        };
        tidy_up(envoy.now());
        let plugin = Arc::new(Plugin::open(envoy, at.document())?);
        meter.is_open();
        if let Some(link) = plugin.link() {
            link.wire().belong_to(&plugin);
        }
        let in_force = if is_validating() { None } else { Some(watch(&plugin, at.document())?) };
        Ok(Self { plugin, _in_force: in_force })
    }

    pub(crate) fn plugin(&self) -> &Plugin<Envoy> {
        &self.plugin
    }

    /// Whether it is there yet.
    #[cfg(test)]
    pub(crate) fn left(&self) -> std::sync::Weak<Plugin<Envoy>> {
        Arc::downgrade(&self.plugin)
    }

    /// Envoy's main thread has come by.
    pub(crate) fn on_scheduled(&self) {
        self.plugin.host().meter.collect();
    }

    /// What becomes of a request if the module itself fails.
    pub(crate) fn failure(&self) -> Failure {
        self.plugin.gate().config().failure
    }
}

/// Has done what is to be done now and then.
fn watch(plugin: &Arc<Plugin<Envoy>>, document: &[u8]) -> Result<Watch, String> {
    // Its workers, and its main thread.
    let in_force = InForce::new(plugin, document.to_owned(), concurrency() + 1);
    let thread = Thread::of_process().map_err(|error| {
        format!("the system does not give Tollgate the one thread that it needs: {error}")
    })?;
    let in_force = Arc::new(Mutex::new(Some(in_force)));
    let ticking = in_force.clone();
    let timer = thread.every(A_MOMENT, move || {
        if let Some(in_force) = &mut *lock(&ticking) {
            in_force.on_tick();
        }
    });
    Ok(Watch { in_force, _timer: timer })
}

/// What is done now and then.
struct Watch {
    in_force: Arc<Mutex<Option<InForce<Envoy>>>>,
    _timer: Timer,
}

impl Drop for Watch {
    /// The thread lets go of its own only when it comes by: by then the metrics are gone, and what is counted at the end is lost.
    fn drop(&mut self) {
        let in_force = lock(&self.in_force).take();
        drop(in_force);
    }
}
