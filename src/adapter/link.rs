//! The way to one Redis: what is asked there, who waits for it, and what that means for the connection.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::wire::{Waiter, Wire};
use crate::redis::{Decided, Report, Settings, Step, Store};
use crate::store::{Acts, Keeper};
use crate::time::Time;

/// The way to one Redis.
pub struct Link<W: Wire> {
    /// The name of this Redis where operators' acts are kept.
    keeper: Keeper,
    /// How often anything had been done there when that was last looked at.
    acts: AtomicU64,
    store: Mutex<Store<Waiter<W::Seat>>>,
    wire: W,
}

impl<W: Wire> Link<W> {
    /// No connection yet. For the seed see [`crate::redis::Breaker::new`].
    pub(super) fn new(settings: &Settings, wire: W, seed: u64) -> Self {
        let (keeper, store) = (settings.keeper(), Mutex::new(Store::new(settings, seed)));
        Self { keeper, acts: AtomicU64::new(0), store, wire }
    }

    /// The connection.
    pub const fn wire(&self) -> &W {
        &self.wire
    }

    /// The one door to the store: does this with it, then whatever follows from that for the connection. Returns what is to be told
    /// and counted, too. `here` is the stream that is being served, and `now` the time.
    pub(super) fn with<T>(
        &self,
        here: u32,
        now: Time,
        act: impl FnOnce(&mut Store<Waiter<W::Seat>>) -> T,
    ) -> (T, Report, Sent) {
        // Held to the end: batches are sent in the order in which the store has made them.
        let mut store = self.lock();
        let result = act(&mut store);
        let sent = self.go_on(&mut store, here, now);
        self.wire.after(here, &mut store);
        (result, store.take_report(), sent)
    }

    /// Only looks.
    pub(super) fn look<T>(&self, at: impl FnOnce(&Store<Waiter<W::Seat>>) -> T) -> T {
        at(&self.lock())
    }

    /// The next request that can go on.
    pub fn next_decided(&self) -> Option<Decided<Waiter<W::Seat>>> {
        self.lock().next_decided()
    }

    /// Whether [`Self::next_decided`] has anything to say.
    pub fn has_decided(&self) -> bool {
        self.lock().has_decided()
    }

    /// The name of this Redis where operators' acts are kept.
    pub(super) const fn keeper(&self) -> Keeper {
        self.keeper
    }

    /// This is what operators have done. Returns whether anything was done in this Redis of which the store does not know.
    pub(super) fn is_news(&self, acts: &Acts) -> bool {
        let number = acts.number(self.keeper);
        // Looked at with each request, and hardly ever changed.
        self.acts.load(Ordering::Relaxed) != number && self.acts.swap(number, Ordering::Relaxed) != number
    }

    /// Does what the store says is next, for as long as there is anything.
    fn go_on(&self, store: &mut Store<Waiter<W::Seat>>, here: u32, now: Time) -> Sent {
        let mut sent = Sent::default();
        while let Some(step) = store.next_step(now) {
            match step {
                Step::Close => self.wire.close(here),
                Step::Open => match self.wire.open(here) {
                    Ok(true) => store.opened(now),
                    Ok(false) => break,
                    Err(failure) => store.closed(failure, now),
                },
                Step::Send { commands, requests } => match self.wire.send(here, commands) {
                    Ok(()) => sent.0.push(requests),
                    Err(failure) => {
                        self.wire.close(here);
                        store.closed(failure, now);
                    }
                },
            }
        }
        sent
    }

    fn lock(&self) -> MutexGuard<'_, Store<Waiter<W::Seat>>> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was sent meanwhile: of each batch, how many requests it had.
#[derive(Default)]
pub(super) struct Sent(pub(super) Vec<usize>);
