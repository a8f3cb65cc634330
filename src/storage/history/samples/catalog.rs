//! The services that a query may select, and their labels.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::access::GroupLimit;
use crate::domain::metric_names::service_labels;
use crate::domain::{Group, Kind, Requests, ServiceId};
use crate::promql::{Labels, METRIC_NAME, Matcher};
use crate::storage::error::StorageError;
use crate::storage::port::StoreRead;

use super::board::Board;
use super::family::Family;

/// The living services that a query sees.
#[derive(Debug)]
pub struct Catalog {
    pub services: Vec<CatalogService>,
}

#[derive(Debug)]
pub struct CatalogService {
    pub id: ServiceId,
    pub kind: Kind,
    pub interval_ms: i64,
    labels: Vec<(Arc<str>, Arc<str>)>,
}

impl Catalog {
    /// Reads the living services of `groups`. `job` is the value of their label `job`.
    pub fn read(
        rows: &mut dyn StoreRead,
        job: &str,
        requests: Requests,
        default_interval: Duration,
        groups: &GroupLimit,
    ) -> Result<Self, StorageError> {
        let services = rows.load_services()?.into_iter().filter_map(|service| {
            let definition = &service.definition;
            let id = service.id.to_string();
            let group = definition.group.as_ref().map(Group::as_str);
            if !groups.contains(group) {
                return None;
            }
            let instance = definition.target.shown(requests);
            let own = [("job", job), ("instance", instance.as_str())];
            let all =
                service_labels(&id, definition.name.as_str(), group, &definition.options.labels);
            // As Prometheus renames labels of a target that it sets itself.
            let others = all.into_iter().map(|(name, value)| match name {
                "job" => ("exported_job", value),
                "instance" => ("exported_instance", value),
                _ => (name, value),
            });
            let labels = own.into_iter().chain(others);
            let interval = definition.interval.map_or(default_interval, |own| own.get());
            Some(CatalogService {
                id: service.id,
                kind: definition.target.kind(),
                interval_ms: i64::try_from(interval.as_millis()).unwrap_or(i64::MAX),
                labels: labels.map(|(name, value)| (name.into(), value.into())).collect(),
            })
        });
        Ok(Self { services: services.collect() })
    }
}

impl Catalog {
    /// The labels of all series that fulfil the matchers; of the facts, those that the board has.
    pub fn series(&self, matchers: &[Matcher], board: &Board) -> Vec<Labels> {
        let mut series = Vec::new();
        for service in &self.services {
            let families = service.matching(matchers).into_iter();
            let families = families.filter(|(family, _)| !matches!(family, Family::Fact(_)));
            series.extend(families.map(|(_, labels)| labels));
            let samples = board.get(&service.id).into_iter().flatten();
            let labels = samples.map(|one| service.labels(one.name, one.label.as_slice()));
            series.extend(labels.filter(|labels| {
                matchers.iter().all(|matcher| matcher.matches(labels.get(&matcher.name)))
            }));
        }
        series
    }
}

impl CatalogService {
    /// How long a sample holds: until the next result is due, and half an interval more.
    pub fn lookback_ms(&self, least_ms: i64) -> i64 {
        least_ms.max(self.interval_ms.saturating_mul(5) / 2)
    }

    /// The labels of a series.
    pub fn labels(&self, name: &str, extra: &[(&str, &str)]) -> Labels {
        let named = (Arc::from(METRIC_NAME), Arc::from(name));
        let extra = extra.iter().map(|(name, value)| (Arc::from(*name), Arc::from(*value)));
        Labels::new(self.labels.iter().cloned().chain([named]).chain(extra))
    }

    /// The families that fulfil all matchers, with their labels.
    pub fn matching(&self, matchers: &[Matcher]) -> Vec<(Family, Labels)> {
        if !self.may_match(matchers) {
            return Vec::new();
        }
        let families = Family::of(self.kind).filter_map(|family| {
            let extra = family.label();
            let value = |name: &str| match name {
                METRIC_NAME => family.name(),
                _ => match extra {
                    Some((label, value)) if label == name => value,
                    _ => self.value(name),
                },
            };
            let matches = matchers.iter().all(|matcher| matcher.matches(value(&matcher.name)));
            matches.then(|| (family, self.labels(family.name(), extra.as_slice())))
        });
        families.collect()
    }

    /// Whether the labels that all its series share fulfil the matchers.
    pub fn may_match(&self, matchers: &[Matcher]) -> bool {
        let is_shared =
            |matcher: &&Matcher| self.labels.iter().any(|(name, _)| **name == *matcher.name);
        let mut shared = matchers.iter().filter(is_shared);
        shared.all(|matcher| matcher.matches(self.value(&matcher.name)))
    }

    fn value(&self, name: &str) -> &str {
        self.labels.iter().find(|label| &*label.0 == name).map_or("", |label| &*label.1)
    }
}
