//! The services that queries may select, and their labels.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::access::GroupLimit;
use crate::domain::metric_names::service_labels;
use crate::domain::{Definition, Group, Kind, Requests, ServiceId};
use crate::promql::{Labels, METRIC_NAME, Matcher};
use crate::storage::error::StorageError;
use crate::storage::port::StoreRead;

use super::board::Board;
use super::family::Family;

/// Services whose definitions one statement reads.
const IDS: usize = 1_024;

/// Labels whose values differ from service to service.
const UNIQUE: [&str; 3] = ["instance", "name", "service_id"];

/// What the labels of services depend on, besides their definitions.
#[derive(Debug, Clone)]
pub struct CatalogSettings {
    /// Value of the label `job`.
    pub job: String,
    pub requests: Requests,
    /// Interval of services that set none.
    pub default_interval: Duration,
}

/// The living services, by id. Cloning copies pointers.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    pub services: Vec<Arc<CatalogService>>,
}

#[derive(Debug)]
pub struct CatalogService {
    pub id: ServiceId,
    pub kind: Kind,
    pub interval_ms: i64,
    group: Option<Arc<str>>,
    labels: Box<[(Arc<str>, Arc<str>)]>,
}

/// A series of a service: what its labels are made of.
#[derive(Debug, Clone, Copy)]
pub struct SeriesKey<'a> {
    service: &'a CatalogService,
    name: &'static str,
    /// A label that other series of the service lack.
    extra: Option<(&'static str, &'static str)>,
}

/// Texts that many services have, each once in memory.
#[derive(Default)]
struct Texts(HashSet<Arc<str>>);

impl Texts {
    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.0.insert(Arc::clone(&new));
        new
    }
}

impl Catalog {
    /// Reads all definitions, not all at once: they take several times the memory of the catalog.
    pub fn read(
        rows: &mut dyn StoreRead,
        settings: &CatalogSettings,
    ) -> Result<Self, StorageError> {
        let mut catalog = Self::default();
        let ids = rows.all_service_ids()?;
        catalog.update(rows, &ids, settings)?;
        Ok(catalog)
    }

    /// Reads the definitions of `ids` again, which have changed, are new or are gone.
    pub fn update(
        &mut self,
        rows: &mut dyn StoreRead,
        ids: &[ServiceId],
        settings: &CatalogSettings,
    ) -> Result<(), StorageError> {
        let mut changed: HashMap<ServiceId, Option<Arc<CatalogService>>> =
            ids.iter().map(|id| (*id, None)).collect();
        let mut texts = Texts::default();
        for ids in ids.chunks(IDS) {
            for (id, definition) in rows.definitions(ids)? {
                let service = CatalogService::new(id, &definition, settings, &mut texts);
                changed.insert(id, Some(Arc::new(service)));
            }
        }
        self.services.retain_mut(|service| match changed.remove(&service.id) {
            None => true,
            Some(None) => false,
            Some(Some(newer)) => {
                *service = newer;
                true
            }
        });
        // What is left was not there.
        self.services.extend(changed.into_values().flatten());
        self.services.sort_by_key(|service| service.id);
        Ok(())
    }

    /// The services of `groups`.
    pub fn seen_by(self: &Arc<Self>, groups: &GroupLimit) -> Arc<Self> {
        if !groups.is_limited() {
            return Arc::clone(self);
        }
        let visible = self.services.iter().filter(|it| groups.contains(it.group.as_deref()));
        Arc::new(Self { services: visible.cloned().collect() })
    }
}

impl CatalogService {
    fn new(
        id: ServiceId,
        definition: &Definition,
        settings: &CatalogSettings,
        texts: &mut Texts,
    ) -> Self {
        let text_of_id = id.to_string();
        let group = definition.group.as_ref().map(Group::as_str);
        let instance = definition.target.shown(settings.requests);
        let own = [("job", settings.job.as_str()), ("instance", instance.as_str())];
        let given = &definition.options.labels;
        let all = service_labels(&text_of_id, definition.name.as_str(), group, given);
        // As Prometheus renames labels of a target that it sets itself.
        let others = all.into_iter().map(|(name, value)| match name {
            "job" => ("exported_job", value),
            "instance" => ("exported_instance", value),
            _ => (name, value),
        });
        let labels = own.into_iter().chain(others).map(|(name, value)| {
            let value = match UNIQUE.contains(&name) {
                true => value.into(),
                false => texts.shared(value),
            };
            (texts.shared(name), value)
        });
        let labels = labels.collect();
        let interval = definition.interval.map_or(settings.default_interval, |own| own.get());
        Self {
            id,
            kind: definition.target.kind(),
            interval_ms: i64::try_from(interval.as_millis()).unwrap_or(i64::MAX),
            group: group.map(|group| texts.shared(group)),
            labels,
        }
    }

    /// How long a sample holds: until the next result is due, and half an interval more.
    pub fn lookback_ms(&self, least_ms: i64) -> i64 {
        least_ms.max(self.interval_ms.saturating_mul(5) / 2)
    }

    pub fn series(
        &self,
        name: &'static str,
        extra: Option<(&'static str, &'static str)>,
    ) -> SeriesKey<'_> {
        SeriesKey { service: self, name, extra }
    }

    /// The families that fulfil all matchers, with their labels.
    pub fn matching(&self, matchers: &[Matcher]) -> Vec<(Family, Labels)> {
        if !self.may_match(matchers) {
            return Vec::new();
        }
        let families = Family::of(self.kind).filter_map(|family| {
            let series = self.series(family.name(), family.label());
            series.matches(matchers).then(|| (family, series.labels()))
        });
        families.collect()
    }

    /// The series that fulfil all matchers; of the facts, those that the board has.
    pub fn listed(&self, matchers: &[Matcher], board: &Board<'_>) -> Vec<SeriesKey<'_>> {
        if !self.may_match(matchers) {
            return Vec::new();
        }
        let families = Family::of(self.kind).filter(|family| !matches!(family, Family::Fact(_)));
        let of_ticks = families.map(|family| self.series(family.name(), family.label()));
        let of_board = board(self.id).into_iter();
        let of_board = of_board.map(|sample| self.series(sample.name, sample.label));
        of_ticks.chain(of_board).filter(|series| series.matches(matchers)).collect()
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

impl<'a> SeriesKey<'a> {
    /// The value of a label; empty when the series has no such label.
    pub fn value(&self, name: &str) -> &'a str {
        match (name, self.extra) {
            (METRIC_NAME, _) => self.name,
            (_, Some((label, value))) if label == name => value,
            _ => self.service.value(name),
        }
    }

    /// The names of its labels that have a value, in no order.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        let shared = self.service.labels.iter().filter(|(_, value)| !value.is_empty());
        let own = [METRIC_NAME].into_iter().chain(self.extra.map(|(name, _)| name));
        shared.map(|(name, _)| &**name).chain(own)
    }

    pub fn labels(&self) -> Labels {
        let own = [(METRIC_NAME, self.name)].into_iter().chain(self.extra);
        let own = own.map(|(name, value)| (Arc::from(name), Arc::from(value)));
        Labels::new(self.service.labels.iter().cloned().chain(own))
    }

    pub fn matches(&self, matchers: &[Matcher]) -> bool {
        matchers.iter().all(|matcher| matcher.matches(self.value(&matcher.name)))
    }
}
