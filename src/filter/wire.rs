//! The connection to Redis, one of each worker, and requests that wait for what comes from it.
//!
//! A filter can open no connection of its own kind, but a gRPC stream. So that is what it opens, to a cluster whose connections are plain
//! TCP; `envoy/redis.yaml` takes gRPC's five bytes off each message there, and puts them before what comes back. The stream belongs to the
//! root context, which alone can open it. A request's context sends on it in the root's name.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, Status};

use super::host;
use crate::adapter::{Left, Passed, Seat, Waiter, Wire};
use crate::redis::{Failure, Settings, Store};
use crate::text::put_hex;

/// How often deadlines are looked at while anybody waits.
const TICK: Duration = Duration::from_millis(5);
/// After so many of these with nothing to watch there are none, until somebody waits again.
const QUIET: u32 = 100;

/// One worker's connection to Redis.
pub(super) struct GrpcWire {
    root: u32,
    cluster: String,
    connection: Cell<Option<u32>>,
    /// What wakes the root context, once it is registered; of each worker its own.
    queue: Cell<Option<u32>>,
    is_woken: Cell<bool>,
    /// How many ticks there are yet before they end.
    ticks: Cell<u32>,
}

/// Where a stream finds what has become of its request.
#[derive(Clone, Default)]
pub(super) struct Slot(Rc<RefCell<State>>);

/// What has become of a request that had to wait.
#[derive(Default)]
pub(super) enum State {
    /// Nothing yet.
    #[default]
    Waiting,
    /// It was let through.
    Passed(Passed),
    /// It was denied, or nobody waits any more.
    Over,
}

impl Slot {
    pub(super) fn put(&self, state: State) {
        self.0.replace(state);
    }
}

impl Seat for Slot {
    fn leave(&self) -> Left<Self> {
        match self.0.replace(State::Over) {
            State::Waiting => Left::Waiting,
            State::Passed(passed) => Left::Passed(passed),
            State::Over => Left::Over,
        }
    }
}

impl Wire for GrpcWire {
    type Seat = Slot;

    fn open(&self, here: u32) -> Result<bool, Failure> {
        // The SDK hands what comes to the context that has opened the stream.
        if here != self.root {
            self.wake();
            return Ok(false);
        }
        match open(&self.cluster) {
            Ok(connection) => {
                self.connection.set(Some(connection));
                Ok(true)
            }
            Err(Status::ParseFailure) => Err(Failure::NoCluster),
            Err(_) => Err(Failure::Connection),
        }
    }

    fn send(&self, here: u32, commands: Vec<u8>) -> Result<(), Failure> {
        let connection = self.connection.get().ok_or(Failure::Connection)?;
        let sent =
            self.as_root(here, || hostcalls::send_grpc_stream_message(connection, Some(&commands), false));
        sent.map_err(|_| Failure::Connection)
    }

    fn close(&self, here: u32) {
        if let Some(connection) = self.connection.take() {
            let _ = self.as_root(here, || hostcalls::cancel_grpc_stream(connection));
        }
    }

    fn after(&self, here: u32, store: &mut Store<Waiter<Slot>>) {
        // Whoever serves the root context sees to them before it ends.
        if here != self.root && store.has_decided() {
            self.wake();
        }
        if store.is_busy() {
            self.keep_ticking();
        }
    }
}

impl GrpcWire {
    pub(super) fn new(settings: &Settings, root: u32) -> Self {
        Self {
            root,
            cluster: settings.cluster.clone().unwrap_or_default(),
            connection: Cell::new(None),
            queue: Cell::new(None),
            is_woken: Cell::new(false),
            ticks: Cell::new(0),
        }
    }

    /// Calls the proxy in the name of the root context.
    fn as_root<T>(&self, here: u32, call: impl FnOnce() -> T) -> T {
        enter(self.root);
        let result = call();
        if here != self.root {
            enter(here);
        }
        result
    }

    /// Whether this is the connection that is open.
    pub(super) fn is_open(&self, connection: u32) -> bool {
        self.connection.get() == Some(connection)
    }

    /// The connection is no more.
    pub(super) fn is_closed(&self) {
        self.connection.set(None);
    }

    /// Has the root context called soon. If that is not possible, the next tick comes to the same.
    pub(super) fn wake(&self) {
        if self.is_woken.get() {
            return;
        }
        let queue = self.queue.get().or_else(register_queue);
        self.queue.set(queue);
        let woken = queue.is_some_and(|queue| hostcalls::enqueue_shared_queue(queue, None).is_ok());
        self.is_woken.set(woken);
        if !woken {
            self.keep_ticking();
        }
    }

    /// Takes what has woken the root context out of the queue.
    pub(super) fn is_awake(&self, queue: u32) {
        self.is_woken.set(false);
        let _ = hostcalls::dequeue_shared_queue(queue);
    }

    fn keep_ticking(&self) {
        if self.ticks.replace(QUIET) == 0 {
            host::set_tick_period(TICK);
        }
    }

    /// A tick has come. Returns whether there is a next one: there is none if there was nothing to do for long.
    pub(super) fn ticked(&self) -> bool {
        let left = self.ticks.get().saturating_sub(1);
        self.ticks.set(left);
        left > 0
    }
}

/// What follows is done for this context.
pub(super) fn enter(context: u32) {
    let _ = hostcalls::set_effective_context(context);
}

/// Opens a connection to the Redis behind this cluster, for the context that is at work.
pub(super) fn open(cluster: &str) -> Result<u32, Status> {
    hostcalls::open_grpc_stream(cluster, "tollgate.Redis", "Commands", Vec::new())
}

/// A queue that no other worker has, so that nobody else wakes its root context.
fn register_queue() -> Option<u32> {
    let mut name = "tollgate.v2.".to_owned();
    put_hex(&mut name, &host::random().ok()?);
    hostcalls::register_shared_queue(&name).ok()
}

/// So many bytes that have come by the connection.
pub(super) fn received(size: usize) -> Vec<u8> {
    hostcalls::get_buffer(BufferType::GrpcReceiveBuffer, 0, size).ok().flatten().unwrap_or_default()
}
