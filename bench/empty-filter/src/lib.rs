//! The floors for a filter that is written with the SDK, by configuration:
//!
//! - none: it does nothing; every callback is the SDK's own. The floor for any filter.
//! - `deny`: it answers each request with a bare `429`. The floor for a denial.
//! - `calls`: it makes the calls to the proxy that a limiter cannot do without (all headers, the clock, one entry of shared
//!   data read and written, three metrics), and does nothing with the answers. The floor for a limiter of three scopes
//!   that shares its counters between workers.
//! - `calls, deny`: the same for a request that is known to be denied: all headers, the clock, a metric, the reply.

use std::cell::Cell;
use std::ptr::{null_mut, slice_from_raw_parts_mut};

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, MetricType};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Plugin::default()));
}}

/// As many entries as Tollgate has with its default capacity.
const ENTRIES: u32 = 8192;

#[derive(Default)]
struct Plugin {
    calls: bool,
    denies: bool,
    metric: u32,
    next: Cell<u32>,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    fn on_configure(&mut self, _size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        self.calls = text.starts_with(b"calls");
        self.denies = text.ends_with(b"deny");
        if self.calls {
            self.metric = hostcalls::define_metric(MetricType::Counter, "floor.requests").unwrap_or_default();
            for entry in 0..ENTRIES {
                // As long as two clients' records.
                let _ = self.set_shared_data(&name(entry), Some(&[0; 200]), None);
            }
        }
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        let Self { calls, denies, metric, .. } = *self;
        if !calls {
            return Some(if denies { Box::new(Deny) } else { Box::new(Empty) });
        }
        // Entries in no order, as clients come.
        self.next.set(self.next.get().wrapping_add(0x9e37_79b9));
        Some(Box::new(Calls { denies, metric, entry: self.next.get() % ENTRIES }))
    }
}

fn name(entry: u32) -> String {
    format!("floor.v1.{entry:07}")
}

struct Empty;

impl Context for Empty {}

impl HttpContext for Empty {}

struct Deny;

impl Context for Deny {}

impl HttpContext for Deny {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        self.send_http_response(429, Vec::new(), None);
        Action::Pause
    }
}

struct Calls {
    denies: bool,
    metric: u32,
    entry: u32,
}

impl Context for Calls {}

impl HttpContext for Calls {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        drop(returned(|data, size| unsafe { proxy_get_header_map_pairs(REQUEST_HEADERS, data, size) }));
        unsafe { clock_time_get(MONOTONIC, 0, &mut 0) };
        if self.denies {
            let _ = hostcalls::increment_metric(self.metric, 1);
            let fields = vec![("content-type", "application/json"), ("retry-after", "17")];
            self.send_http_response(429, fields, Some(BODY));
            return Action::Pause;
        }
        let (name, mut version) = (name(self.entry), 0);
        let value = returned(|data, size| unsafe {
            proxy_get_shared_data(name.as_ptr(), name.len(), data, size, &mut version)
        });
        unsafe { proxy_set_shared_data(name.as_ptr(), name.len(), value.as_ptr(), value.len(), version) };
        for _ in 0..3 {
            let _ = hostcalls::increment_metric(self.metric, 1);
        }
        Action::Continue
    }
}

const REQUEST_HEADERS: u32 = 0;
const MONOTONIC: u32 = 1;
const BODY: &[u8] = br#"{"detail":"Request was throttled. Expected available in 17 seconds."}"#;

// The SDK's own wrappers make strings of what they are given: not the floor.
#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        len: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(key: *const u8, len: usize, value: *const u8, size: usize, cas: u32) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, time: *mut u64) -> u16;
}

fn returned(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Box<[u8]> {
    let (mut data, mut size) = (null_mut(), 0);
    if call(&mut data, &mut size) != 0 || data.is_null() {
        return Box::default();
    }
    // SAFETY: allocated by the SDK's `malloc` as a boxed slice of this size, and given away.
    unsafe { Box::from_raw(slice_from_raw_parts_mut(data, size)) }
}
