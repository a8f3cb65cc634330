//! A store that is opened when it is first used, and again after it was unavailable.

use crate::storage::StorageError;

type Open<S> = Box<dyn FnMut() -> Result<Box<S>, StorageError>>;

/// After an `Unavailable` error the store is dropped, and with it a transaction that broke off.
pub struct Reopening<S: ?Sized> {
    open: Open<S>,
    store: Option<Box<S>>,
}

impl<S: ?Sized> Reopening<S> {
    pub fn new(open: impl FnMut() -> Result<Box<S>, StorageError> + 'static) -> Self {
        Self { open: Box::new(open), store: None }
    }

    pub fn run<T>(
        &mut self,
        work: impl FnOnce(&mut S) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut store = match self.store.take() {
            Some(store) => store,
            None => (self.open)()?,
        };
        let result = work(&mut store);
        if !matches!(result, Err(StorageError::Unavailable(_))) {
            self.store = Some(store);
        }
        result
    }

    /// The store, if it is open; it is opened again by the next [`run`](Self::run).
    pub fn take(&mut self) -> Option<Box<S>> {
        self.store.take()
    }
}
