//! The metrics of one configuration of the filter.

use std::cell::Cell;
use std::fmt;
use std::ptr::{null, null_mut};
use std::sync::{Arc, Mutex, PoisonError};

use super::raw::{self, EnvoyConfig, METRIC_DONE, OurBytes};

/// The metrics of one configuration. Clones are one and the same; any thread may count.
///
/// Once the configuration is gone nothing is counted any more, and Envoy is not called. Envoy's own metrics are atomic, so a hook of the
/// configuration counts without a lock: it is there for as long as the hook lasts. Other threads take a lock.
#[derive(Clone)]
pub struct Meter(Arc<Inner>);

struct Inner {
    envoy: EnvoyConfig,
    /// Whether the configuration is there.
    is_there: Mutex<bool>,
}

// SAFETY: any thread may count by the pointer, as long as the configuration is there.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

/// A counter that was defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter(usize);

/// A gauge that was defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge(usize);

/// A histogram that was defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram(usize);

thread_local! {
    /// Whose hook this thread is in.
    static IN_HOOK_OF: Cell<*const Inner> = const { Cell::new(null()) };
}

/// For as long as it is there, this thread is in a hook of the configuration.
pub(super) struct InHook(*const Inner);

impl Drop for InHook {
    fn drop(&mut self) {
        IN_HOOK_OF.set(self.0);
    }
}

type Define = unsafe extern "C" fn(EnvoyConfig, OurBytes, *const OurBytes, usize, *mut usize) -> u32;
type Change = unsafe extern "C" fn(EnvoyConfig, usize, *const OurBytes, usize, u64) -> u32;

impl Meter {
    /// # Safety
    /// The configuration is there until [`Self::close`] is called.
    pub(super) unsafe fn new(envoy: EnvoyConfig) -> Self {
        Self(Arc::new(Inner { envoy, is_there: Mutex::new(true) }))
    }

    /// A hook begins on this thread, and lasts as long as what this returns.
    ///
    /// # Safety
    /// The configuration is there for at least as long.
    pub(super) unsafe fn enter(&self) -> InHook {
        InHook(IN_HOOK_OF.replace(Arc::as_ptr(&self.0)))
    }

    /// The configuration goes: nothing is counted from now on.
    pub(super) fn close(&self) {
        *self.0.is_there.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    /// A counter of this name. Only while the configuration is opened: later Envoy defines nothing, and what is counted is lost.
    ///
    /// Envoy puts its namespace in front of the name. Two configurations that define one name have one counter.
    #[must_use]
    pub fn counter(&self, name: &str) -> Counter {
        Counter(self.define(raw::envoy_dynamic_module_callback_http_filter_config_define_counter, name))
    }

    /// A gauge of this name; as [`Self::counter`].
    #[must_use]
    pub fn gauge(&self, name: &str) -> Gauge {
        Gauge(self.define(raw::envoy_dynamic_module_callback_http_filter_config_define_gauge, name))
    }

    /// A histogram of this name; as [`Self::counter`].
    #[must_use]
    pub fn histogram(&self, name: &str) -> Histogram {
        Histogram(self.define(raw::envoy_dynamic_module_callback_http_filter_config_define_histogram, name))
    }

    /// Adds to a counter.
    pub fn count(&self, counter: Counter, by: u64) {
        self.change(raw::envoy_dynamic_module_callback_http_filter_config_increment_counter, counter.0, by);
    }

    /// Sets a gauge.
    pub fn set(&self, gauge: Gauge, value: u64) {
        self.change(raw::envoy_dynamic_module_callback_http_filter_config_set_gauge, gauge.0, value);
    }

    /// Adds to a gauge, or takes from it.
    pub fn add(&self, gauge: Gauge, by: i64) {
        let change: Change = if by < 0 {
            raw::envoy_dynamic_module_callback_http_filter_config_decrement_gauge
        } else {
            raw::envoy_dynamic_module_callback_http_filter_config_increment_gauge
        };
        self.change(change, gauge.0, by.unsigned_abs());
    }

    /// Notes a value, on a thread of Envoy's: it keeps histograms by thread, and on a thread that it does not know it would end. Returns
    /// whether it was noted: not outside of the configuration's hooks.
    #[must_use]
    pub fn note(&self, histogram: Histogram, value: u64) -> bool {
        let is_in_hook = IN_HOOK_OF.get() == Arc::as_ptr(&self.0);
        if is_in_hook {
            self.change(
                raw::envoy_dynamic_module_callback_http_filter_config_record_histogram_value,
                histogram.0,
                value,
            );
        }
        is_in_hook
    }

    /// The metric's id. 0, which Envoy gives to none, if it was not defined.
    fn define(&self, define: Define, name: &str) -> usize {
        let mut id = 0;
        self.while_there(|envoy| {
            // SAFETY: the configuration is there, and the pointers are good for the call. There are no labels.
            let done = unsafe { define(envoy, name.as_bytes().into(), null(), 0, &raw mut id) };
            if done != METRIC_DONE {
                id = 0;
            }
        });
        id
    }

    fn change(&self, change: Change, id: usize, value: u64) {
        // SAFETY: the configuration is there. Envoy knows an id that it has not given.
        self.while_there(|envoy| unsafe {
            change(envoy, id, null(), 0, value);
        });
    }

    /// Calls Envoy, unless the configuration is gone.
    fn while_there(&self, call: impl FnOnce(EnvoyConfig)) {
        if IN_HOOK_OF.get() == Arc::as_ptr(&self.0) {
            return call(self.0.envoy);
        }
        let is_there = self.0.is_there.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_there {
            call(self.0.envoy);
        }
    }

    /// Envoy's scheduler for the configuration; null if that is gone.
    pub(super) fn new_scheduler(&self) -> *mut std::ffi::c_void {
        let mut scheduler = null_mut();
        self.while_there(|envoy| {
            // SAFETY: the configuration is there.
            scheduler = unsafe { raw::envoy_dynamic_module_callback_http_filter_config_scheduler_new(envoy) };
        });
        scheduler
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Meter").finish_non_exhaustive()
    }
}
