//! A service as an operator defines it, and as the scheduler uses it.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::condition::expression::Condition;
use crate::domain::service::interval::{Interval, Timeout};
use crate::domain::service::label::{FullName, Group, Name};
use crate::domain::service::options::Options;
use crate::domain::service::service_id::ServiceId;
use crate::domain::service::target::Target;

/// Most conditions of a service.
pub const CONDITIONS_MAX: usize = 50;

/// The owner of a service: services of the services file are read-only in the API (contract,
/// "Services file").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Created through the API, or imported.
    Api,
    /// An entry of the services file.
    File,
}

impl Origin {
    /// The word in the API and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::File => "file",
        }
    }
}

/// The writable fields of a service. `None` in `interval` and `timeout` means the configured
/// default.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Unique within its group among the services that are not deleted.
    pub name: Name,
    pub target: Target,
    pub group: Option<Group>,
    /// Whether the service is probed.
    pub enabled: bool,
    pub interval: Option<Interval>,
    pub timeout: Option<Timeout>,
    /// All must be fulfilled; without any, a response below 400 is up.
    pub conditions: Box<[Condition]>,
    pub options: Arc<Options>,
}

impl Definition {
    pub fn full_name(&self) -> FullName {
        FullName { group: self.group.clone(), name: self.name.clone() }
    }

    /// Whether a probe of `other` sends the same request and is judged alike. Thresholds, the
    /// objective, the grace of heartbeats and alerts judge results, not a response; labels are no
    /// part of either.
    pub fn probes_as(&self, other: &Self) -> bool {
        let Self {
            name: _,
            target,
            group: _,
            enabled: _,
            interval: _,
            timeout,
            conditions,
            options,
        } = self;
        *target == other.target
            && *timeout == other.timeout
            && *conditions == other.conditions
            && Options {
                thresholds: options.thresholds,
                slo: options.slo,
                heartbeat: options.heartbeat.clone(),
                labels: options.labels.clone(),
                alerts: options.alerts.clone(),
                depends_on: options.depends_on.clone(),
                degraded: options.degraded,
                certificate_days: options.certificate_days.clone(),
                ..Options::clone(&other.options)
            } == **options
    }
}

/// Interval and timeout of services that set none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Defaults {
    /// `RUNNER_SCRAPE_INTERVAL_SECONDS`.
    pub interval: Interval,
    /// `RUNNER_HTTP_TIMEOUT_SECONDS`.
    pub timeout: Timeout,
}

/// A service that is probed: enabled, not deleted, with all defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    pub id: ServiceId,
    pub name: Name,
    pub group: Option<Group>,
    pub target: Target,
    pub interval: Interval,
    pub timeout: Timeout,
    /// All must be fulfilled; without any, a response below 400 is up.
    pub conditions: Box<[Condition]>,
    pub options: Arc<Options>,
    /// Of the store at which the definition was read: results of an older one than the newest
    /// change are discarded. 0 at the start.
    pub revision: u64,
}

impl Service {
    pub fn new(id: ServiceId, definition: Definition, defaults: &Defaults) -> Self {
        Self {
            id,
            name: definition.name,
            group: definition.group,
            target: definition.target,
            interval: definition.interval.unwrap_or(defaults.interval),
            timeout: definition.timeout.unwrap_or(defaults.timeout),
            conditions: definition.conditions,
            options: definition.options,
            revision: 0,
        }
    }

    pub fn full_name(&self) -> FullName {
        FullName { group: self.group.clone(), name: self.name.clone() }
    }

    pub fn at_revision(self, revision: u64) -> Self {
        Self { revision, ..self }
    }

    /// Longest time between two heartbeats of a watched job; for other services the interval.
    pub fn heartbeat_timeout(&self) -> Duration {
        let interval = self.interval.get();
        self.options.heartbeat.as_ref().map_or(interval, |heartbeat| heartbeat.timeout(interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_small_since_each_one_that_is_probed_has_one() {
        assert!(size_of::<Service>() <= 112, "{} bytes", size_of::<Service>());
    }
}
