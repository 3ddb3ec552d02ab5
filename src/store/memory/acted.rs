//! What operators have done, where all threads look with each request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::store::Acts;
use crate::time::Time;

/// What operators have done. As long as they have done nothing, threads that look do not meet.
#[derive(Default)]
pub(super) struct Acted {
    is_any: AtomicBool,
    acts: RwLock<Acts>,
}

impl Acted {
    pub(super) fn look(&self) -> Acts {
        if self.is_any.load(Ordering::Acquire) {
            // What is there is whole, even if somebody who was changing it has panicked.
            self.acts.read().unwrap_or_else(PoisonError::into_inner).clone()
        } else {
            Acts::default()
        }
    }

    pub(super) fn change<T>(&self, now: Time, change: impl Fn(&mut Acts) -> T) -> T {
        let mut acts = self.acts.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = acts.clone();
        let result = change(&mut changed);
        if changed != *acts {
            *acts = changed.kept(now);
            self.is_any.store(!acts.is_empty(), Ordering::Release);
        }
        result
    }
}
