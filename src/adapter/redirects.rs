//! Requests that the proxy redirects by itself.
//!
//! Envoy can follow an application's redirect in the client's place (`internal_redirect_policy`). The request then comes
//! a second time, as another stream: the first one ends, and the second begins before anything else of this connection
//! happens, unless a filter in front holds it up. What the first was charged goes over to the second.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::host::Stream;
use super::passed::Passed;

/// How many may be on their way. One waits for longer only if a filter in front holds it up.
const MOST: usize = 64;

/// Requests between their two streams, by the connection that they have come by.
#[derive(Default)]
pub(super) struct Redirects {
    waiting: Mutex<VecDeque<(u64, Passed)>>,
    /// Whether there are any: hardly ever, and each request asks.
    any: AtomicBool,
}

impl Redirects {
    /// A request whose stream ends, since it was redirected. Returns the oldest one if there is no place left; or this one, if it only
    /// begins anew: Envoy's filter `custom_response` fetches an answer from elsewhere in the same way, but what comes then does not say
    /// that it was redirected, and would not be known for it.
    pub(super) fn put(&self, at: &impl Stream, passed: Passed) -> Option<Passed> {
        if at.redirects() == 0 {
            return Some(passed);
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = if waiting.len() >= MOST { waiting.pop_front() } else { None };
        waiting.push_back((at.connection(), passed));
        self.any.store(true, Ordering::Relaxed);
        dropped.map(|(_, passed)| passed)
    }

    /// What the request that comes now was charged already. The proxy says that it was redirected: no client can.
    pub(super) fn take(&self, at: &impl Stream) -> Option<Passed> {
        // Both streams are served by one thread, which sees what it has put.
        if !self.any.load(Ordering::Relaxed) || at.redirects() == 0 {
            return None;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = at.connection();
        let place = waiting.iter().position(|(of, _)| *of == connection)?;
        let taken = waiting.remove(place);
        self.any.store(!waiting.is_empty(), Ordering::Relaxed);
        taken.map(|(_, passed)| passed)
    }
}
