//! All maintenance, and which services are under it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::maintenance::definition::{MaintenanceDefinition, Scope};
use crate::domain::service::definition::Origin;
use crate::domain::service::service_id::ServiceId;

/// The key of a maintenance in the store and in the API; always positive.
pub type MaintenanceId = i64;

/// A maintenance with its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Maintenance {
    pub id: MaintenanceId,
    pub origin: Origin,
    pub definition: MaintenanceDefinition,
}

/// All maintenance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Windows(Arc<Index>);

#[derive(Debug, Default, PartialEq)]
struct Index {
    all: Vec<Maintenance>,
    /// Positions in `all` of those for services with these ids.
    by_service: HashMap<ServiceId, Vec<usize>>,
    /// Positions in `all` of those for matching services.
    matching: Vec<usize>,
}

impl FromIterator<Maintenance> for Windows {
    fn from_iter<I: IntoIterator<Item = Maintenance>>(all: I) -> Self {
        let mut index = Index { all: all.into_iter().collect(), ..Index::default() };
        for (nth, one) in index.all.iter().enumerate() {
            match &one.definition.scope {
                Scope::Matching(_) => index.matching.push(nth),
                Scope::Services(ids) => {
                    ids.iter().for_each(|id| index.by_service.entry(*id).or_default().push(nth));
                }
            }
        }
        Self(Arc::new(index))
    }
}

/// The maintenance that a service is under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// Unix milliseconds. At this time there may be another maintenance.
    pub until_ms: i64,
    pub note: Option<Arc<str>>,
    pub maintenance_id: MaintenanceId,
}

impl Windows {
    /// The maintenance that the service is under at `at_ms`; of several, the one that lasts
    /// longest, then the oldest.
    pub fn active(
        &self,
        id: ServiceId,
        name: &str,
        group: Option<&str>,
        at_ms: i64,
    ) -> Option<Active> {
        let index = &*self.0;
        let of_service = index.by_service.get(&id).into_iter().flatten();
        let all = of_service.chain(&index.matching).map(|nth| &index.all[*nth]);
        let all = all.filter(|one| one.definition.scope.contains(id, name, group));
        let active = all.filter_map(|one| {
            Some(Active {
                until_ms: one.definition.schedule().active_until(at_ms)?,
                note: one.definition.note.clone(),
                maintenance_id: one.id,
            })
        });
        active.max_by_key(|active| (active.until_ms, -active.maintenance_id))
    }

    /// The first start after `at_ms`, if there is one.
    pub fn next_start(&self, at_ms: i64) -> Option<i64> {
        let schedules = self.0.all.iter().map(|one| one.definition.schedule());
        schedules.filter_map(|schedule| schedule.next_start(at_ms.saturating_add(1))).min()
    }

    /// The next moment after `at_ms` at which a service may come under maintenance, or may not be
    /// under it any more.
    pub fn next_change(&self, at_ms: i64) -> Option<i64> {
        let schedules = self.0.all.iter().map(|one| one.definition.schedule());
        let ends = schedules.filter_map(|schedule| schedule.active_until(at_ms));
        ends.chain(self.next_start(at_ms)).min()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Maintenance> {
        self.0.all.iter()
    }

    /// Whether both are clones of one value.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub fn is_empty(&self) -> bool {
        self.0.all.is_empty()
    }
}
