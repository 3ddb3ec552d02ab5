//! The functions of Envoy's dynamic module ABI that are called, and the types that cross it, as its header `abi.h` has them.
//!
//! Buffers are a pointer and a length. Booleans are one byte, enumerations are 32 bits, ids of metrics are `size_t`. What Envoy
//! lends is good until the hook returns, or until something is set.

use std::ffi::c_void;

/// The version of the ABI that these bindings are made for. Envoy warns of another one, and loads the module nonetheless.
pub(super) const VERSION: &std::ffi::CStr = c"v0.2.0";

/// Envoy's object for one stream.
pub(super) type EnvoyStream = *mut c_void;
/// Envoy's object for one configuration of the filter.
pub(super) type EnvoyConfig = *mut c_void;

/// Bytes of Envoy's.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct EnvoyBytes {
    pub(super) data: *const u8,
    pub(super) len: usize,
}

impl EnvoyBytes {
    pub(super) const NONE: Self = Self { data: std::ptr::null(), len: 0 };
}

/// Bytes of ours.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct OurBytes {
    pub(super) data: *const u8,
    pub(super) len: usize,
}

impl From<&[u8]> for OurBytes {
    fn from(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() }
    }
}

/// A header of Envoy's.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct EnvoyHeader {
    pub(super) name: EnvoyBytes,
    pub(super) value: EnvoyBytes,
}

/// A header of ours.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct OurHeader {
    pub(super) name: OurBytes,
    pub(super) value: OurBytes,
}

/// Which headers are meant.
#[repr(u32)]
#[derive(Clone, Copy)]
pub(super) enum HeaderMap {
    Request = 0,
    Response = 2,
    ResponseTrailers = 3,
}

/// Which part of a body is meant.
#[repr(u32)]
#[derive(Clone, Copy)]
pub(super) enum Body {
    /// What the present hook is called for.
    Received = 0,
    /// What has come before.
    Buffered = 1,
}

/// What came of a call about a metric.
pub(super) const METRIC_DONE: u32 = 0;

/// To go on with a request, or a response, and with each part of it.
pub(super) const CONTINUE: u32 = 0;
/// To hold up the headers; the body is handed over as it comes.
pub(super) const HEADERS_STOP: u32 = 1;
/// To hold up everything; the proxy buffers as much as it may, and then stops reading.
pub(super) const HEADERS_STOP_ALL: u32 = 4;
/// To hold up the body, and to keep it.
pub(super) const BODY_BUFFER: u32 = 1;

unsafe extern "C" {
    pub(super) safe fn envoy_dynamic_module_callback_log(level: u32, message: OurBytes);
    pub(super) safe fn envoy_dynamic_module_callback_log_enabled(level: u32) -> bool;
    pub(super) safe fn envoy_dynamic_module_callback_is_validation_mode() -> bool;
    pub(super) safe fn envoy_dynamic_module_callback_get_concurrency() -> u32;

    pub(super) fn envoy_dynamic_module_callback_http_filter_config_define_counter(
        config: EnvoyConfig,
        name: OurBytes,
        labels: *const OurBytes,
        labels_len: usize,
        id: *mut usize,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_define_gauge(
        config: EnvoyConfig,
        name: OurBytes,
        labels: *const OurBytes,
        labels_len: usize,
        id: *mut usize,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_define_histogram(
        config: EnvoyConfig,
        name: OurBytes,
        labels: *const OurBytes,
        labels_len: usize,
        id: *mut usize,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_increment_counter(
        config: EnvoyConfig,
        id: usize,
        labels: *const OurBytes,
        labels_len: usize,
        by: u64,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_set_gauge(
        config: EnvoyConfig,
        id: usize,
        labels: *const OurBytes,
        labels_len: usize,
        value: u64,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_increment_gauge(
        config: EnvoyConfig,
        id: usize,
        labels: *const OurBytes,
        labels_len: usize,
        by: u64,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_decrement_gauge(
        config: EnvoyConfig,
        id: usize,
        labels: *const OurBytes,
        labels_len: usize,
        by: u64,
    ) -> u32;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_record_histogram_value(
        config: EnvoyConfig,
        id: usize,
        labels: *const OurBytes,
        labels_len: usize,
        value: u64,
    ) -> u32;

    pub(super) fn envoy_dynamic_module_callback_http_filter_config_scheduler_new(
        config: EnvoyConfig,
    ) -> *mut c_void;
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_scheduler_commit(
        scheduler: *mut c_void,
        event: u64,
    );
    pub(super) fn envoy_dynamic_module_callback_http_filter_config_scheduler_delete(scheduler: *mut c_void);
    pub(super) fn envoy_dynamic_module_callback_http_filter_scheduler_new(stream: EnvoyStream)
    -> *mut c_void;
    pub(super) fn envoy_dynamic_module_callback_http_filter_scheduler_commit(
        scheduler: *mut c_void,
        event: u64,
    );
    pub(super) fn envoy_dynamic_module_callback_http_filter_scheduler_delete(scheduler: *mut c_void);

    pub(super) fn envoy_dynamic_module_callback_http_get_headers_size(
        stream: EnvoyStream,
        map: HeaderMap,
    ) -> usize;
    pub(super) fn envoy_dynamic_module_callback_http_get_headers(
        stream: EnvoyStream,
        map: HeaderMap,
        headers: *mut EnvoyHeader,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_get_header(
        stream: EnvoyStream,
        map: HeaderMap,
        name: OurBytes,
        value: *mut EnvoyBytes,
        index: usize,
        count: *mut usize,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_set_header(
        stream: EnvoyStream,
        map: HeaderMap,
        name: OurBytes,
        value: OurBytes,
    ) -> bool;

    pub(super) fn envoy_dynamic_module_callback_http_get_body_chunks_size(
        stream: EnvoyStream,
        body: Body,
    ) -> usize;
    pub(super) fn envoy_dynamic_module_callback_http_get_body_chunks(
        stream: EnvoyStream,
        body: Body,
        chunks: *mut EnvoyBytes,
    ) -> bool;

    pub(super) fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
        stream: EnvoyStream,
        attribute: u32,
        value: *mut EnvoyBytes,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_filter_get_attribute_int(
        stream: EnvoyStream,
        attribute: u32,
        value: *mut u64,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_get_filter_state_typed(
        stream: EnvoyStream,
        key: OurBytes,
        value: *mut EnvoyBytes,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_set_filter_state_bytes(
        stream: EnvoyStream,
        key: OurBytes,
        value: OurBytes,
    ) -> bool;
    pub(super) fn envoy_dynamic_module_callback_http_filter_get_worker_index(stream: EnvoyStream) -> u32;

    pub(super) fn envoy_dynamic_module_callback_http_send_response(
        stream: EnvoyStream,
        status: u32,
        headers: *const OurHeader,
        headers_len: usize,
        body: OurBytes,
        details: OurBytes,
    );
    pub(super) fn envoy_dynamic_module_callback_http_send_response_headers(
        stream: EnvoyStream,
        headers: *const OurHeader,
        headers_len: usize,
        end: bool,
    );
    pub(super) fn envoy_dynamic_module_callback_http_send_response_data(
        stream: EnvoyStream,
        data: OurBytes,
        end: bool,
    );
    pub(super) fn envoy_dynamic_module_callback_http_filter_continue_decoding(stream: EnvoyStream);
}
