//! The way to Redis: one connection of each worker, and requests that wait for what comes from it.
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
use super::passed::Slot;
use crate::gate::Pending;
use crate::redis::{Decided, Failure, Report, Settings, Step, Store};
use crate::store::{Acts, Fingerprint, Keeper};
use crate::text::put_hex;
use crate::time::Time;

/// How often deadlines are looked at while anybody waits.
const TICK: Duration = Duration::from_millis(5);
/// After so many of these with nothing to watch there are none, until somebody waits again.
const QUIET: u32 = 100;

/// One worker's way to Redis.
pub(super) struct Link {
    root: u32,
    cluster: String,
    /// The name of this Redis where operators' acts are kept.
    keeper: Keeper,
    /// How often anything had been done there when this worker last looked.
    acts: Cell<u64>,
    store: RefCell<Store<Waiter>>,
    connection: Cell<Option<u32>>,
    /// What wakes the root context, once it is registered; of each worker its own.
    queue: Cell<Option<u32>>,
    is_woken: Cell<bool>,
    /// How many ticks there are yet before they end.
    ticks: Cell<u32>,
}

/// A request that waits.
pub(super) struct Waiter {
    pub(super) is_grpc: bool,
    pub(super) slot: Rc<Slot>,
    /// What it was charged already, before the proxy redirected it.
    pub(super) before: Pending,
    /// As whom it can be blocked.
    pub(super) identities: Vec<Fingerprint>,
}

impl Link {
    pub(super) fn new(settings: &Settings, root: u32) -> Self {
        let seed =
            host::random().map_or(1, |bytes| u64::from_le_bytes(*bytes.first_chunk().unwrap_or(&[1; 8])));
        Self {
            root,
            cluster: settings.cluster.clone(),
            keeper: settings.keeper(),
            acts: Cell::new(0),
            store: RefCell::new(Store::new(settings, seed)),
            connection: Cell::new(None),
            queue: Cell::new(None),
            is_woken: Cell::new(false),
            ticks: Cell::new(0),
        }
    }

    /// The one door to the store: does this with it, then whatever follows from that for the connection. Returns what is to be told
    /// and counted, too. `here` is the context that is being served, and `now` the time.
    pub(super) fn with<T>(
        &self,
        here: u32,
        now: Time,
        act: impl FnOnce(&mut Store<Waiter>) -> T,
    ) -> (T, Report, Sent) {
        let result = act(&mut self.store.borrow_mut());
        let sent = self.go_on(here, now);
        let mut store = self.store.borrow_mut();
        // Whoever serves the root context sees to them before it ends.
        if here != self.root && store.has_decided() {
            self.wake();
        }
        if store.is_busy() {
            self.keep_ticking();
        }
        (result, store.take_report(), sent)
    }

    /// The name of this Redis where operators' acts are kept.
    pub(super) const fn keeper(&self) -> Keeper {
        self.keeper
    }

    /// This is what operators have done. Returns whether anything was done in this Redis of which this worker does not know.
    pub(super) fn is_news(&self, acts: &Acts) -> bool {
        let number = acts.number(self.keeper);
        self.acts.replace(number) != number
    }

    /// Only looks.
    pub(super) fn look<T>(&self, at: impl FnOnce(&Store<Waiter>) -> T) -> T {
        at(&self.store.borrow())
    }

    /// The next request that can go on.
    pub(super) fn next_decided(&self) -> Option<Decided<Waiter>> {
        self.store.borrow_mut().next_decided()
    }

    /// If there are requests that can go on, has the root context called again for them.
    pub(super) fn come_back(&self) {
        if self.store.borrow().has_decided() {
            self.wake();
        }
    }

    /// Does what the store says is next, for as long as there is anything.
    fn go_on(&self, here: u32, now: Time) -> Sent {
        let mut sent = Sent::default();
        loop {
            let step = self.store.borrow_mut().next_step(now);
            match step {
                None => return sent,
                Some(Step::Close) => self.close(here),
                // The SDK hands what comes to the context that has opened the stream.
                Some(Step::Open) if here != self.root => {
                    self.wake();
                    return sent;
                }
                Some(Step::Open) => self.open(now),
                Some(Step::Send { commands, requests }) => match self.send(here, &commands) {
                    Ok(()) => sent.0.push(requests),
                    Err(failure) => {
                        self.close(here);
                        self.store.borrow_mut().closed(failure, now);
                    }
                },
            }
        }
    }

    fn open(&self, now: Time) {
        let opened = hostcalls::open_grpc_stream(&self.cluster, "tollgate.Redis", "Commands", Vec::new());
        let mut store = self.store.borrow_mut();
        match opened {
            Ok(connection) => {
                self.connection.set(Some(connection));
                store.opened(now);
            }
            Err(Status::ParseFailure) => store.closed(Failure::NoCluster, now),
            Err(_) => store.closed(Failure::Connection, now),
        }
    }

    fn send(&self, here: u32, commands: &[u8]) -> Result<(), Failure> {
        let connection = self.connection.get().ok_or(Failure::Connection)?;
        let sent =
            self.as_root(here, || hostcalls::send_grpc_stream_message(connection, Some(commands), false));
        sent.map_err(|_| Failure::Connection)
    }

    fn close(&self, here: u32) {
        if let Some(connection) = self.connection.take() {
            let _ = self.as_root(here, || hostcalls::cancel_grpc_stream(connection));
        }
    }

    /// Calls the proxy in the name of the root context.
    fn as_root<T>(&self, here: u32, call: impl FnOnce() -> T) -> T {
        Self::enter(self.root);
        let result = call();
        if here != self.root {
            Self::enter(here);
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
    fn wake(&self) {
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

    /// What follows is done for this context.
    pub(super) fn enter(context: u32) {
        let _ = hostcalls::set_effective_context(context);
    }

    /// Lets the request of the stream go on whose context is at work.
    pub(super) fn resume() {
        let _ = hostcalls::resume_http_request();
    }

    /// The context that may open connections.
    pub(super) const fn root(&self) -> u32 {
        self.root
    }
}

/// What was sent meanwhile: of each batch, how many requests it had.
#[derive(Default)]
pub(super) struct Sent(pub(super) Vec<usize>);

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
