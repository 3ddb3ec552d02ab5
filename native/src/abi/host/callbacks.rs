//! The functions that Envoy has.

mod stream;

use std::ffi::c_void;

use stream::at;

use super::{Config, LOG, Timetable, locked};
use crate::abi::raw::{METRIC_DONE, OurBytes};

const NOT_FOUND: u32 = 1;
const FROZEN: u32 = 3;

fn taken(bytes: OurBytes) -> Vec<u8> {
    if bytes.data.is_null() {
        return Vec::new();
    }
    // SAFETY: the module lends it for the call.
    unsafe { std::slice::from_raw_parts(bytes.data, bytes.len) }.to_vec()
}

fn text(bytes: OurBytes) -> String {
    String::from_utf8(taken(bytes)).expect("text")
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_log(level: u32, message: OurBytes) {
    LOG.with_borrow_mut(|lines| lines.push((level, text(message))));
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_log_enabled(level: u32) -> bool {
    level >= 2
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_is_validation_mode() -> bool {
    false
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_get_concurrency() -> u32 {
    2
}

/// # Safety
/// As Envoy's.
unsafe fn define(config: *mut c_void, name: OurBytes, id: *mut usize) -> u32 {
    // SAFETY: the configuration is there.
    let config = unsafe { &*config.cast::<Config>() };
    if !config.is_open {
        return FROZEN;
    }
    let mut metrics = locked(&config.metrics);
    metrics.push((text(name), 0));
    // SAFETY: the module lends it for the call.
    unsafe { id.write(metrics.len()) };
    METRIC_DONE
}

/// # Safety
/// As Envoy's.
unsafe fn change(config: *mut c_void, id: usize, labels: usize, change: impl FnOnce(&mut u64)) -> u32 {
    assert_eq!(labels, 0);
    // SAFETY: the configuration is there.
    let mut metrics = locked(unsafe { &(*config.cast::<Config>()).metrics });
    let Some((_, value)) = id.checked_sub(1).and_then(|index| metrics.get_mut(index)) else {
        return NOT_FOUND;
    };
    change(value);
    METRIC_DONE
}

/// Functions that define a metric, or change one.
macro_rules! metrics {
    ($($name:ident($id:ty $(, $value:ident)?) $how:expr;)*) => {
        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name(
                config: *mut c_void,
                first: $id,
                _labels: *const OurBytes,
                labels: usize,
                last: metrics!(@last $($value)?),
            ) -> u32 {
                // SAFETY: as the caller promises.
                unsafe { $how(config, first, labels, last) }
            }
        )*
    };
    (@last) => { *mut usize };
    (@last $value:ident) => { u64 };
}

metrics! {
    envoy_dynamic_module_callback_http_filter_config_define_counter(OurBytes) |config, name, _, id| define(config, name, id);
    envoy_dynamic_module_callback_http_filter_config_define_gauge(OurBytes) |config, name, _, id| define(config, name, id);
    envoy_dynamic_module_callback_http_filter_config_define_histogram(OurBytes) |config, name, _, id| define(config, name, id);
    envoy_dynamic_module_callback_http_filter_config_increment_counter(usize, by) |config, id, labels, by: u64| {
        change(config, id, labels, |value| *value += by)
    };
    envoy_dynamic_module_callback_http_filter_config_set_gauge(usize, to) |config, id, labels, to: u64| {
        change(config, id, labels, |value| *value = to)
    };
    envoy_dynamic_module_callback_http_filter_config_increment_gauge(usize, by) |config, id, labels, by: u64| {
        change(config, id, labels, |value| *value += by)
    };
    envoy_dynamic_module_callback_http_filter_config_decrement_gauge(usize, by) |config, id, labels, by: u64| {
        change(config, id, labels, |value| *value -= by)
    };
    envoy_dynamic_module_callback_http_filter_config_record_histogram_value(usize, noted) |config, id, labels, noted: u64| {
        change(config, id, labels, |value| *value = noted)
    };
}

fn timetable(events: &super::Events, schedulers: &std::sync::Arc<std::sync::Mutex<usize>>) -> *mut c_void {
    *locked(schedulers) += 1;
    Box::into_raw(Box::new(Timetable { events: events.clone(), schedulers: schedulers.clone() })).cast()
}

/// # Safety
/// It is a scheduler that was not deleted.
unsafe fn commit(scheduler: *mut c_void, event: u64) {
    // SAFETY: as promised.
    locked(unsafe { &(*scheduler.cast::<Timetable>()).events }).push(event);
}

/// # Safety
/// It is a scheduler that was not deleted, and nobody uses it again.
unsafe fn delete(scheduler: *mut c_void) {
    // SAFETY: as promised.
    let timetable = unsafe { Box::from_raw(scheduler.cast::<Timetable>()) };
    *locked(&timetable.schedulers) -= 1;
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_new(
    config: *mut c_void,
) -> *mut c_void {
    // SAFETY: the configuration is there.
    let config = unsafe { &*config.cast::<Config>() };
    timetable(&config.events, &config.schedulers)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_commit(
    scheduler: *mut c_void,
    event: u64,
) {
    // SAFETY: as the caller promises.
    unsafe { commit(scheduler, event) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_delete(
    scheduler: *mut c_void,
) {
    // SAFETY: as the caller promises.
    unsafe { delete(scheduler) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_new(
    stream: *mut c_void,
) -> *mut c_void {
    // SAFETY: the stream is there.
    let stream = unsafe { at(stream) };
    timetable(&stream.events, &stream.schedulers)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_commit(
    scheduler: *mut c_void,
    event: u64,
) {
    // SAFETY: as the caller promises.
    unsafe { commit(scheduler, event) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_delete(scheduler: *mut c_void) {
    // SAFETY: as the caller promises.
    unsafe { delete(scheduler) };
}
