//! Response cache with request coalescing; every write invalidates it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::web::Bytes;
use tokio::sync::OnceCell;

use crate::api::error::ApiError;

/// Most cached responses; further ones are computed for each request.
const MAX_ENTRIES: usize = 16;

/// Largest cached response, in bytes.
const MAX_ENTRY_BYTES: usize = 1024 * 1024;

/// Responses of the newest revision of the store that was requested. Bound: [`MAX_ENTRIES`] of
/// [`MAX_ENTRY_BYTES`] each.
#[derive(Debug, Default)]
pub struct ResponseCache(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    revision: u64,
    by_key: HashMap<String, Arc<OnceCell<Bytes>>>,
}

impl ResponseCache {
    /// The cached response for `key` at `revision`, or the result of `compute`. Concurrent requests
    /// for the same key wait for one computation. The caller reads `revision` before this call, so
    /// `compute` never returns data older than `revision`.
    pub async fn get_or_compute(
        &self,
        revision: u64,
        key: &str,
        compute: impl Future<Output = Result<Bytes, ApiError>>,
    ) -> Result<Bytes, ApiError> {
        match self.entry(revision, key) {
            None => compute.await,
            Some(entry) => {
                let response = entry.get_or_try_init(|| compute).await?.clone();
                if response.len() > MAX_ENTRY_BYTES {
                    self.lock().by_key.remove(key);
                }
                Ok(response)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry of `key`, created if missing; `None` when the response must not be cached.
    fn entry(&self, revision: u64, key: &str) -> Option<Arc<OnceCell<Bytes>>> {
        let mut entries = self.lock();
        if entries.revision < revision {
            *entries = Entries { revision, by_key: HashMap::new() };
        }
        // A write happened after the caller read its revision.
        if entries.revision > revision {
            return None;
        }
        if let Some(entry) = entries.by_key.get(key) {
            return Some(Arc::clone(entry));
        }
        let has_room = entries.by_key.len() < MAX_ENTRIES;
        has_room.then(|| Arc::clone(entries.by_key.entry(key.to_owned()).or_default()))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[actix_web::test]
    async fn a_response_is_computed_once_per_revision() {
        let (cache, computed) = (ResponseCache::default(), Cell::new(0));
        let get = async |revision, key: &str| {
            let compute = async {
                computed.set(computed.get() + 1);
                tokio::task::yield_now().await;
                Ok(Bytes::from(computed.get().to_string()))
            };
            cache.get_or_compute(revision, key, compute).await.unwrap()
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
        let cache = ResponseCache::default();
        for key in 0..2 * MAX_ENTRIES {
            let compute = async { Ok(Bytes::from("x")) };
            cache.get_or_compute(1, &key.to_string(), compute).await.unwrap();
        }
        assert_eq!(cache.lock().by_key.len(), MAX_ENTRIES);
        let large = async { Ok(Bytes::from(vec![0; MAX_ENTRY_BYTES + 1])) };
        assert!(cache.get_or_compute(1, "0", large).await.is_ok());
        let large = async { Ok(Bytes::from(vec![0; MAX_ENTRY_BYTES + 1])) };
        assert!(cache.get_or_compute(2, "large", large).await.is_ok());
        assert!(cache.lock().by_key.is_empty());
    }
}
