//! One configuration of the filter, as Envoy has it.

use std::marker::PhantomData;
use std::ptr::null;

use super::raw::{self, EnvoyConfig, METRIC_DONE, OurBytes};
use super::scheduler::Scheduler;

/// One configuration of the filter, for as long as one hook lasts. It counts from any worker; Envoy's metrics are atomic.
#[derive(Clone, Copy)]
pub struct Config<'a> {
    pub(super) envoy: EnvoyConfig,
    pub(super) hook: PhantomData<&'a *mut ()>,
}

/// A counter that was defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter(usize);

/// A gauge that was defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge(usize);

/// A histogram that was defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram(usize);

type Define = unsafe extern "C" fn(EnvoyConfig, OurBytes, *const OurBytes, usize, *mut usize) -> u32;

impl Config<'_> {
    /// A counter of this name. Only while the configuration is opened; later, Envoy defines nothing, and what is counted is lost.
    ///
    /// Envoy puts its namespace in front of the name. Two configurations that define one name have one counter.
    #[must_use]
    pub fn counter(self, name: &str) -> Counter {
        Counter(self.define(raw::envoy_dynamic_module_callback_http_filter_config_define_counter, name))
    }

    /// A gauge of this name; as [`Self::counter`].
    #[must_use]
    pub fn gauge(self, name: &str) -> Gauge {
        Gauge(self.define(raw::envoy_dynamic_module_callback_http_filter_config_define_gauge, name))
    }

    /// A histogram of this name; as [`Self::counter`].
    #[must_use]
    pub fn histogram(self, name: &str) -> Histogram {
        Histogram(self.define(raw::envoy_dynamic_module_callback_http_filter_config_define_histogram, name))
    }

    /// The metric's id. 0, which Envoy gives to none, if it was not defined.
    fn define(self, define: Define, name: &str) -> usize {
        let mut id = 0;
        // SAFETY: the configuration is there for as long as the hook lasts, and the pointers for the call. There are no labels.
        let done = unsafe { define(self.envoy, name.as_bytes().into(), null(), 0, &raw mut id) };
        if done == METRIC_DONE { id } else { 0 }
    }

    /// Counts.
    pub fn count(self, counter: Counter, by: u64) {
        // SAFETY: the configuration is there for as long as the hook lasts. Envoy knows an id that it has not given.
        unsafe {
            raw::envoy_dynamic_module_callback_http_filter_config_increment_counter(
                self.envoy,
                counter.0,
                null(),
                0,
                by,
            )
        };
    }

    /// Sets a gauge.
    pub fn set(self, gauge: Gauge, value: u64) {
        // SAFETY: as above.
        unsafe {
            raw::envoy_dynamic_module_callback_http_filter_config_set_gauge(
                self.envoy,
                gauge.0,
                null(),
                0,
                value,
            )
        };
    }

    /// Notes a value.
    pub fn note(self, histogram: Histogram, value: u64) {
        // SAFETY: as above.
        unsafe {
            raw::envoy_dynamic_module_callback_http_filter_config_record_histogram_value(
                self.envoy,
                histogram.0,
                null(),
                0,
                value,
            )
        };
    }

    /// By which any thread can have [`Plugin::on_scheduled`](super::Plugin::on_scheduled) called, on Envoy's main thread.
    /// Only while the configuration is opened: the same one later is this one's clone.
    pub(super) fn scheduler(self) -> Scheduler {
        // SAFETY: the configuration is there for as long as the hook lasts.
        let envoy =
            unsafe { raw::envoy_dynamic_module_callback_http_filter_config_scheduler_new(self.envoy) };
        Scheduler::of_config(envoy)
    }
}
