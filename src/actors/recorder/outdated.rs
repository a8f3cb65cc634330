//! Which results are of probes that began before their service was changed. Pure.

use crate::domain::{IdMap, Outcome, ServiceId};

/// The newest change of each service that makes earlier results meaningless, as the revision of
/// the store with that change. Bound: one entry per service that is not deleted.
#[derive(Debug, Default)]
pub struct OutdatedResults(IdMap<u64>);

impl OutdatedResults {
    pub fn changed(&mut self, id: ServiceId, revision: u64) {
        self.0.insert(id, revision);
    }

    /// The store takes no results of a deleted service.
    pub fn deleted(&mut self, id: ServiceId) {
        self.0.remove(id);
    }

    /// Whether the probe of `outcome` used an older definition. Never for a report.
    pub fn contains(&self, outcome: &Outcome) -> bool {
        let changed = self.0.get(outcome.service_id);
        changed.is_some_and(|changed| outcome.revision.is_some_and(|probed| probed < *changed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sample;

    #[test]
    fn only_results_of_an_older_definition_are_outdated() {
        let mut outdated = OutdatedResults::default();
        let of = |revision| Outcome { revision, ..sample::outcome(1, 0) };
        assert!(!outdated.contains(&of(Some(0))), "never changed");
        outdated.changed(ServiceId::new(1).unwrap(), 7);
        assert!(outdated.contains(&of(Some(6))));
        assert!(!outdated.contains(&of(Some(7))));
        assert!(!outdated.contains(&of(None)), "a report");
        assert!(!outdated.contains(&Outcome { revision: Some(6), ..sample::outcome(2, 0) }));
        outdated.deleted(ServiceId::new(1).unwrap());
        assert!(outdated.0.is_empty());
    }
}
