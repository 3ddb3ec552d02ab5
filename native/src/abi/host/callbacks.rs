//! The functions that Envoy has.

use std::ffi::c_void;

use super::{Config, Fields, LOG, Sent, Stream, Timetable, end, lend, locked};
use crate::abi::raw::{Body, EnvoyBytes, EnvoyHeader, HeaderMap, METRIC_DONE, OurBytes, OurHeader};

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

/// # Safety
/// It is a stream's pointer, and nobody else looks at the stream now.
unsafe fn at<'a>(stream: *mut c_void) -> &'a mut Stream {
    // SAFETY: as promised.
    unsafe { &mut *stream.cast() }
}

fn map(stream: &mut Stream, map: HeaderMap) -> &mut Fields {
    match map {
        HeaderMap::Request => &mut stream.request,
        HeaderMap::Response => &mut stream.response,
        HeaderMap::ResponseTrailers => &mut stream.trailers,
    }
}

/// # Safety
/// `to` can be written to.
unsafe fn answer(value: Option<&Vec<u8>>, to: *mut EnvoyBytes) -> bool {
    if let Some(value) = value {
        // SAFETY: as promised.
        unsafe { to.write(lend(value)) };
    }
    value.is_some()
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

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_headers_size(
    stream: *mut c_void,
    which: HeaderMap,
) -> usize {
    // SAFETY: the stream is there.
    map(unsafe { at(stream) }, which).len()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_headers(
    stream: *mut c_void,
    which: HeaderMap,
    headers: *mut EnvoyHeader,
) -> bool {
    // SAFETY: the stream is there.
    for (index, (name, value)) in map(unsafe { at(stream) }, which).iter().enumerate() {
        // SAFETY: the module has room for as many as there are.
        unsafe { headers.add(index).write(EnvoyHeader { name: lend(name), value: lend(value) }) };
    }
    true
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_header(
    stream: *mut c_void,
    which: HeaderMap,
    name: OurBytes,
    value: *mut EnvoyBytes,
    index: usize,
    count: *mut usize,
) -> bool {
    let name = taken(name);
    // SAFETY: the stream is there.
    let found: Vec<_> = map(unsafe { at(stream) }, which)
        .iter()
        .filter(|(of, _)| *of == name)
        .map(|(_, value)| value)
        .collect();
    // SAFETY: the module lends both for the call.
    unsafe {
        count.write(found.len());
        answer(found.get(index).copied(), value)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_set_header(
    stream: *mut c_void,
    which: HeaderMap,
    name: OurBytes,
    value: OurBytes,
) -> bool {
    let (name, value) = (taken(name), taken(value));
    // SAFETY: the stream is there.
    let map = map(unsafe { at(stream) }, which);
    map.retain(|(of, _)| *of != name);
    map.push((name, value));
    true
}

/// # Safety
/// It is a stream's pointer, and nobody else looks at the stream now.
unsafe fn chunks<'a>(stream: *mut c_void, body: Body) -> &'a Vec<Vec<u8>> {
    // SAFETY: as promised.
    let stream = unsafe { at(stream) };
    match body {
        Body::Received => &stream.received,
        Body::Buffered => &stream.buffered,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_body_chunks_size(
    stream: *mut c_void,
    body: Body,
) -> usize {
    // SAFETY: the stream is there.
    unsafe { chunks(stream, body) }.len()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_body_chunks(
    stream: *mut c_void,
    body: Body,
    to: *mut EnvoyBytes,
) -> bool {
    // SAFETY: the stream is there.
    for (index, chunk) in unsafe { chunks(stream, body) }.iter().enumerate() {
        // SAFETY: the module has room for as many as there are.
        unsafe { to.add(index).write(lend(chunk)) };
    }
    true
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
    stream: *mut c_void,
    attribute: u32,
    value: *mut EnvoyBytes,
) -> bool {
    // SAFETY: the stream is there, and the module lends the other.
    unsafe { answer(at(stream).attributes.get(&attribute), value) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_get_attribute_int(
    stream: *mut c_void,
    _attribute: u32,
    value: *mut u64,
) -> bool {
    // SAFETY: the stream is there, and the module lends the other.
    unsafe { value.write(at(stream).connection) };
    true
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_metadata_string(
    stream: *mut c_void,
    _source: u32,
    namespace: OurBytes,
    key: OurBytes,
    value: *mut EnvoyBytes,
) -> bool {
    // SAFETY: the stream is there, and the module lends the other.
    unsafe { answer(at(stream).metadata.get(&(taken(namespace), taken(key))), value) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_get_filter_state_typed(
    stream: *mut c_void,
    key: OurBytes,
    value: *mut EnvoyBytes,
) -> bool {
    // SAFETY: the stream is there, and the module lends the other.
    unsafe { answer(at(stream).state.get(&taken(key)), value) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_set_filter_state_bytes(
    stream: *mut c_void,
    key: OurBytes,
    value: OurBytes,
) -> bool {
    // SAFETY: the stream is there.
    unsafe { at(stream) }.state.insert(taken(key), taken(value));
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_get_worker_index(_stream: *mut c_void) -> u32 {
    1
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_send_response(
    stream: *mut c_void,
    status: u32,
    headers: *const OurHeader,
    count: usize,
    body: OurBytes,
    details: OurBytes,
) {
    // SAFETY: the module lends them for the call.
    let headers = unsafe { std::slice::from_raw_parts(headers, count) };
    let headers = headers.iter().map(|header| (taken(header.name), taken(header.value))).collect();
    // SAFETY: the stream is there.
    let at = unsafe { at(stream) };
    assert!(at.sent.is_none(), "a second answer");
    at.sent = Some(Sent { status, headers, body: taken(body), details: taken(details) });
    let ends = at.ends_at_once;
    if ends {
        // SAFETY: the stream is there.
        unsafe { end(stream.cast()) };
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_filter_continue_decoding(stream: *mut c_void) {
    // SAFETY: the stream is there.
    let at = unsafe { at(stream) };
    assert!(!at.slot.is_null(), "it has ended");
    at.continued += 1;
    let (ends, slot, hooks) = (at.ends_at_once, at.slot, at.hooks);
    if ends {
        // SAFETY: the slot was not destroyed, and the stream is there.
        unsafe {
            (hooks.response_headers)(stream, slot, true);
            end(stream.cast());
        }
    }
}
