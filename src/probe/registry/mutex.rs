//! Access to state that the threads of the probers share.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The content of `mutex`, also after a panic of a thread that held it: every change is complete
/// at each step.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
