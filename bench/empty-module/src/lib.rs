//! The floors for a native module, by the filter's name in Envoy's configuration:
//!
//! - `empty`: it does nothing. The floor for any module.
//! - `calls`: it makes the calls to Envoy that a limiter of clients cannot do without (all headers, the client's address, the clock, three
//!   counters; of the response its status), and does nothing with the answers.
//! - `calls, deny`: the calls, and then a `429` with the fields and the body that Tollgate's has. The floor for a denial.
//! - `calls, wait`: the calls; then the request is put aside, and goes on when another thread says so, after as long as Redis would take. The
//!   floor for a limiter whose counters are in Redis, but for all that it does, and for the exchange itself.

use std::ffi::{c_char, c_void};
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ptr::null;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes, wherever they are.
#[repr(C)]
#[derive(Clone, Copy)]
struct Bytes {
    data: *const u8,
    len: usize,
}

impl Bytes {
    const fn of(text: &'static str) -> Self {
        Self { data: text.as_ptr(), len: text.len() }
    }
}

/// A header.
#[repr(C)]
struct Header {
    name: Bytes,
    value: Bytes,
}

type Envoy = *mut c_void;

const REQUEST: u32 = 0;
const RESPONSE: u32 = 2;
const SOURCE_ADDRESS: u32 = 24;
const CONTINUE: u32 = 0;
const STOP: u32 = 1;
const STOP_ALL: u32 = 4;

/// What Redis takes for one request, see the benchmark `redis`.
const OF_REDIS: Duration = Duration::from_micros(30);

unsafe extern "C" {
    fn envoy_dynamic_module_callback_http_filter_config_define_counter(
        config: Envoy,
        name: Bytes,
        labels: *const Bytes,
        labels_len: usize,
        id: *mut usize,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_filter_increment_counter(
        stream: Envoy,
        id: usize,
        labels: *const Bytes,
        labels_len: usize,
        by: u64,
    ) -> u32;
    fn envoy_dynamic_module_callback_http_get_headers_size(stream: Envoy, map: u32) -> usize;
    fn envoy_dynamic_module_callback_http_get_headers(stream: Envoy, map: u32, headers: *mut Header) -> bool;
    fn envoy_dynamic_module_callback_http_get_header(
        stream: Envoy,
        map: u32,
        name: Bytes,
        value: *mut Bytes,
        index: usize,
        count: *mut usize,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
        stream: Envoy,
        attribute: u32,
        value: *mut Bytes,
    ) -> bool;
    fn envoy_dynamic_module_callback_http_filter_scheduler_new(stream: Envoy) -> *mut c_void;
    fn envoy_dynamic_module_callback_http_filter_scheduler_commit(scheduler: *mut c_void, event: u64);
    fn envoy_dynamic_module_callback_http_filter_scheduler_delete(scheduler: *mut c_void);
    fn envoy_dynamic_module_callback_http_filter_continue_decoding(stream: Envoy);
    fn envoy_dynamic_module_callback_http_send_response(
        stream: Envoy,
        status: u32,
        headers: *const Header,
        headers_len: usize,
        body: Bytes,
        details: Bytes,
    );
}

/// What a configuration makes of the module.
#[derive(Clone, Copy)]
struct Kind {
    calls: bool,
    denies: bool,
    waits: bool,
    counters: [usize; 3],
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    c"v0.2.0".as_ptr()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    config: Envoy,
    name: Bytes,
    _document: Bytes,
) -> *const c_void {
    // SAFETY: Envoy lends the name for this call.
    let name = unsafe { std::slice::from_raw_parts(name.data, name.len) };
    let (calls, denies, waits) =
        (name.starts_with(b"calls"), name.ends_with(b"deny"), name.ends_with(b"wait"));
    let mut kind = Kind { calls, denies, waits, counters: [0; 3] };
    if waits {
        let _ = caller();
    }
    for (id, name) in kind.counters.iter_mut().zip(["floor.one", "floor.two", "floor.three"]) {
        // SAFETY: the configuration is there, and the pointers are good for the call.
        unsafe {
            envoy_dynamic_module_callback_http_filter_config_define_counter(
                config,
                Bytes::of(name),
                null(),
                0,
                id,
            )
        };
    }
    Box::into_raw(Box::new(kind)).cast_const().cast()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(config: *const c_void) {
    // SAFETY: it is from above, and Envoy uses it no more.
    drop(unsafe { Box::from_raw(config.cast_mut().cast::<Kind>()) });
}

/// A module has something for each stream: here that is its configuration.
#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_new(
    config: *const c_void,
    _stream: Envoy,
) -> *const c_void {
    config
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_destroy(_stream: *const c_void) {}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    stream: Envoy,
    kind: *const c_void,
    _end: bool,
) -> u32 {
    // SAFETY: the configuration is there for longer than its streams.
    let kind = unsafe { &*kind.cast::<Kind>() };
    if kind.calls {
        // SAFETY: the stream is there.
        unsafe { read(stream) };
        let counters = if kind.denies { &kind.counters[..1] } else { &kind.counters[..] };
        for id in counters {
            // SAFETY: the stream is there.
            unsafe { envoy_dynamic_module_callback_http_filter_increment_counter(stream, *id, null(), 0, 1) };
        }
    }
    if kind.waits {
        // SAFETY: the stream is there.
        let scheduler = unsafe { envoy_dynamic_module_callback_http_filter_scheduler_new(stream) };
        let _ = caller().send(Waiting(scheduler));
        return STOP_ALL;
    }
    if !kind.denies {
        return CONTINUE;
    }
    // SAFETY: the stream is there.
    unsafe { deny(stream) };
    STOP
}

/// A request that waits, by which Envoy is told that it can go on.
struct Waiting(*mut c_void);

// SAFETY: Envoy's schedulers are for any thread.
unsafe impl Send for Waiting {}

/// The thread by which requests go on.
fn caller() -> &'static Sender<Waiting> {
    static CALLER: OnceLock<Sender<Waiting>> = OnceLock::new();
    CALLER.get_or_init(|| {
        let (sender, waiting) = channel();
        // By its name the benchmarks know whose CPU it uses.
        let started = thread::Builder::new().name("tollgate-floor".to_owned()).spawn(|| call(waiting));
        started.expect("the system has a thread");
        sender
    })
}

/// Has requests go on, those together that have come together, after as long as Redis takes for so many.
fn call(all: Receiver<Waiting>) {
    while let Ok(first) = all.recv() {
        let together: Vec<_> = [first].into_iter().chain(all.try_iter()).collect();
        thread::sleep(OF_REDIS * u32::try_from(together.len()).unwrap_or(u32::MAX));
        together.into_iter().for_each(go_on);
    }
}

fn go_on(Waiting(scheduler): Waiting) {
    // SAFETY: it was made for this thread, which uses it once.
    unsafe {
        envoy_dynamic_module_callback_http_filter_scheduler_commit(scheduler, 0);
        envoy_dynamic_module_callback_http_filter_scheduler_delete(scheduler);
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_scheduled(
    stream: Envoy,
    _kind: *const c_void,
    _event: u64,
) {
    // SAFETY: the stream is there.
    unsafe { envoy_dynamic_module_callback_http_filter_continue_decoding(stream) };
}

/// Reads what a limiter has to know.
///
/// # Safety
/// The stream is there.
unsafe fn read(stream: Envoy) {
    let mut headers = [const { MaybeUninit::<Header>::uninit() }; 64];
    let mut address = Bytes { data: null(), len: 0 };
    // SAFETY: as promised; there is room for so many headers, and the pointers are good for the calls.
    unsafe {
        let count = envoy_dynamic_module_callback_http_get_headers_size(stream, REQUEST);
        assert!(count <= headers.len(), "the requests that are measured have fewer headers");
        envoy_dynamic_module_callback_http_get_headers(stream, REQUEST, headers.as_mut_ptr().cast());
        envoy_dynamic_module_callback_http_filter_get_attribute_string(
            stream,
            SOURCE_ADDRESS,
            &raw mut address,
        );
    }
    black_box((&headers, address.data, Instant::now()));
}

/// Answers it.
///
/// # Safety
/// The stream is there.
unsafe fn deny(stream: Envoy) {
    let field = |name, value| Header { name: Bytes::of(name), value: Bytes::of(value) };
    let fields = [field("content-type", "application/json"), field("retry-after", "60")];
    let body = r#"{"detail":"Request was throttled. Expected available in 60 seconds."}"#;
    // SAFETY: as promised; Envoy copies what it needs.
    unsafe {
        envoy_dynamic_module_callback_http_send_response(
            stream,
            429,
            fields.as_ptr(),
            fields.len(),
            Bytes::of(body),
            Bytes::of("floor"),
        );
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_http_filter_response_headers(
    stream: Envoy,
    kind: *const c_void,
    _end: bool,
) -> u32 {
    // SAFETY: the configuration is there for longer than its streams.
    let kind = unsafe { &*kind.cast::<Kind>() };
    if kind.calls && !kind.denies {
        let (mut status, mut count) = (Bytes { data: null(), len: 0 }, 0);
        // SAFETY: the stream is there, and the pointers are good for the call.
        unsafe {
            envoy_dynamic_module_callback_http_get_header(
                stream,
                RESPONSE,
                Bytes::of(":status"),
                &raw mut status,
                0,
                &raw mut count,
            )
        };
        black_box(status.data);
    }
    CONTINUE
}

/// Hooks by which a request goes on.
macro_rules! goes_on {
    ($($name:ident($($argument:ty),*);)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name($(_: $argument),*) -> u32 {
                CONTINUE
            }
        )*
    };
}

goes_on! {
    envoy_dynamic_module_on_http_filter_request_body(Envoy, *const c_void, bool);
    envoy_dynamic_module_on_http_filter_request_trailers(Envoy, *const c_void);
    envoy_dynamic_module_on_http_filter_response_body(Envoy, *const c_void, bool);
    envoy_dynamic_module_on_http_filter_response_trailers(Envoy, *const c_void);
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_http_filter_per_route_config_new(_: Bytes, _: Bytes) -> *const c_void {
    null()
}

/// Hooks that Envoy wants to find, and in which nothing is done.
macro_rules! unused {
    ($($name:ident($($argument:ty),*);)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name($(_: $argument),*) {}
        )*
    };
}

unused! {
    envoy_dynamic_module_on_http_filter_stream_complete(Envoy, *const c_void);
    envoy_dynamic_module_on_http_filter_config_scheduled(Envoy, *const c_void, u64);
    envoy_dynamic_module_on_http_filter_per_route_config_destroy(*const c_void);
    envoy_dynamic_module_on_http_filter_http_callout_done(
        Envoy, *const c_void, u64, u32, *const c_void, usize, *const c_void, usize);
    envoy_dynamic_module_on_http_filter_http_stream_headers(Envoy, *const c_void, u64, *const c_void, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_data(Envoy, *const c_void, u64, *const c_void, usize, bool);
    envoy_dynamic_module_on_http_filter_http_stream_trailers(Envoy, *const c_void, u64, *const c_void, usize);
    envoy_dynamic_module_on_http_filter_http_stream_complete(Envoy, *const c_void, u64);
    envoy_dynamic_module_on_http_filter_http_stream_reset(Envoy, *const c_void, u64, u32);
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(Envoy, *const c_void);
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(Envoy, *const c_void);
}
