//! The functions that Envoy finds by their names, for the one plugin that there is.
//!
//! Without one of those that it wants, Envoy refuses the module. Some are for what is not used here, and do nothing.

use std::ffi::{c_char, c_void};

use super::hooks;
use super::raw::{self, EnvoyBytes, EnvoyConfig, EnvoyStream};
use crate::module::Module;

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    hooks::program_init()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    config: EnvoyConfig,
    name: EnvoyBytes,
    document: EnvoyBytes,
) -> *const c_void {
    // SAFETY: what Envoy promises: see the hook.
    unsafe { hooks::config_new::<Module>(config, name, document) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(config: *const c_void) {
    // SAFETY: as above.
    unsafe { hooks::config_destroy::<Module>(config) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_scheduled(
    _envoy: EnvoyConfig,
    config: *const c_void,
    event: u64,
) {
    // SAFETY: as above.
    unsafe { hooks::config_scheduled::<Module>(config, event) }
}

/// What a route says of the filter. Without this function Envoy would refuse it, too, but for want of a symbol.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_per_route_config_new(
    _name: EnvoyBytes,
    _document: EnvoyBytes,
) -> *const c_void {
    hooks::per_route_config_new()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_new(
    config: *const c_void,
    _stream: EnvoyStream,
) -> *const c_void {
    // SAFETY: as above.
    unsafe { hooks::stream_new::<Module>(config) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_destroy(slot: *const c_void) {
    // SAFETY: as above.
    unsafe { hooks::stream_destroy::<Module>(slot) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    stream: EnvoyStream,
    slot: *const c_void,
    end: bool,
) -> u32 {
    // SAFETY: as above.
    unsafe { hooks::request_headers::<Module>(stream, slot, end) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_body(
    stream: EnvoyStream,
    slot: *const c_void,
    end: bool,
) -> u32 {
    // SAFETY: as above.
    unsafe { hooks::request_body::<Module>(stream, slot, end) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_trailers(
    stream: EnvoyStream,
    slot: *const c_void,
) -> u32 {
    // SAFETY: as above.
    unsafe { hooks::request_trailers::<Module>(stream, slot) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_headers(
    stream: EnvoyStream,
    slot: *const c_void,
    end: bool,
) -> u32 {
    // SAFETY: as above.
    unsafe { hooks::response_headers::<Module>(stream, slot, end) }
}

/// The response's body is nobody's business.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_response_body(
    _stream: EnvoyStream,
    _slot: *const c_void,
    _end: bool,
) -> u32 {
    raw::CONTINUE
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_trailers(
    stream: EnvoyStream,
    slot: *const c_void,
) -> u32 {
    // SAFETY: as above.
    unsafe { hooks::response_trailers::<Module>(stream, slot) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_stream_complete(
    stream: EnvoyStream,
    slot: *const c_void,
) {
    // SAFETY: as above.
    unsafe { hooks::stream_complete::<Module>(stream, slot) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_scheduled(
    stream: EnvoyStream,
    slot: *const c_void,
    event: u64,
) {
    // SAFETY: as above.
    unsafe { hooks::stream_scheduled::<Module>(stream, slot, event) }
}

/// Functions that Envoy wants to find, and that it never calls, since what they are for is not asked of it.
macro_rules! unused {
    ($($name:ident($($argument:ty),*);)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name($(_: $argument),*) {}
        )*
    };
}

unused! {
    envoy_dynamic_module_on_http_filter_per_route_config_destroy(*const c_void);
    envoy_dynamic_module_on_http_filter_http_callout_done(
        EnvoyStream, *const c_void, u64, u32, *const c_void, usize, *const c_void, usize);
    envoy_dynamic_module_on_http_filter_http_stream_headers(
        EnvoyStream, *const c_void, u64, *const c_void, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_data(
        EnvoyStream, *const c_void, u64, *const c_void, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_trailers(
        EnvoyStream, *const c_void, u64, *const c_void, usize);
    envoy_dynamic_module_on_http_filter_http_stream_complete(EnvoyStream, *const c_void, u64);
    envoy_dynamic_module_on_http_filter_http_stream_reset(EnvoyStream, *const c_void, u64, u32);
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(EnvoyStream, *const c_void);
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(EnvoyStream, *const c_void);
}
