//! What is said of a fault of our own.

use std::panic::{PanicHookInfo, set_hook};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Level, log};

static TOLD: AtomicBool = AtomicBool::new(false);

/// The first panic comes into Envoy's log; all are counted. (By default they would go to standard error, each.)
pub(super) fn tell_envoy() {
    set_hook(Box::new(|panic| {
        if !TOLD.swap(true, Ordering::Relaxed) {
            log(Level::Error, &line(panic));
        }
    }));
}

fn line(panic: &PanicHookInfo<'_>) -> String {
    let what = panic.payload_as_str().unwrap_or("for a reason that is no text");
    let place =
        panic.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
    format!(
        "Tollgate has failed{place}: {what}. Please report this. Requests that it fails at are treated as `failure` in the policy \
         says; tollgate.panics_total counts them, and the log has only this first one"
    )
}
