//! The console: operators' requests come from all workers, and what it has to wait for goes on on a thread of ours.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use tollgate::adapter::console::{self, Desk};
use tollgate::console::Call;
use tollgate::redis::Settings;
use tollgate::reply::LocalReply;
use tollgate::request::Headers;
use tollgate::store::{SharedCells, TableName};
use tollgate_wire::{Event, Target, Thread, Timer, Wire};

use crate::abi::{Attribute, Next, Opening, Reply, Scheduler, Stream, Then, concurrency};
use crate::call::written;
use crate::envoy::Envoy;
use crate::lock::lock;
use crate::meter::Meter;
use crate::tables::{MemoryData, Space};

/// How often there is something to do while anybody waits.
const STEP: Duration = Duration::from_millis(5);

/// The console, which all workers share.
pub(crate) struct Console(Arc<Inner>);

struct Inner {
    console: Mutex<console::Console<Envoy>>,
}

/// What the console has on its desk: who waits, and its connections.
#[derive(Default)]
pub(crate) struct Papers {
    console: Mutex<Weak<Inner>>,
    letters: Mutex<HashMap<u32, Letter>>,
    wires: Mutex<HashMap<u32, Wire>>,
    timer: Mutex<Option<Timer>>,
    numbered: AtomicU32,
}

/// The answer to one who waits, and by what he is called.
#[derive(Default)]
struct Letter {
    answer: Option<LocalReply>,
    scheduler: Option<Scheduler>,
}

impl Console {
    /// A console, if the document configures one; or why not.
    pub(crate) fn open(at: &mut Opening<'_>) -> Option<Result<Self, String>> {
        let envoy = Envoy {
            name: at.name().to_owned(),
            meter: Meter::new(at),
            workers: concurrency(),
            papers: Arc::default(),
        };
        envoy.meter.is_open();
        let papers = envoy.papers.clone();
        let console = console::Console::open(envoy, at.document())?;
        Some(console.map(|console| {
            let inner = Arc::new(Inner { console: Mutex::new(console) });
            *lock(&papers.console) = Arc::downgrade(&inner);
            Self(inner)
        }))
    }

    fn lock(&self) -> MutexGuard<'_, console::Console<Envoy>> {
        lock(&self.0.console)
    }
}

impl Desk for Envoy {
    fn counters_in_use(
        &self,
        table: Option<&TableName>,
        _shared: &SharedCells<MemoryData>,
    ) -> Option<Self::Counters> {
        Space::of(table).table_in_use()
    }

    fn answer(&self, stream: u32, reply: &LocalReply) {
        let mut letters = lock(&self.papers.letters);
        let Some(letter) = letters.get_mut(&stream) else { return };
        letter.answer = Some(reply.clone());
        let scheduler = letter.scheduler.take();
        drop(letters);
        if let Some(scheduler) = scheduler {
            scheduler.schedule(0);
        }
    }

    fn call_back(&self, _within: Duration) {
        self.papers.call_back();
    }

    fn open(&self, settings: &Settings, commands: Vec<u8>) -> Option<u32> {
        let (target, thread) = (Target::new(settings).ok()?, Thread::of_process().ok()?);
        let number = self.papers.number();
        let inner = lock(&self.papers.console).clone();
        let wire = Wire::open(thread, &target, move |event| {
            let Some(inner) = inner.upgrade() else { return };
            let console = lock(&inner.console);
            match event {
                Event::Received(bytes) => console.on_received(number, bytes),
                Event::Closed { .. } => console.on_closed(number),
            }
        });
        wire.send(commands);
        lock(&self.papers.wires).insert(number, wire);
        Some(number)
    }

    fn close(&self, connection: u32) {
        drop(lock(&self.papers.wires).remove(&connection));
    }
}

impl Papers {
    /// From now on the console is called now and then, until it has nothing to do.
    fn call_back(self: &Arc<Self>) {
        let mut timer = lock(&self.timer);
        let Ok(thread) = Thread::of_process() else { return };
        let inner = lock(&self.console).clone();
        // What it calls must not keep what it stands in.
        let papers = Arc::downgrade(self);
        timer.get_or_insert_with(|| {
            thread.every(STEP, move || {
                let (Some(inner), Some(papers)) = (inner.upgrade(), papers.upgrade()) else { return };
                let console = lock(&inner.console);
                // While the console is held nobody asks to be called back.
                if console.on_tick().is_zero() {
                    drop(lock(&papers.timer).take());
                }
            })
        });
    }

    fn number(&self) -> u32 {
        self.numbered.fetch_add(1, Ordering::Relaxed)
    }

    /// The answer to this one, if there is one by now.
    fn take(&self, stream: u32) -> Option<Reply> {
        let answer = lock(&self.letters).get_mut(&stream)?.answer.take();
        answer.map(|reply| written(reply, false))
    }

    /// The answer, or this one is called when there is one.
    fn take_or_wait(&self, stream: u32, scheduler: Scheduler) -> Option<Reply> {
        let mut letters = lock(&self.letters);
        let letter = letters.entry(stream).or_default();
        if letter.answer.is_none() {
            letter.scheduler = Some(scheduler);
        }
        letter.answer.take().map(|reply| written(reply, false))
    }
}

/// One operator's request.
#[derive(Default)]
pub(crate) struct Visit {
    number: Option<u32>,
    inner: console::Visit,
}

impl Visit {
    pub(crate) fn on_request_headers(
        &mut self,
        console: &Console,
        stream: &mut Stream<'_>,
        end: bool,
    ) -> Next {
        let console = console.lock();
        let papers = &console.host().papers;
        let number = papers.number();
        self.number = Some(number);
        lock(&papers.letters).insert(number, Letter::default());
        let (to, from) =
            (stream.attribute(Attribute::DestinationAddress), stream.attribute(Attribute::SourceAddress));
        let (to, from) = (to.unwrap_or_default(), from.unwrap_or_default());
        stream.with_request_headers(|pairs| {
            let call = Call { headers: Headers::of_pairs(pairs), to, from };
            self.inner.on_request_headers(&console, number, call, end);
        });
        let waits = if end { Next::Wait } else { Next::Collect };
        papers.take_or_wait(number, stream.scheduler()).map_or(waits, Next::Reply)
    }

    pub(crate) fn on_request_body(&mut self, console: &Console, stream: &mut Stream<'_>, end: bool) -> Next {
        let Some(number) = self.number else { return Next::Collect };
        let console = console.lock();
        let body = stream.request_body();
        self.inner.on_request_body(&console, number, body.len(), end, || body);
        console.host().papers.take(number).map_or(Next::Collect, Next::Reply)
    }

    pub(crate) fn on_request_trailers(&mut self, console: &Console) -> Next {
        let Some(number) = self.number else { return Next::Wait };
        let console = console.lock();
        self.inner.on_request_trailers(&console, number);
        console.host().papers.take(number).map_or(Next::Wait, Next::Reply)
    }

    pub(crate) fn on_scheduled(&mut self, console: &Console) -> Then {
        let Some(number) = self.number else { return Then::Nothing };
        console.lock().host().papers.take(number).map_or(Then::Nothing, Then::Reply)
    }

    pub(crate) fn on_complete(&mut self, console: &Console) {
        let Some(number) = self.number.take() else { return };
        let console = console.lock();
        self.inner.end(&console, number);
        lock(&console.host().papers.letters).remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_that_goes_while_it_is_called_back_leaves_nothing_behind() {
        let papers = Arc::<Papers>::default();
        papers.call_back();
        let left = Arc::downgrade(&papers);
        drop(papers);
        assert_eq!(left.strong_count(), 0, "the timer keeps its own owner");
    }
}
