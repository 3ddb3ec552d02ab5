//! Memory for bytes from a host that may write more, or tell another number of them, than it has asked memory for.
//!
//! nginx's `ngx_wasm_module` does both. Of more than 100 headers it measures others than it writes. And while it copies an entry of
//! shared data, another worker may put a longer or shorter one in its place.
//!
//! So each block of bytes knows its own size, which is what is given back, whatever size it is said to have; and one that is for the
//! host has room behind it.
#![allow(unsafe_code, reason = "an allocator hands out pointers")]
#![allow(clippy::cast_ptr_alignment, reason = "a block is aligned to its front")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};

/// More than a request's line and its host can have in nginx, whose `large_client_header_buffers` are 8 KiB each; and more than
/// any entry of ours.
const SLACK: usize = 64 * 1024;

/// In front of each block stands its size. A multiple of every alignment that the bytes of a block may turn out to need.
const FRONT: usize = 8;

/// Whether memory is asked for on the host's behalf.
static IS_FOR_HOST: AtomicBool = AtomicBool::new(false);

#[global_allocator]
static ALLOCATOR: Slack = Slack;

struct Slack;

// SAFETY: blocks with an alignment are the system's own. A block of bytes is one of the system's that is longer, of which the
// pointer that is handed out leaves out the front; its layout is made again from what stands there.
unsafe impl GlobalAlloc for Slack {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > 1 {
            // SAFETY: as the caller says.
            return unsafe { System.alloc(layout) };
        }
        let slack = if IS_FOR_HOST.load(Ordering::Relaxed) { SLACK } else { 0 };
        let Some(whole) = whole(layout.size().saturating_add(slack)) else { return null_mut() };
        // SAFETY: it is not empty.
        unsafe { with_front(System.alloc(whole), whole.size()) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if layout.align() > 1 {
            // SAFETY: as the caller says.
            return unsafe { System.dealloc(block, layout) };
        }
        // SAFETY: `alloc` or `realloc` has made it.
        unsafe {
            let front = block.sub(FRONT);
            System.dealloc(front, Layout::from_size_align_unchecked(size_at(front), FRONT));
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.align() > 1 {
            // SAFETY: as the caller says.
            return unsafe { System.realloc(block, layout, size) };
        }
        let Some(whole) = whole(size) else { return null_mut() };
        // SAFETY: `alloc` or `realloc` has made it.
        unsafe {
            let front = block.sub(FRONT);
            let before = Layout::from_size_align_unchecked(size_at(front), FRONT);
            with_front(System.realloc(front, before, whole.size()), whole.size())
        }
    }
}

fn whole(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.checked_add(FRONT)?, FRONT).ok()
}

/// # Safety
/// `front` is null, or a block of this size.
unsafe fn with_front(front: *mut u8, size: usize) -> *mut u8 {
    if front.is_null() {
        return front;
    }
    // SAFETY: as the caller says; it is aligned to more than a number needs.
    unsafe {
        front.cast::<usize>().write(size);
        front.add(FRONT)
    }
}

/// # Safety
/// `front` is a block that [`with_front`] has written to.
unsafe fn size_at(front: *mut u8) -> usize {
    // SAFETY: as the caller says.
    unsafe { front.cast::<usize>().read() }
}

/// Calls the host, which may ask for memory meanwhile.
pub(super) fn with_slack<T>(call: impl FnOnce() -> T) -> T {
    IS_FOR_HOST.store(true, Ordering::Relaxed);
    let returned = call();
    IS_FOR_HOST.store(false, Ordering::Relaxed);
    returned
}

/// The bytes that the host has written, of which it says that there are `size`; no more than there is room for.
///
/// # Safety
/// The host has got `data` by a call of `malloc` in [`with_slack`], or from nobody, and has given it away.
pub(super) unsafe fn taken(data: *mut u8, size: usize) -> Vec<u8> {
    // Of nothing `malloc` makes no block.
    if data.addr() <= FRONT {
        return Vec::new();
    }
    // SAFETY: as the caller says.
    let room = unsafe { size_at(data.sub(FRONT)) } - FRONT;
    // SAFETY: this allocator has made it, and gives it back by the size in front of it.
    unsafe { Vec::from_raw_parts(data, size.min(room), room) }
}
