//! What Envoy calls, for any plugin. Nothing that panics gets past here.
//!
//! Each hook borrows what it needs, lets the plugin work, gives it back, and only then does what makes Envoy call again.

mod stream;

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null;

pub(super) use stream::{
    request_body, request_headers, request_trailers, response_headers, response_trailers, stream_complete,
    stream_destroy, stream_new, stream_scheduled,
};

use super::meter::{Counter, Meter};
use super::plugin::{Opening, Plugin};
use super::raw::{self, EnvoyBytes, EnvoyConfig};
use super::{Level, Scheduler, lent, log, panics};

/// What Envoy keeps for us with a configuration.
pub(super) struct Held<P> {
    plugin: P,
    meter: Meter,
    scheduler: Option<Scheduler>,
    panics: Counter,
}

impl<P: Plugin> Held<P> {
    /// What the plugin's work in a hook returns; `None` if it has failed.
    ///
    /// # Safety
    /// The configuration is there for as long as this works.
    unsafe fn guarded<R>(&self, work: impl FnOnce() -> R) -> Option<R> {
        // SAFETY: as promised.
        let _in_hook = unsafe { self.meter.enter() };
        let result = caught(work);
        if result.is_none() {
            self.meter.count(self.panics, 1);
        }
        result
    }
}

/// What work returns; `None` if it panics.
fn caught<R>(work: impl FnOnce() -> R) -> Option<R> {
    // Whoever is half done is never asked again: see `State::Failed`.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => Some(result),
        Err(payload) => {
            // To drop it could panic once more.
            std::mem::forget(payload);
            None
        }
    }
}

/// Before anything else. Returns the ABI's version.
pub(super) fn program_init() -> *const std::ffi::c_char {
    let _ = caught(panics::tell_envoy);
    raw::VERSION.as_ptr()
}

/// # Safety
/// The configuration is there until it is destroyed, and the bytes for this call.
pub(super) unsafe fn config_new<P: Plugin>(
    envoy: EnvoyConfig,
    name: EnvoyBytes,
    document: EnvoyBytes,
) -> *const c_void {
    // SAFETY: as promised.
    let (name, document) = unsafe { (lent(name), lent(document)) };
    // SAFETY: it is closed below, or when the configuration is destroyed.
    let meter = unsafe { Meter::new(envoy) };
    let mut scheduler = None;
    let opened = caught(|| {
        let panics = meter.counter(&P::panics(name));
        let plugin = P::open(&mut Opening { meter: &meter, name, document, scheduler: &mut scheduler })?;
        Ok((plugin, panics))
    });
    let reason = match opened {
        Some(Ok((plugin, panics))) => {
            return Box::into_raw(Box::new(Held { plugin, meter, scheduler, panics })).cast_const().cast();
        }
        Some(Err(reason)) => reason,
        None => "this is a fault of Tollgate's own; Envoy's log has more about it".to_owned(),
    };
    if let Some(scheduler) = scheduler {
        scheduler.close();
    }
    meter.close();
    log(Level::Error, &format!("the configuration is refused: {reason}"));
    null()
}

/// A route wants a configuration of its own: that is refused.
pub(super) fn per_route_config_new() -> *const c_void {
    log(
        Level::Error,
        "the configuration of a route (DynamicModuleFilterPerRoute) is refused: one policy is for all routes. Say by `match` in a scope \
         which requests it is for; to leave a route out, give it `FilterConfig` with `disabled: true`",
    );
    null()
}

/// The plugin itself.
///
/// # Safety
/// `config` is from [`config_new`], and is not destroyed before the plugin is done with.
#[cfg(test)]
pub(super) unsafe fn plugin<'a, P: Plugin>(config: *const c_void) -> &'a P {
    // SAFETY: as promised.
    unsafe { &(*config.cast::<Held<P>>()).plugin }
}

/// # Safety
/// `config` is from [`config_new`], and was not destroyed. No stream is left.
pub(super) unsafe fn config_destroy<P: Plugin>(config: *const c_void) {
    // SAFETY: as promised.
    let held = unsafe { Box::from_raw(config.cast_mut().cast::<Held<P>>()) };
    if let Some(scheduler) = &held.scheduler {
        scheduler.close();
    }
    let Held { plugin, meter, .. } = *held;
    // It may still count.
    let _ = caught(move || drop(plugin));
    meter.close();
}

/// # Safety
/// `config` is from [`config_new`], and was not destroyed.
pub(super) unsafe fn config_scheduled<P: Plugin>(config: *const c_void, event: u64) {
    // SAFETY: as promised. It is never borrowed but like this.
    let held = unsafe { &*config.cast::<Held<P>>() };
    // SAFETY: as promised.
    unsafe { held.guarded(|| held.plugin.on_scheduled(event)) };
}
