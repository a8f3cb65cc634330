//! Definitions of maintenance, and which services are under maintenance.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::alert::silence::Matcher;
use crate::domain::maintenance::schedule::Schedule;
use crate::domain::maintenance::written::Written;
use crate::domain::service::definition::Origin;
use crate::domain::service::service_id::ServiceId;

/// The key of a maintenance in the store and in the API; always positive.
pub type MaintenanceId = i64;

/// Planned work on services.
#[derive(Debug, Clone, PartialEq)]
pub struct Maintenance {
    pub id: MaintenanceId,
    pub origin: Origin,
    pub written: Written,
    pub scope: Scope,
    pub note: Option<Arc<str>>,
    pub uptime: PlannedUptime,
}

impl Maintenance {
    pub fn schedule(&self) -> &Schedule {
        &self.written.schedule
    }
}

/// The services that a maintenance is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// By group and name; each service without a pattern.
    Matching(Matcher),
    Services(BTreeSet<ServiceId>),
}

impl Scope {
    pub fn contains(&self, id: ServiceId, name: &str, group: Option<&str>) -> bool {
        match self {
            Self::Matching(matcher) => matcher.may_match(name, group),
            Self::Services(ids) => ids.contains(&id),
        }
    }

    /// Whether each service is in it, also those to come.
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::Matching(matcher) if matcher.name.is_empty() && matcher.group.is_empty())
    }
}

/// How time under maintenance that is down or unknown counts in the uptime.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PlannedUptime {
    /// As `planned`.
    #[default]
    Exclude,
    /// As if there were no maintenance.
    Count,
}

impl PlannedUptime {
    pub const ALL: [Self; 2] = [Self::Exclude, Self::Count];

    /// The word in files, the API and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exclude => "exclude",
            Self::Count => "count",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|uptime| uptime.as_str() == word)
    }
}

/// All maintenance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Windows(Arc<[Maintenance]>);

impl FromIterator<Maintenance> for Windows {
    fn from_iter<I: IntoIterator<Item = Maintenance>>(all: I) -> Self {
        Self(all.into_iter().collect())
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
        let all = self.0.iter().filter(|one| one.scope.contains(id, name, group));
        let active = all.filter_map(|one| {
            Some(Active {
                until_ms: one.schedule().active_until(at_ms)?,
                note: one.note.clone(),
                maintenance_id: one.id,
            })
        });
        active.max_by_key(|active| (active.until_ms, -active.maintenance_id))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Maintenance> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
