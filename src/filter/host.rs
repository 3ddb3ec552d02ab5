//! Calls to the proxy that may be made while a request is served.
//!
//! The SDK's wrappers panic where the proxy answers with a status they do not expect, and copy each header
//! into strings of their own. These return what there is, as bytes; a call that fails returns nothing.
#![allow(unsafe_code, reason = "the proxy writes to memory by pointers")]

use std::ptr::null_mut;
#[cfg(not(feature = "nginx"))]
use std::ptr::slice_from_raw_parts_mut;
use std::time::Duration;

use proxy_wasm::types::{MapType, Status};

#[cfg(feature = "nginx")]
use super::{nginx, slack};
use crate::access_log::Field;
use crate::reply::LocalReply;
use crate::request::Headers;
use crate::response::Origin;
use crate::store::Unavailable;
use crate::time::Time;

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const CAS_MISMATCH: u32 = 8;

/// The WASI id of the clock that never goes back. The proxy-wasm ABI's own clock is the wall clock.
const MONOTONIC: u32 = 1;

/// gRPC: `RESOURCE_EXHAUSTED`.
const RESOURCE_EXHAUSTED: i32 = 8;
const NO_GRPC_STATUS: i32 = -1;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        cas: u32,
    ) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u16;
    fn random_get(bytes: *mut u8, size: usize) -> u16;
    #[cfg(not(feature = "nginx"))]
    fn environ_sizes_get(count: *mut usize, size: *mut usize) -> u16;
    #[cfg(not(feature = "nginx"))]
    fn environ_get(entries: *mut *mut u8, bytes: *mut u8) -> u16;
}

/// The request's headers as one block, see [`Headers`]. `None` if the host does not hand over all of them.
#[cfg_attr(not(feature = "nginx"), allow(clippy::unnecessary_wraps, reason = "Envoy hands over all"))]
pub(super) fn request_headers() -> Option<Vec<u8>> {
    let block = returned(|data, size| {
        // SAFETY: the pointers are valid for the call.
        unsafe { proxy_get_header_map_pairs(MapType::HttpRequestHeaders as u32, data, size) }
    })
    .unwrap_or_default();
    #[cfg(feature = "nginx")]
    return nginx::headers(block, &property(nginx::TARGET).unwrap_or_default());
    #[cfg(not(feature = "nginx"))]
    Some(block)
}

/// Where the request comes from. Envoy's answer follows `use_remote_address` and `xff_num_trusted_hops`.
pub(super) fn source_address() -> Vec<u8> {
    property(b"source\0address").unwrap_or_default()
}

/// The address of this machine that the request has come to.
#[cfg(not(feature = "nginx"))]
pub(super) fn destination_address() -> Vec<u8> {
    property(b"destination\0address").unwrap_or_default()
}

/// The wall clock, in seconds since 1970.
pub(super) fn unix_time() -> u64 {
    let now = proxy_wasm::hostcalls::get_current_time().ok();
    now.and_then(|now| now.duration_since(std::time::UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs())
}

/// A claim of the token that Envoy's `jwt_authn` filter has verified, from the payload that it is told to keep
/// (`payload_in_metadata`): as `jwt_payload`, or else as `payload`, which is Istio's name. Of two payloads only the first counts,
/// so that no client fills up what one token does not say with another.
pub(super) fn jwt_claim(name: &str) -> Option<Vec<u8>> {
    const VERIFIED: &str = "metadata\0filter_metadata\0envoy.filters.http.jwt_authn";
    let claim = |payload| property(format!("{VERIFIED}\0{payload}\0{name}").as_bytes());
    // Of some payloads the proxy can show claims only, and not the whole. It says so, other than of what is not there.
    let is_missing =
        || look_up(format!("{VERIFIED}\0jwt_payload").as_bytes()) == Err(Status::NotFound as u32);
    claim("jwt_payload").or_else(|| is_missing().then(|| claim("payload"))?)
}

/// How often the proxy has redirected this request already.
pub(super) fn redirects() -> u32 {
    let count = property(b"filter_state\0num_internal_redirects");
    count.and_then(|count| std::str::from_utf8(&count).ok()?.parse().ok()).unwrap_or(0)
}

/// The connection that the request has come by; 0 if the proxy does not know.
pub(super) fn connection() -> u64 {
    let id = property(b"connection\0id").unwrap_or_default();
    id.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Why the response is what it is, as the proxy's access log shows it; empty if the proxy does not know. nginx does not, and writes
/// an error to its log each time that it is asked.
pub(super) fn code_details() -> Vec<u8> {
    if cfg!(feature = "nginx") { Vec::new() } else { property(b"response\0code_details").unwrap_or_default() }
}

/// A header of the response.
pub(super) fn response_header(name: &str) -> Option<Vec<u8>> {
    header(MapType::HttpResponseHeaders, name)
}

/// A trailer of the response.
pub(super) fn response_trailer(name: &str) -> Option<Vec<u8>> {
    header(MapType::HttpResponseTrailers, name)
}

fn header(map: MapType, name: &str) -> Option<Vec<u8>> {
    returned(|data, size| {
        // SAFETY: the pointers are valid for the call.
        unsafe { proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), data, size) }
    })
    .ok()
}

/// Who has made the response.
pub(super) fn origin() -> Origin {
    #[cfg(feature = "nginx")]
    return nginx::origin(property(nginx::ANSWER_TIMES).as_deref());
    #[cfg(not(feature = "nginx"))]
    Origin::of_details(&code_details())
}

/// What the proxy knows by this path, whose parts end with NUL.
fn property(path: &[u8]) -> Option<Vec<u8>> {
    look_up(path).ok()
}

/// The same, or the status with which it failed.
fn look_up(path: &[u8]) -> Result<Vec<u8>, u32> {
    returned(|data, size| {
        // SAFETY: the pointers are valid for the call.
        unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) }
    })
}

/// Sets a header of the response, in place of any that has its name.
pub(super) fn set_response_header(name: &str, value: &str) {
    let map = MapType::HttpResponseHeaders as u32;
    // SAFETY: the pointers are valid for the call.
    unsafe { proxy_replace_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

/// Whether [`set_logged`] was called for this field, by whichever filter of the request's chain.
pub(super) fn has_logged(field: Field) -> bool {
    !cfg!(feature = "nginx") && property(path_of(field).as_bytes()).is_some()
}

/// Sets a field of the proxy's access log. (nginx has nothing like it.)
pub(super) fn set_logged(field: Field, value: &str) {
    if cfg!(feature = "nginx") {
        return;
    }
    let path = path_of(field);
    // SAFETY: the pointers are valid for the call.
    unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) };
}

/// The property that is the field's filter state: Envoy puts `wasm.` in front.
fn path_of(field: Field) -> &'static str {
    field.key().strip_prefix("wasm.").unwrap_or_default()
}

/// The monotonic clock, the same for all workers.
pub(super) fn now() -> Time {
    let mut nanos = 0;
    // SAFETY: the pointer is valid for the call.
    unsafe { clock_time_get(MONOTONIC, 0, &raw mut nanos) };
    Time::from_nanos(nanos)
}

/// How often the root context that is at work is called from now on; zero is never.
pub(super) fn set_tick_period(period: Duration) {
    // SAFETY: there is nothing but a number.
    unsafe { proxy_set_tick_period_milliseconds(u32::try_from(period.as_millis()).unwrap_or(u32::MAX)) };
}

/// The plugin's name in the proxy's configuration. (nginx's workers crash on this question.)
pub(super) fn plugin_name() -> Vec<u8> {
    if cfg!(feature = "nginx") { Vec::new() } else { property(b"plugin_name").unwrap_or_default() }
}

/// Random bytes.
pub(super) fn random() -> Result<[u8; 16], Unavailable> {
    let mut bytes = [0; 16];
    // SAFETY: the pointer is valid for the call, for this many bytes.
    match unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) } {
        0 => Ok(bytes),
        _ => Err(Unavailable),
    }
}

/// What `vm_config.environment_variables` has under this name.
#[cfg(not(feature = "nginx"))]
pub(super) fn environment_variable(name: &str) -> Option<Vec<u8>> {
    let (mut count, mut size) = (0, 0);
    // SAFETY: the pointers are valid for the call.
    if unsafe { environ_sizes_get(&raw mut count, &raw mut size) } != 0 {
        return None;
    }
    let (mut entries, mut bytes) = (vec![null_mut(); count], vec![0; size]);
    // SAFETY: the pointers are valid for the call, for what the host has just said that it writes.
    if unsafe { environ_get(entries.as_mut_ptr(), bytes.as_mut_ptr()) } != 0 {
        return None;
    }
    // Each entry is `NAME=value`, and ends with NUL.
    let value = |entry: &'_ [u8]| Some(entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?.to_vec());
    bytes.split(|byte| *byte == 0).find_map(value)
}

#[cfg(feature = "nginx")]
pub(super) use nginx::environment_variable;

/// An entry of shared data and its version; `None` if it was never set.
pub(super) fn shared_data(key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Unavailable> {
    let mut version = 0;
    let value = returned(|data, size| {
        // SAFETY: the pointers are valid for the call.
        unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut version) }
    });
    match value {
        Ok(value) => Ok(Some((value, version))),
        Err(NOT_FOUND) => Ok(None),
        Err(_) => Err(Unavailable),
    }
}

/// Sets an entry of shared data if it is at this version; returns whether it was.
pub(super) fn set_shared_data(key: &[u8], value: &[u8], version: u32) -> Result<bool, Unavailable> {
    // SAFETY: the pointers are valid for the call.
    match unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version) } {
        OK => Ok(true),
        CAS_MISMATCH => Ok(false),
        _ => Err(Unavailable),
    }
}

/// Lets the request of the stream go on whose context is at work.
pub(super) fn resume() {
    let _ = proxy_wasm::hostcalls::resume_http_request();
}

/// Answers the request in the application's place.
pub(super) fn reply(reply: &LocalReply, is_grpc: bool) {
    if is_grpc {
        reply_to_grpc(reply);
    } else {
        send(reply, &reply.headers, &reply.body, NO_GRPC_STATUS);
    }
}

/// The proxy makes the status 200 and the content type gRPC's.
fn reply_to_grpc(reply: &LocalReply) {
    let headers = reply.headers.iter().filter(|(name, _)| *name != "content-type");
    let headers: Vec<_> = headers.cloned().collect();
    send(reply, &headers, &reply.grpc_message, RESOURCE_EXHAUSTED);
}

fn send(reply: &LocalReply, headers: &[(&str, String)], body: &str, grpc_status: i32) {
    let headers = Headers::encode(headers);
    // SAFETY: the pointers are valid for the call.
    unsafe {
        proxy_send_local_response(
            reply.status.into(),
            reply.details.as_ptr(),
            reply.details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    };
}

/// What a call returns by pointer and size, or the status with which it failed.
fn returned(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, u32> {
    let mut data = null_mut();
    let mut size = 0;
    #[cfg(feature = "nginx")]
    return match slack::with_slack(|| call(&raw mut data, &raw mut size)) {
        // SAFETY: the host asked the SDK's `malloc` for this memory, and has given it away.
        OK => Ok(unsafe { slack::taken(data, size) }),
        status => Err(status),
    };
    #[cfg(not(feature = "nginx"))]
    match call(&raw mut data, &raw mut size) {
        OK if data.is_null() => Ok(Vec::new()),
        // SAFETY: the proxy asked the SDK's `malloc` for this memory, which allocated exactly `size` bytes as a
        // boxed slice, and has given it away.
        OK => Ok(unsafe { Box::from_raw(slice_from_raw_parts_mut(data, size)) }.into_vec()),
        status => Err(status),
    }
}
