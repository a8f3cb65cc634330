//! Response cache with request coalescing; every write invalidates it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::api::error::ApiError;
use crate::api::text::{SharedText, WeakText};

/// Most cached responses; further ones are computed for each request.
const MAX_ENTRIES: usize = 16;

/// Largest cached response, in bytes.
const MAX_ENTRY_BYTES: usize = 1024 * 1024;

/// Responses of the newest revision of the store that was requested. Bound: [`MAX_ENTRIES`] of
/// `max_entry_bytes` each. A larger response is shared for as long as a client takes it.
#[derive(Debug)]
pub struct ResponseCache {
    max_entry_bytes: usize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    revision: u64,
    by_key: HashMap<String, Entry>,
}

#[derive(Debug, Clone)]
enum Entry {
    /// Computed or being computed.
    Small(Arc<OnceCell<SharedText>>),
    Large(WeakText),
}

impl ResponseCache {
    /// A cache that holds at most a quarter of `response_bytes`, the budget of its responses, and
    /// as much again of their packed forms.
    pub fn new(response_bytes: usize) -> Self {
        let max_entry_bytes = MAX_ENTRY_BYTES.min(response_bytes / (4 * MAX_ENTRIES));
        Self { max_entry_bytes, entries: Mutex::default() }
    }

    /// The cached response for `key` at `revision`, or the result of `compute`. Concurrent requests
    /// for the same key wait for one computation. The caller reads `revision` before this call, so
    /// `compute` never returns data older than `revision`.
    pub async fn get_or_compute(
        &self,
        revision: u64,
        key: &str,
        compute: impl Future<Output = Result<SharedText, ApiError>>,
    ) -> Result<SharedText, ApiError> {
        let entry = match self.entry(revision, key) {
            None => return compute.await,
            Some(Entry::Large(text)) => match text.upgrade() {
                Some(text) => return Ok(text),
                None => return compute.await,
            },
            Some(Entry::Small(entry)) => entry,
        };
        let text = entry.get_or_try_init(|| compute).await?.clone();
        if text.len() > self.max_entry_bytes {
            let mut entries = self.lock();
            if entries.revision == revision
                && let Some(entry) = entries.by_key.get_mut(key)
            {
                *entry = Entry::Large(text.downgrade());
            }
        }
        Ok(text)
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry of `key`, created if missing; `None` when the response must not be cached.
    fn entry(&self, revision: u64, key: &str) -> Option<Entry> {
        let mut entries = self.lock();
        if entries.revision < revision {
            *entries = Entries { revision, by_key: HashMap::new() };
        }
        // A write happened after the caller read its revision.
        if entries.revision > revision {
            return None;
        }
        match entries.by_key.get(key) {
            Some(Entry::Large(text)) if text.upgrade().is_none() => {}
            Some(entry) => return Some(entry.clone()),
            None if entries.by_key.len() >= MAX_ENTRIES => return None,
            None => {}
        }
        let entry = Entry::Small(Arc::default());
        entries.by_key.insert(key.to_owned(), entry.clone());
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::Semaphore;

    use super::*;

    fn text(text: Vec<u8>) -> SharedText {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        SharedText::new(text, permit)
    }

    fn cache() -> ResponseCache {
        ResponseCache::new(usize::MAX)
    }

    #[actix_web::test]
    async fn a_response_is_computed_once_per_revision() {
        let (cache, computed) = (cache(), Cell::new(0));
        let get = async |revision, key: &str| {
            let compute = async {
                computed.set(computed.get() + 1);
                tokio::task::yield_now().await;
                Ok(text(computed.get().to_string().into()))
            };
            cache.get_or_compute(revision, key, compute).await.unwrap().into_bytes()
        };
        let (first, second) = tokio::join!(get(1, "a"), get(1, "a"));
        assert_eq!((&*first, &*second), (&b"1"[..], &b"1"[..]), "computed once for both");
        assert_eq!(&*get(1, "b").await, b"2");
        assert_eq!(&*get(2, "a").await, b"3", "invalidated by a write");
        assert_eq!(&*get(1, "a").await, b"4", "an older revision is not cached");
        assert_eq!(&*get(2, "a").await, b"3");
    }

    #[actix_web::test]
    async fn the_cache_is_bounded_in_entries_and_in_bytes_per_entry() {
        let cache = cache();
        for key in 0..2 * MAX_ENTRIES {
            let compute = async { Ok(text(b"x".to_vec())) };
            cache.get_or_compute(1, &key.to_string(), compute).await.unwrap();
        }
        assert_eq!(cache.lock().by_key.len(), MAX_ENTRIES);
        assert_eq!(ResponseCache::new(64 * 1024).max_entry_bytes, 1024);
    }

    #[actix_web::test]
    async fn a_large_response_is_shared_while_a_client_takes_it() {
        let (cache, computed) = (cache(), Cell::new(0));
        let get = async || {
            let compute = async {
                computed.set(computed.get() + 1);
                Ok(text(vec![0; MAX_ENTRY_BYTES + 1]))
            };
            cache.get_or_compute(1, "large", compute).await.unwrap()
        };
        let (first, second) = (get().await, get().await);
        assert_eq!(computed.get(), 1, "the first is still sent");
        drop((first, second));
        let _third = get().await;
        assert_eq!(computed.get(), 2, "nothing held the text");
    }
}
