//! What Envoy calls of a stream.

use std::ffi::c_void;
use std::marker::PhantomData;

use tollgate::config::Failure;

use super::Held;
use crate::abi::Scheduler;
use crate::abi::plugin::{Next, Plugin, Request, Then};
use crate::abi::raw::{self, EnvoyStream};
use crate::abi::stream::{self, Reply, Stream};

/// What Envoy keeps for us with a stream.
struct Slot<P: Plugin> {
    /// Envoy's stream holds its configuration.
    held: *const Held<P>,
    /// None if the module has failed when it came.
    request: Option<P::Request>,
    scheduler: Option<Scheduler>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Passing,
    /// Its headers were held up.
    HeldUp,
    /// The module has failed at it, and leaves it alone.
    Failed,
}

/// # Safety
/// `config` is from [`super::config_new`], and is not destroyed before what this returns.
pub(in crate::abi) unsafe fn stream_new<P: Plugin>(config: *const c_void) -> *const c_void {
    let config = config.cast::<Held<P>>();
    // SAFETY: as promised.
    let held = unsafe { &*config };
    // Without one it fails at the headers, and the policy says what becomes of it. (Null would make Envoy answer 500.)
    // SAFETY: the configuration is there.
    let request = unsafe { held.guarded(|| held.plugin.request()) };
    let slot = Slot { held: config, request, scheduler: None, state: State::Passing };
    Box::into_raw(Box::new(slot)).cast_const().cast()
}

/// # Safety
/// `slot` is from [`stream_new`], and was not destroyed.
pub(in crate::abi) unsafe fn stream_destroy<P: Plugin>(slot: *const c_void) {
    // SAFETY: as promised.
    let slot = unsafe { Box::from_raw(slot.cast_mut().cast::<Slot<P>>()) };
    // SAFETY: the configuration is destroyed later.
    let held = unsafe { &*slot.held };
    if let Some(scheduler) = &slot.scheduler {
        scheduler.close();
    }
    // SAFETY: as above.
    unsafe { held.guarded(move || drop(slot)) };
}

/// Lets the request work. `None`: it has failed, now or before.
///
/// # Safety
/// `slot` is from [`stream_new`], was not destroyed, and belongs to `envoy`. Envoy calls nothing while this works.
unsafe fn at<P: Plugin, R>(
    envoy: EnvoyStream,
    slot: *const c_void,
    work: impl FnOnce(&mut P::Request, &P, &mut Stream<'_>) -> R,
) -> Option<R> {
    // SAFETY: as promised, this is the only borrow.
    let slot = unsafe { &mut *slot.cast_mut().cast::<Slot<P>>() };
    if slot.state == State::Failed {
        return None;
    }
    // SAFETY: the configuration is destroyed later.
    let held = unsafe { &*slot.held };
    let Slot { request, scheduler, .. } = slot;
    let result = request.as_mut().and_then(|request| {
        let work = || {
            let mut stream = Stream { envoy, scheduler, hook: PhantomData };
            work(request, &held.plugin, &mut stream)
        };
        // SAFETY: the configuration is destroyed later.
        unsafe { held.guarded(work) }
    });
    if result.is_none() {
        slot.state = State::Failed;
    }
    result
}

/// Whether what holds the request up is over with this.
///
/// # Safety
/// As [`at`].
unsafe fn set_state<P: Plugin>(slot: *const c_void, state: State) -> State {
    // SAFETY: as promised, this is the only borrow.
    let slot = unsafe { &mut *slot.cast_mut().cast::<Slot<P>>() };
    std::mem::replace(&mut slot.state, state)
}

/// What becomes of a request at which the module has failed just now: `None` lets it through.
///
/// # Safety
/// As [`at`].
unsafe fn reply_to_failure<P: Plugin>(slot: *const c_void) -> Option<Reply> {
    // SAFETY: as promised.
    let held = unsafe { &*(*slot.cast::<Slot<P>>()).held };
    // SAFETY: the configuration is destroyed later.
    let failure = unsafe { held.guarded(|| held.plugin.failure()) }.unwrap_or_default();
    (failure == Failure::Deny).then(|| Reply {
        status: 503,
        headers: vec![("content-type".into(), "text/plain; charset=utf-8".to_owned())],
        body: b"Tollgate has failed\n".to_vec(),
        details: "tollgate_failed".into(),
        verbatim: false,
    })
}

/// What the module says of a request, while it is held up or not.
///
/// # Safety
/// As [`at`].
unsafe fn on_request<P: Plugin>(
    envoy: EnvoyStream,
    slot: *const c_void,
    work: impl FnOnce(&mut P::Request, &P, &mut Stream<'_>) -> Next,
) -> Next {
    // SAFETY: as promised.
    let before = unsafe { (*slot.cast::<Slot<P>>()).state };
    // SAFETY: as promised.
    let next = match unsafe { at::<P, _>(envoy, slot, work) } {
        Some(next) => next,
        None if before == State::Failed => Next::Continue,
        // SAFETY: as promised.
        None => return unsafe { reply_to_failure::<P>(slot) }.map_or(Next::Continue, Next::Reply),
    };
    let state = if matches!(next, Next::Wait | Next::Collect) { State::HeldUp } else { State::Passing };
    if before != State::Failed {
        // SAFETY: as promised.
        unsafe { set_state::<P>(slot, state) };
    }
    next
}

/// # Safety
/// As [`at`]; and Envoy may call once an answer is sent, which is the last that this does.
pub(in crate::abi) unsafe fn request_headers<P: Plugin>(
    envoy: EnvoyStream,
    slot: *const c_void,
    end: bool,
) -> u32 {
    // SAFETY: as promised.
    match unsafe {
        on_request::<P>(envoy, slot, |request, plugin, stream| {
            request.on_request_headers(plugin, stream, end)
        })
    } {
        Next::Continue => raw::CONTINUE,
        Next::Wait => raw::HEADERS_STOP_ALL,
        Next::Collect => raw::HEADERS_STOP,
        Next::Reply(reply) => {
            // SAFETY: nothing is borrowed.
            unsafe { stream::send(envoy, &reply) };
            raw::HEADERS_STOP
        }
    }
}

/// # Safety
/// As [`request_headers`].
pub(in crate::abi) unsafe fn request_body<P: Plugin>(
    envoy: EnvoyStream,
    slot: *const c_void,
    end: bool,
) -> u32 {
    // SAFETY: as promised.
    if unsafe { (*slot.cast::<Slot<P>>()).state } != State::HeldUp {
        return raw::CONTINUE;
    }
    // SAFETY: as promised.
    match unsafe {
        on_request::<P>(envoy, slot, |request, plugin, stream| request.on_request_body(plugin, stream, end))
    } {
        Next::Continue => raw::CONTINUE,
        Next::Wait | Next::Collect => raw::BODY_BUFFER,
        Next::Reply(reply) => {
            // SAFETY: nothing is borrowed.
            unsafe { stream::send(envoy, &reply) };
            raw::BODY_BUFFER
        }
    }
}

/// # Safety
/// As [`request_headers`].
pub(in crate::abi) unsafe fn request_trailers<P: Plugin>(envoy: EnvoyStream, slot: *const c_void) -> u32 {
    // SAFETY: as promised.
    if unsafe { (*slot.cast::<Slot<P>>()).state } != State::HeldUp {
        return raw::CONTINUE;
    }
    // SAFETY: as promised.
    match unsafe { on_request::<P>(envoy, slot, Request::on_request_trailers) } {
        Next::Continue => raw::CONTINUE,
        Next::Wait | Next::Collect => raw::HEADERS_STOP,
        Next::Reply(reply) => {
            // SAFETY: nothing is borrowed.
            unsafe { stream::send(envoy, &reply) };
            raw::HEADERS_STOP
        }
    }
}

/// # Safety
/// As [`at`].
pub(in crate::abi) unsafe fn response_headers<P: Plugin>(
    envoy: EnvoyStream,
    slot: *const c_void,
    end: bool,
) -> u32 {
    // SAFETY: as promised.
    unsafe {
        // Whatever it has waited for, it is answered.
        if (*slot.cast::<Slot<P>>()).state == State::HeldUp {
            set_state::<P>(slot, State::Passing);
        }
        at::<P, _>(envoy, slot, |request, plugin, stream| request.on_response_headers(plugin, stream, end));
    }
    raw::CONTINUE
}

/// # Safety
/// As [`at`].
pub(in crate::abi) unsafe fn response_trailers<P: Plugin>(envoy: EnvoyStream, slot: *const c_void) -> u32 {
    // SAFETY: as promised.
    unsafe { at::<P, _>(envoy, slot, Request::on_response_trailers) };
    raw::CONTINUE
}

/// # Safety
/// As [`at`].
pub(in crate::abi) unsafe fn stream_complete<P: Plugin>(envoy: EnvoyStream, slot: *const c_void) {
    // SAFETY: as promised.
    unsafe { at::<P, _>(envoy, slot, Request::on_complete) };
}

/// # Safety
/// As [`at`]; and Envoy may call, and end the stream, once the request goes on or is answered, which is the last that this does.
pub(in crate::abi) unsafe fn stream_scheduled<P: Plugin>(
    envoy: EnvoyStream,
    slot: *const c_void,
    event: u64,
) {
    // SAFETY: as promised.
    let before = unsafe { (*slot.cast::<Slot<P>>()).state };
    // SAFETY: as promised.
    let then = match unsafe {
        at::<P, _>(envoy, slot, |request, plugin, stream| request.on_scheduled(plugin, stream, event))
    } {
        Some(then) => then,
        // SAFETY: as promised.
        None => unsafe { reply_to_failure::<P>(slot) }.map_or(Then::Continue, Then::Reply),
    };
    // Who was answered meanwhile, or was never held up, cannot be let go.
    if before != State::HeldUp || then == Then::Nothing {
        return;
    }
    // SAFETY: as promised.
    if unsafe { (*slot.cast::<Slot<P>>()).state } == State::HeldUp {
        // SAFETY: as promised.
        unsafe { set_state::<P>(slot, State::Passing) };
    }
    // SAFETY: the stream is there, and nothing is borrowed.
    unsafe {
        match then {
            Then::Nothing => {}
            Then::Continue => raw::envoy_dynamic_module_callback_http_filter_continue_decoding(envoy),
            Then::Reply(reply) => stream::send(envoy, &reply),
        }
    }
}
