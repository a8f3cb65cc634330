//! A store that is opened when it is first used, and again after it was unavailable.

use std::time::{Duration, Instant};

use crate::storage::{StorageError, StoreAccess};

type Open<S> = fn(&StoreAccess) -> Result<Box<S>, StorageError>;

/// After an `Unavailable` error the store is dropped, and with it a transaction that broke off.
pub struct Reopening<S: ?Sized> {
    store: Option<Box<S>>,
    open: Open<S>,
    /// Pause between a failed attempt to open the store and the next one.
    pause: Duration,
    /// The end of the pause, and why the last attempt failed.
    failed: Option<(Instant, StorageError)>,
    /// Dropped after the store, whose locks end with it.
    access: StoreAccess,
}

impl<S: ?Sized> Reopening<S> {
    pub fn new(access: StoreAccess, open: Open<S>) -> Self {
        Self { store: None, open, pause: Duration::ZERO, failed: None, access }
    }

    /// Within `pause` after a failed attempt to open the store, every use fails at once. So those
    /// that are queued do not wait for an attempt each.
    pub fn with_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    pub fn run<T>(
        &mut self,
        work: impl FnOnce(&mut S) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let store = match &mut self.store {
            Some(store) => store,
            none => {
                if let Some((until, error)) = &self.failed
                    && Instant::now() < *until
                {
                    return Err(error.clone());
                }
                let opened = (self.open)(&self.access);
                self.failed =
                    opened.as_ref().err().map(|error| (Instant::now() + self.pause, error.clone()));
                none.insert(opened?)
            }
        };
        let result = work(store);
        if matches!(result, Err(StorageError::Unavailable(_))) {
            self.close();
        }
        result
    }

    pub fn is_open(&self) -> bool {
        self.store.is_some()
    }

    /// Drops the store; the next [`run`](Self::run) opens it again. A store that may not be closed
    /// is leaked.
    pub fn close(&mut self) {
        let store = self.store.take();
        if !self.access.may_close() {
            std::mem::forget(store);
        }
    }
}

impl<S: ?Sized> Drop for Reopening<S> {
    fn drop(&mut self) {
        self.close();
    }
}
