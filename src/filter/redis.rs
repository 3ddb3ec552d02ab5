//! The way to Redis: calls out of the proxy, and requests that wait for their answer.
//!
//! A call belongs to the context that makes it, and its answer is dropped if that is a stream that has ended by then.
//! So the root context makes all of them. A stream wakes it through a queue, of which each worker has one of its own.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, Status};

use super::host;
use super::passed::Slot;
use crate::gate::Pending;
use crate::policy::Policy;
use crate::redis::{Exchange, Failure, Lasting, MAX_ANSWER, Settings, Store};
use crate::text::put_hex;

/// One worker's way to Redis.
pub(super) struct Link {
    root: u32,
    cluster: String,
    store: RefCell<Store<Waiter>>,
    queue: Cell<Option<u32>>,
}

/// A request that waits.
pub(super) struct Waiter {
    pub(super) is_grpc: bool,
    pub(super) slot: Rc<Slot>,
    /// What it was charged already, before the proxy redirected it.
    pub(super) before: Pending,
}

impl Link {
    pub(super) fn new(settings: &Settings, policy: &Policy, root: u32) -> Self {
        let seed =
            host::random().map_or(1, |bytes| u64::from_le_bytes(*bytes.first_chunk().unwrap_or(&[1; 8])));
        let store = RefCell::new(Store::new(settings, Lasting::of(policy), seed));
        Self { root, cluster: settings.cluster.clone(), store, queue: Cell::new(None) }
    }

    pub(super) fn store(&self) -> RefMut<'_, Store<Waiter>> {
        self.store.borrow_mut()
    }

    /// Has the root context called soon. Returns whether that is possible.
    pub(super) fn wake(&self) -> bool {
        let queue = self.queue.get().or_else(|| {
            let queue = register_queue();
            self.queue.set(queue);
            queue
        });
        let woken = queue.is_some_and(|queue| hostcalls::enqueue_shared_queue(queue, None).is_ok());
        if !woken {
            self.store().sleep_on();
        }
        woken
    }

    /// Sends an exchange; its answer comes as [`answer`] says. Only the root context can do this.
    pub(super) fn send(&self, exchange: &Exchange) -> Result<(), Failure> {
        let headers = vec![(":method", "POST"), (":path", "/"), (":authority", "redis")];
        let Exchange { commands, timeout } = exchange;
        match hostcalls::dispatch_http_call(&self.cluster, headers, Some(commands), Vec::new(), *timeout) {
            Ok(_) => Ok(()),
            Err(Status::BadArgument) => Err(Failure::NoCluster),
            Err(_) => Err(Failure::Connection),
        }
    }

    /// What follows is done for this stream.
    pub(super) fn enter(stream: u32) {
        let _ = hostcalls::set_effective_context(stream);
    }

    /// Lets the stream's request go on.
    pub(super) fn resume(stream: u32) {
        Self::enter(stream);
        let _ = hostcalls::resume_http_request();
    }

    /// What follows is done for the root context.
    pub(super) fn back_to_root(&self) {
        Self::enter(self.root);
    }
}

/// A queue that no other worker has, so that nobody else wakes its root context.
fn register_queue() -> Option<u32> {
    let mut name = "tollgate.v2.".to_owned();
    put_hex(&mut name, &host::random().ok()?);
    hostcalls::register_shared_queue(&name).ok()
}

/// Takes what has woken the root context out of the queue.
pub(super) fn is_awake(queue: u32) {
    let _ = hostcalls::dequeue_shared_queue(queue);
}

/// The answer to an exchange, of which the proxy says how many headers and how large a body it has.
pub(super) fn answer(headers: usize, body_size: usize) -> Result<Vec<u8>, Failure> {
    let status =
        (headers > 0).then(|| hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, ":status"));
    match status {
        Some(Ok(Some(status))) if status == b"200" => {}
        // The proxy's own answer in place of one.
        Some(Ok(Some(status))) if status == b"504" => return Err(Failure::Timeout),
        _ => return Err(Failure::Connection),
    }
    if body_size > MAX_ANSWER {
        return Err(Failure::Reply);
    }
    let body = hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, body_size);
    Ok(body.ok().flatten().unwrap_or_default())
}
