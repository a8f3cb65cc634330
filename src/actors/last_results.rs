//! The last result of each watched service, for `/metrics`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::id_map::page_of;
use crate::domain::{Definition, FullName, IdMap, Options, Outcome, ServiceId, ShardSet};
use crate::metrics::{KeptResult, LastResult, ServiceResult};

/// The recorder locks one of this many parts for each outcome, so that a scrape, which copies one
/// part after the other, delays it by one part at most.
const SHARDS: usize = 64;

/// Written by the recorder, read by every scrape; clones share the content. Bound: one entry a
/// watched service. An outcome of a service that is not watched is ignored.
#[derive(Debug, Clone)]
pub struct LastResults(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// By the page of the id modulo [`SHARDS`], so that each has full pages.
    shards: [Mutex<Shard>; SHARDS],
    watched: AtomicUsize,
}

type Shard = IdMap<Entry>;

/// Invariant: name, group and labels are the service's current ones, not those at the time of the
/// probe.
#[derive(Debug)]
struct Entry {
    name: FullName,
    /// With the labels; shared with the scheduler.
    options: Arc<Options>,
    result: Option<KeptResult>,
}

const _: () = assert!(size_of::<Entry>() == 80);

impl Default for LastResults {
    fn default() -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self(Arc::new(Shared { shards, watched: AtomicUsize::new(0) }))
    }
}

impl LastResults {
    /// Watched services.
    pub fn watched(&self) -> usize {
        self.0.watched.load(Ordering::Relaxed)
    }

    /// Adds a service, or updates its name, group and labels and keeps its result.
    pub fn watch(&self, id: ServiceId, definition: &Definition) {
        let (name, options) = (definition.full_name(), Arc::clone(&definition.options));
        let mut shard = self.shard(id);
        if let Some(entry) = shard.get_mut(id) {
            (entry.name, entry.options) = (name, options);
        } else {
            shard.insert(id, Entry { name, options, result: None });
            self.0.watched.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn unwatch(&self, id: ServiceId) {
        if self.shard(id).remove(id).is_some() {
            self.0.watched.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub fn unwatch_shards(&self, shards: &ShardSet) {
        for part in &self.0.shards {
            let mut part = lock(part);
            let before = part.len();
            part.retain(|id, _| !shards.contains(id));
            self.0.watched.fetch_sub(before - part.len(), Ordering::Relaxed);
        }
    }

    pub fn update(&self, outcome: &Outcome) {
        if let Some(entry) = self.shard(outcome.service_id).get_mut(outcome.service_id) {
            entry.result = Some(KeptResult::of(outcome));
        }
    }

    /// Removes the result of a service that stays watched.
    pub fn clear(&self, id: ServiceId) {
        if let Some(entry) = self.shard(id).get_mut(id) {
            entry.result = None;
        }
    }

    /// Whether the newest result of a watched service is up; `None` without one.
    pub fn is_up(&self, id: ServiceId) -> Option<bool> {
        self.shard(id).get(id)?.result.as_ref().map(KeptResult::is_up)
    }

    /// The last result of a watched service.
    pub fn result(&self, id: ServiceId) -> Option<LastResult> {
        self.shard(id).get(id)?.result.as_ref().map(KeptResult::get)
    }

    /// Name and group of a watched service.
    pub fn name(&self, id: ServiceId) -> Option<FullName> {
        self.shard(id).get(id).map(|entry| entry.name.clone())
    }

    /// Every result, by id.
    pub fn all(&self) -> Vec<ServiceResult> {
        let mut all = Vec::with_capacity(self.watched());
        for shard in &self.0.shards {
            all.extend(lock(shard).iter().filter_map(|(id, entry)| {
                let result = entry.result.clone()?;
                let (FullName { group, name }, labels) =
                    (entry.name.clone(), entry.options.labels.clone());
                Some(ServiceResult { id, name, group, labels, result })
            }));
        }
        all.sort_unstable_by_key(|result| result.id);
        all
    }

    fn shard(&self, id: ServiceId) -> MutexGuard<'_, Shard> {
        lock(&self.0.shards[page_of(id) as usize % SHARDS])
    }
}

/// A shard is consistent after every statement, so a panic elsewhere while it was locked is no
/// harm.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sample;

    #[test]
    fn a_result_has_the_name_that_the_service_has_now() {
        let id = ServiceId::new(1).unwrap();
        let outcome = sample::outcome(1, 0);
        let results = LastResults::default();
        results.update(&outcome);
        assert!(results.all().is_empty(), "not watched yet");
        results.watch(id, &sample::definition("old"));
        results.watch(id, &sample::definition("new"));
        results.update(&outcome);
        assert_eq!(results.all()[0].name.as_str(), "new");
        results.watch(id, &sample::definition("newer"));
        assert_eq!(results.all()[0].name.as_str(), "newer", "the result stays");
        assert_eq!(results.watched(), 1);
        results.unwatch(id);
        results.update(&outcome);
        assert!(results.all().is_empty() && results.watched() == 0);
    }

    #[test]
    fn all_results_are_sorted_by_id() {
        let results = LastResults::default();
        for id in (1..=9_000).rev() {
            results.watch(ServiceId::new(id).unwrap(), &sample::definition("any"));
            results.update(&sample::outcome(id, 0));
        }
        results.clear(ServiceId::new(7).unwrap());
        let ids: Vec<i64> = results.all().iter().map(|result| result.id.get()).collect();
        let expected: Vec<i64> = (1..=9_000).filter(|id| *id != 7).collect();
        assert_eq!(ids, expected);
    }
}
