//! A proxy-wasm filter for Envoy's cluster that leads to Redis: what Tollgate says comes as messages of a gRPC stream, each behind
//! five bytes, a zero and its length. Redis is to see none of them. What it answers is made into messages.
//!
//! The proxy hands over each message as a whole: one call may bring several, but none in pieces.

#![no_std]

use core::ptr::{addr_of_mut, null_mut};

const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const CONTINUE: u32 = 0;
const HEAD: usize = 5;
/// More than all that ever goes to Redis together: 128 requests and 128 settlements take some 100 KB.
const ROOM: usize = 4 << 20;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_buffer_bytes(
        kind: u32,
        start: usize,
        size: usize,
        data: *mut *mut u8,
        got: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(kind: u32, start: usize, size: usize, data: *const u8, length: usize) -> u32;
}

/// Where the proxy puts what it hands over: one thing at a time, and nothing is kept from call to call.
static mut MEMORY: [u8; ROOM] = [0; ROOM];

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut u8 {
    if size > ROOM { stop() } else { addr_of_mut!(MEMORY).cast() }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(_context: u32, _parent: u32) {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(_context: u32, size: usize, _is_last: u32) -> u32 {
    let (mut data, mut got) = (null_mut(), 0);
    // SAFETY: the pointers are valid for the call, and what it returns lies in `MEMORY`, of which nobody else has a reference.
    let bytes = unsafe {
        if size == 0 || proxy_get_buffer_bytes(REQUEST_BODY, 0, size, &raw mut data, &raw mut got) != 0 {
            return CONTINUE;
        }
        core::slice::from_raw_parts_mut(data, got)
    };
    let length = unframed(bytes).unwrap_or_else(|| stop());
    // SAFETY: the pointer is valid for the call.
    unsafe { proxy_set_buffer_bytes(REQUEST_BODY, 0, size, bytes.as_ptr(), length) };
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(_context: u32, size: usize, _is_last: u32) -> u32 {
    let [a, b, c, d] = u32::try_from(size).unwrap_or_else(|_| stop()).to_be_bytes();
    if size > 0 {
        // SAFETY: the pointer is valid for the call. A length of 0 at 0 puts it before what is there.
        unsafe { proxy_set_buffer_bytes(RESPONSE_BODY, 0, 0, [0, a, b, c, d].as_ptr(), HEAD) };
    }
    CONTINUE
}

/// Moves the messages to the front, without their heads. Returns their length; `None` if one is not there as a whole.
fn unframed(bytes: &mut [u8]) -> Option<usize> {
    let (mut from, mut to) = (0, 0);
    while from < bytes.len() {
        let [_, a, b, c, d] = *bytes.get(from..)?.first_chunk::<HEAD>()?;
        let start = from + HEAD;
        let end = start.checked_add(usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?)?;
        if end > bytes.len() {
            return None;
        }
        bytes.copy_within(start..end, to);
        to += end - start;
        from = end;
    }
    Some(to)
}

/// Ends this virtual machine: the connection breaks, which whoever waits notices.
fn stop() -> ! {
    core::arch::wasm32::unreachable()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    stop()
}
