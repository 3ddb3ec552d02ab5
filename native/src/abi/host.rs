//! A host of our own in Envoy's place, for tests and fuzzing: the functions that Envoy has, and somebody to call the module's.
//!
//! It lends its own memory as Envoy does, and like Envoy it calls the module again before an answer, or going on, returns.

mod callbacks;
mod stream;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use super::raw::{self, EnvoyBytes};
use super::{Level, Plugin, hooks};

/// Names and values.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

thread_local! {
    static LOG: RefCell<Vec<(u32, String)>> = const { RefCell::new(Vec::new()) };
}

/// What was logged by this thread, at this level.
#[must_use]
pub fn logged(level: Level) -> Vec<String> {
    let is_meant = |(of, line): &(u32, String)| (*of == level as u32).then(|| line.clone());
    LOG.with_borrow(|lines| lines.iter().filter_map(is_meant).collect())
}

/// A configuration, as a host has it.
pub struct Host<P: Plugin> {
    config: *mut Config,
    held: *const c_void,
    plugin: PhantomData<P>,
}

/// What the module sees of a configuration by a pointer.
#[derive(Default)]
struct Config {
    /// Names, in the order of their ids, which begin at 1; and values.
    metrics: Mutex<Vec<(String, u64)>>,
    is_open: bool,
    events: Events,
    schedulers: Arc<Mutex<usize>>,
}

/// What was scheduled and is not done yet.
type Events = Arc<Mutex<Vec<u64>>>;

/// What stands behind a scheduler's pointer.
struct Timetable {
    events: Events,
    /// How many of its kind there are.
    schedulers: Arc<Mutex<usize>>,
}

/// A request and its response, as a host has them. When it is dropped, it ends.
pub struct HostStream<'a, P: Plugin> {
    stream: *mut Stream,
    host: PhantomData<&'a Host<P>>,
}

/// What the module sees of a stream by a pointer.
struct Stream {
    slot: *const c_void,
    hooks: Hooks,
    request: Fields,
    response: Fields,
    trailers: Fields,
    received: Vec<Vec<u8>>,
    buffered: Vec<Vec<u8>>,
    attributes: BTreeMap<u32, Vec<u8>>,
    connection: u64,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    sent: Option<Sent>,
    continued: u32,
    /// Whether the whole rest of a stream happens before an answer, or going on, returns.
    ends_at_once: bool,
    events: Events,
    schedulers: Arc<Mutex<usize>>,
}

#[derive(Clone, Copy)]
struct Hooks {
    response_headers: unsafe fn(*mut c_void, *const c_void, bool) -> u32,
    complete: unsafe fn(*mut c_void, *const c_void),
    destroy: unsafe fn(*const c_void),
}

/// An answer that the module has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The status; 0 if it stands in a field.
    pub status: u32,
    /// The fields.
    pub headers: Fields,
    /// The body.
    pub body: Vec<u8>,
    /// The reason.
    pub details: Vec<u8>,
}

/// What a hook has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said(pub u32);

impl Said {
    /// To go on.
    pub const CONTINUE: Self = Self(raw::CONTINUE);
    /// To hold up the headers.
    pub const STOP: Self = Self(raw::HEADERS_STOP);
    /// To hold up everything.
    pub const STOP_ALL: Self = Self(raw::HEADERS_STOP_ALL);
    /// To keep the body.
    pub const BUFFER: Self = Self(raw::BODY_BUFFER);
}

fn lend(bytes: &[u8]) -> EnvoyBytes {
    // What is empty has no memory in Envoy either.
    if bytes.is_empty() { EnvoyBytes::NONE } else { EnvoyBytes { data: bytes.as_ptr(), len: bytes.len() } }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<P: Plugin> Host<P> {
    /// Opens a configuration. `None` if the module refuses it; what it has said is in the log.
    #[must_use]
    pub fn open(name: &[u8], document: &[u8]) -> Option<Self> {
        let config = Box::into_raw(Box::new(Config { is_open: true, ..Config::default() }));
        // SAFETY: the configuration is there until it is dropped.
        let held = unsafe { hooks::config_new::<P>(config.cast(), lend(name), lend(document)) };
        let host = Self { config, held, plugin: PhantomData };
        if held.is_null() {
            return None;
        }
        // SAFETY: it is there, and nobody else looks.
        unsafe { (*config).is_open = false };
        Some(host)
    }

    /// What the module has made of it.
    #[cfg(test)]
    pub(crate) fn plugin(&self) -> &P {
        // SAFETY: it is there, and the module only reads it.
        unsafe { hooks::plugin::<P>(self.held) }
    }

    /// A metric's value; `None` if there is no such metric.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<u64> {
        // SAFETY: it is there.
        let metrics = locked(unsafe { &(*self.config).metrics });
        metrics.iter().find(|(of, _)| of == name).map(|(_, value)| *value)
    }

    /// A request that comes.
    #[must_use]
    pub fn stream(&self) -> HostStream<'_, P> {
        // SAFETY: the configuration is there for longer than the stream.
        let slot = unsafe { hooks::stream_new::<P>(self.held) };
        let hooks = Hooks {
            response_headers: hooks::response_headers::<P>,
            complete: hooks::stream_complete::<P>,
            destroy: hooks::stream_destroy::<P>,
        };
        let stream = Stream {
            slot,
            hooks,
            request: Fields::new(),
            response: Fields::new(),
            trailers: Fields::new(),
            received: Vec::new(),
            buffered: Vec::new(),
            attributes: BTreeMap::new(),
            connection: 0,
            state: BTreeMap::new(),
            sent: None,
            continued: 0,
            ends_at_once: false,
            events: Events::default(),
            schedulers: Arc::default(),
        };
        HostStream { stream: Box::into_raw(Box::new(stream)), host: PhantomData }
    }

    /// Does what was scheduled for the configuration.
    pub fn do_scheduled(&self) {
        // SAFETY: it is there.
        let events = std::mem::take(&mut *locked(unsafe { &(*self.config).events }));
        for event in events {
            // SAFETY: the configuration is there.
            unsafe { hooks::config_scheduled::<P>(self.held, event) };
        }
    }
}

impl<P: Plugin> Drop for Host<P> {
    fn drop(&mut self) {
        if !self.held.is_null() {
            // SAFETY: it was not destroyed, and no stream is left.
            unsafe { hooks::config_destroy::<P>(self.held) };
        }
        // SAFETY: no stream is left, and nobody uses it again.
        let config = unsafe { Box::from_raw(self.config) };
        assert_eq!(*locked(&config.schedulers), 0, "the module has kept a scheduler");
    }
}
