//! What other threads call Envoy by.

use std::ffi::c_void;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::raw;

/// By which any thread has a stream's, or a configuration's, hook called on its own thread. Clones are one and the same.
///
/// When the stream or the configuration ends it is closed. Then nothing comes of [`Self::schedule`], and Envoy is not called:
/// so nobody speaks to a worker that has ended.
#[derive(Clone)]
pub struct Scheduler(Arc<Inner>);

struct Inner {
    kind: Kind,
    /// Null once it is closed.
    envoy: Mutex<Envoy>,
}

#[derive(Clone, Copy)]
enum Kind {
    Stream,
    Config,
}

/// Envoy's object. It is ours to delete.
struct Envoy(*mut c_void);

// SAFETY: Envoy's schedulers may be used, and deleted, by any thread; here only by one at a time.
unsafe impl Send for Envoy {}

impl Scheduler {
    pub(super) fn of_stream(envoy: *mut c_void) -> Self {
        Self(Arc::new(Inner { kind: Kind::Stream, envoy: Mutex::new(Envoy(envoy)) }))
    }

    pub(super) fn of_config(envoy: *mut c_void) -> Self {
        Self(Arc::new(Inner { kind: Kind::Config, envoy: Mutex::new(Envoy(envoy)) }))
    }

    /// Has the hook called with this number, soon. Returns whether it can be: not if it is closed.
    pub fn schedule(&self, event: u64) -> bool {
        let envoy = self.0.envoy.lock().unwrap_or_else(PoisonError::into_inner);
        if envoy.0.is_null() {
            return false;
        }
        // SAFETY: it was not deleted, and will not be while the lock is held.
        unsafe {
            match self.0.kind {
                Kind::Stream => {
                    raw::envoy_dynamic_module_callback_http_filter_scheduler_commit(envoy.0, event);
                }
                Kind::Config => {
                    raw::envoy_dynamic_module_callback_http_filter_config_scheduler_commit(envoy.0, event);
                }
            }
        }
        true
    }

    /// Nothing comes of it from now on.
    pub(super) fn close(&self) {
        self.0.close();
    }
}

impl Inner {
    fn close(&self) {
        let mut envoy = self.envoy.lock().unwrap_or_else(PoisonError::into_inner);
        let envoy = std::mem::replace(&mut envoy.0, std::ptr::null_mut());
        if envoy.is_null() {
            return;
        }
        // SAFETY: it was not deleted, and nobody finds it any more.
        unsafe {
            match self.kind {
                Kind::Stream => raw::envoy_dynamic_module_callback_http_filter_scheduler_delete(envoy),
                Kind::Config => {
                    raw::envoy_dynamic_module_callback_http_filter_config_scheduler_delete(envoy);
                }
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Scheduler").finish_non_exhaustive()
    }
}
