//! A store that is opened when it is first used, and again after it was unavailable.

use crate::storage::{StorageError, StoreFile};

type Open<S> = fn(&StoreFile) -> Result<Box<S>, StorageError>;

/// After an `Unavailable` error the store is dropped, and with it a transaction that broke off.
pub struct Reopening<S: ?Sized> {
    store: Option<Box<S>>,
    open: Open<S>,
    /// Dropped after the store, whose locks end with it.
    file: StoreFile,
}

impl<S: ?Sized> Reopening<S> {
    pub fn new(file: StoreFile, open: Open<S>) -> Self {
        Self { store: None, open, file }
    }

    pub fn run<T>(
        &mut self,
        work: impl FnOnce(&mut S) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let store = match &mut self.store {
            Some(store) => store,
            none => none.insert((self.open)(&self.file)?),
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

    /// Drops the store; the next [`run`](Self::run) opens it again. After the files were replaced,
    /// the store is leaked: closing it would remove the log of the new database, by name.
    pub fn close(&mut self) {
        let store = self.store.take();
        if !self.file.is_in_place() {
            std::mem::forget(store);
        }
    }
}

impl<S: ?Sized> Drop for Reopening<S> {
    fn drop(&mut self) {
        self.close();
    }
}
