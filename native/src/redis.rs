//! The connection to Redis, one of the process for each policy, and requests that wait for what comes from it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::Duration;

use tollgate::adapter::{self, Left, Plugin, Waiter};
use tollgate::redis::{Decided, Failure, Settings, Store};
use tollgate_wire::{Event, Target, Thread, Timer, Wire};

use crate::abi::Scheduler;
use crate::envoy::Envoy;
use crate::lock::lock;

/// How often deadlines are looked at while anybody waits.
const TICK: Duration = Duration::from_millis(5);
/// After so many of these with nothing to watch there are none, until somebody waits again.
const QUIET: u32 = 100;

/// What became of a request that waits.
pub(crate) type Ready = Decided<Waiter<Seat>>;

/// One policy's connection to Redis.
pub(crate) struct RedisWire {
    target: Target,
    plugin: OnceLock<Weak<Plugin<Envoy>>>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    wire: Option<Wire>,
    /// How many there have been: what comes from an earlier one does not matter any more.
    number: u64,
    timer: Option<Timer>,
    /// How many ticks there are yet before they end.
    ticks: u32,
}

impl RedisWire {
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        let target = Target::new(settings)?;
        Ok(Self { target, plugin: OnceLock::new(), open: Mutex::default() })
    }

    /// For whom it is.
    pub(crate) fn belong_to(&self, plugin: &Arc<Plugin<Envoy>>) {
        let _ = self.plugin.set(Arc::downgrade(plugin));
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        lock(&self.open)
    }

    /// Whether this is the connection that is open.
    fn is(&self, number: u64) -> bool {
        let open = self.lock();
        open.number == number && open.wire.is_some()
    }
}

impl adapter::Wire for RedisWire {
    type Seat = Seat;

    fn open(&self, _here: u32) -> Result<bool, Failure> {
        let plugin = self.plugin.get().cloned().ok_or(Failure::Connection)?;
        let thread = Thread::of_process().map_err(|_| Failure::Connection)?;
        let mut open = self.lock();
        open.number += 1;
        let number = open.number;
        open.wire = Some(Wire::open(thread, &self.target, move |event| {
            if let Some(plugin) = plugin.upgrade() {
                hear(&plugin, number, event);
            }
        }));
        Ok(true)
    }

    fn send(&self, _here: u32, commands: Vec<u8>) -> Result<(), Failure> {
        self.lock().wire.as_ref().ok_or(Failure::Connection)?.send(commands);
        Ok(())
    }

    fn close(&self, _here: u32) {
        let closed = self.lock().wire.take();
        drop(closed);
    }

    fn after(&self, _here: u32, store: &mut Store<Waiter<Seat>>) {
        while let Some(decided) = store.next_decided() {
            let seat = decided.waiter.seat.clone();
            // Its stream has ended at this moment.
            if let Err(decided) = seat.put(decided)
                && let Ok(answer) = decided.outcome
            {
                store.settle(answer.undo());
            }
        }
        if store.is_busy() {
            self.keep_ticking();
        }
    }
}

impl RedisWire {
    fn keep_ticking(&self) {
        let mut open = self.lock();
        open.ticks = QUIET;
        if open.timer.is_some() {
            return;
        }
        let (Some(plugin), Ok(thread)) = (self.plugin.get().cloned(), Thread::of_process()) else { return };
        open.timer = Some(thread.every(TICK, move || {
            if let Some(plugin) = plugin.upgrade() {
                tick(&plugin);
            }
        }));
    }

    /// A tick has come.
    fn ticked(&self) {
        let mut open = self.lock();
        open.ticks = open.ticks.saturating_sub(1);
        if open.ticks == 0 {
            let ended = open.timer.take();
            drop(open);
            drop(ended);
        }
    }
}

fn tick(plugin: &Plugin<Envoy>) {
    plugin.with_store(0, Store::tick);
    if let Some(link) = plugin.link() {
        link.wire().ticked();
    }
}

fn hear(plugin: &Plugin<Envoy>, number: u64, event: Event) {
    let Some(link) = plugin.link() else { return };
    // While the store is held no other connection is opened.
    plugin.with_store(0, |store, now| {
        if !link.wire().is(number) {
            return;
        }
        match event {
            Event::Received(bytes) => store.received(bytes, now),
            Event::Closed { failure, .. } => {
                adapter::Wire::close(link.wire(), 0);
                store.closed(failure, now);
            }
        }
    });
    if let Event::Closed { failure, reason } = event {
        plugin.tell_trouble(failure, reason);
    }
}

/// Where a request that waits finds what has become of it.
#[derive(Clone, Default)]
pub(crate) struct Seat(Arc<Mutex<State>>);

enum State {
    /// Nothing yet. By this its stream is called.
    Waiting(Option<Scheduler>),
    Decided(Box<Ready>),
    /// Nobody waits any more.
    Over,
}

impl Default for State {
    fn default() -> Self {
        Self::Waiting(None)
    }
}

impl Seat {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Sits down, to be called by this. What has become of the request, if that is there already.
    pub(crate) fn sit(&self, scheduler: Scheduler) -> Option<Ready> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Over) {
            State::Waiting(_) => {
                *state = State::Waiting(Some(scheduler));
                None
            }
            State::Decided(decided) => Some(*decided),
            State::Over => None,
        }
    }

    /// What has become of the request, once its stream was called.
    pub(crate) fn take(&self) -> Option<Ready> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Over) {
            State::Decided(decided) => Some(*decided),
            before => {
                *state = before;
                None
            }
        }
    }

    /// This has become of the request. Given back if nobody waits for it any more.
    #[expect(clippy::result_large_err, reason = "it is what is given back")]
    fn put(&self, decided: Ready) -> Result<(), Ready> {
        let mut state = self.lock();
        let State::Waiting(scheduler) = &mut *state else { return Err(decided) };
        let scheduler = scheduler.take();
        *state = State::Decided(Box::new(decided));
        drop(state);
        if let Some(scheduler) = scheduler {
            // If that does not work any more, the stream has ended: it looks here once more.
            scheduler.schedule(0);
        }
        Ok(())
    }
}

impl adapter::Seat for Seat {
    fn leave(&self) -> Left<Self> {
        match std::mem::replace(&mut *self.lock(), State::Over) {
            State::Waiting(_) => Left::Waiting,
            State::Decided(decided) => Left::Decided(decided),
            State::Over => Left::Over,
        }
    }
}
