//! Of a stream.

use std::ffi::c_void;

use super::taken;
use crate::abi::host::stream::end;
use crate::abi::host::{Fields, Sent, Stream, lend};
use crate::abi::raw::{Body, EnvoyBytes, EnvoyHeader, HeaderMap, OurBytes, OurHeader};

/// # Safety
/// It is a stream's pointer, and nobody else looks at the stream now.
pub(super) unsafe fn at<'a>(stream: *mut c_void) -> &'a mut Stream {
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
unsafe extern "C" fn envoy_dynamic_module_callback_http_send_response_headers(
    stream: *mut c_void,
    headers: *const OurHeader,
    count: usize,
    last: bool,
) {
    let nothing = OurBytes::from(&[][..]);
    // SAFETY: as the caller promises.
    unsafe {
        let ends = std::mem::replace(&mut at(stream).ends_at_once, false);
        envoy_dynamic_module_callback_http_send_response(stream, 0, headers, count, nothing, nothing);
        at(stream).ends_at_once = ends;
        if ends && last {
            end(stream.cast());
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_http_send_response_data(
    stream: *mut c_void,
    data: OurBytes,
    last: bool,
) {
    // SAFETY: the stream is there.
    unsafe {
        at(stream).sent.as_mut().expect("headers before data").body.extend(taken(data));
        if last && at(stream).ends_at_once {
            end(stream.cast());
        }
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
