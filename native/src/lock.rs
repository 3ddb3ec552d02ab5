//! Locks of what is whole at any moment.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock, even if somebody has panicked who held it: in this package such a one leaves whole what it guards.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
