//! Requests that the proxy redirects by itself.
//!
//! Envoy can follow an application's redirect in the client's place (`internal_redirect_policy`). The request then comes
//! a second time, as another stream: the first one ends, and the second begins before anything else of this connection
//! happens, unless a filter in front holds it up. What the first was charged goes over to the second.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::host;
use super::passed::Passed;

/// How many may be on their way. One waits for longer only if a filter in front holds it up.
const MOST: usize = 64;

/// Requests between their two streams, by the connection that they have come by.
#[derive(Default)]
pub(super) struct Redirects(RefCell<VecDeque<(u64, Passed)>>);

impl Redirects {
    /// A request whose stream ends, since it was redirected. Returns the oldest one if there is no place left.
    pub(super) fn put(&self, passed: Passed) -> Option<Passed> {
        let mut redirects = self.0.borrow_mut();
        let dropped = if redirects.len() >= MOST { redirects.pop_front() } else { None };
        redirects.push_back((host::connection(), passed));
        dropped.map(|(_, passed)| passed)
    }

    /// What the request that comes now was charged already. The proxy says that it was redirected: no client can.
    pub(super) fn take(&self) -> Option<Passed> {
        let mut redirects = self.0.borrow_mut();
        if redirects.is_empty() || host::redirects() == 0 {
            return None;
        }
        let connection = host::connection();
        let place = redirects.iter().position(|(of, _)| *of == connection)?;
        redirects.remove(place).map(|(_, passed)| passed)
    }
}
