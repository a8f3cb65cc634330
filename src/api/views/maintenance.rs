//! A maintenance, and the maintenance that a service is under.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::maintenance_bodies::MaintenanceMatch;
use crate::api::views::envelope::{List, One};
use crate::domain::maintenance::{Active, Scope, Timing};
use crate::storage::maintenance::MaintenanceRecord;

/// `data` of a response with one maintenance.
#[derive(Debug, Serialize, ToSchema)]
pub struct MaintenanceData {
    pub maintenance: One<Maintenance>,
}

/// `data` of a response with a list of maintenances.
#[derive(Debug, Serialize, ToSchema)]
pub struct MaintenancesData {
    /// The maintenances, ordered by id.
    pub maintenance: List<Maintenance>,
}

/// Planned work on services.
#[derive(Debug, Serialize, ToSchema)]
pub struct Maintenance {
    /// Id of the maintenance.
    id: i64,
    /// Source of the definition: `api`, or `file` for one of the services file, which the API
    /// cannot change.
    #[schema(pattern = "^(api|file)$", example = "api")]
    origin: &'static str,
    /// Whether it takes place now.
    active: bool,
    /// Until when, in unix seconds; null while it does not take place.
    #[schema(required = true)]
    active_until: Option<i64>,
    /// The next start, in unix seconds; null when there is none.
    #[schema(required = true)]
    next_start: Option<i64>,
    /// Whether the maintenance takes place.
    enabled: bool,
    /// Ids of the services; null when `match` selects them.
    #[schema(required = true)]
    service_ids: Option<Vec<i64>>,
    /// Shown with the services while it lasts; null without a note.
    #[schema(required = true)]
    note: Option<String>,
    /// `exclude`: time that is down or unknown is planned; `count`: it counts as ever.
    #[schema(pattern = "^(exclude|count)$", example = "exclude")]
    uptime: &'static str,
    /// Local time of the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "23:00")]
    start: Option<String>,
    /// Five fields of cron.
    #[serde(skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    /// Length of each occurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1h")]
    duration: Option<String>,
    /// Time zone of `start` and `cron`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "UTC")]
    timezone: Option<String>,
    /// Days of `start`; absent for every day.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    every: Vec<String>,
    /// Begin of a single maintenance, in unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<i64>,
    /// Its end, in unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<i64>,
    /// The services by group and name; null when `service_ids` lists them. Without a pattern, each
    /// service.
    #[schema(required = true)]
    r#match: Option<MaintenanceMatch>,
    /// Unix seconds.
    created_at: i64,
    /// Unix seconds.
    updated_at: i64,
}

impl Maintenance {
    pub fn new(record: &MaintenanceRecord, now_ms: i64) -> Self {
        let maintenance = &record.maintenance;
        let definition = &maintenance.definition;
        let schedule = definition.schedule();
        let active_until_ms = schedule.active_until(now_ms);
        let written = &definition.written.keys;
        let text = |key: &str| written.get(key).and_then(Value::as_str).map(str::to_owned);
        let days = written.get("every").and_then(Value::as_array).into_iter().flatten();
        let seconds = |ms: i64| ms.div_euclid(1_000);
        let (zone, once) = match &schedule.timing {
            Timing::Recurring(recurrence) => (Some(recurrence.zone.name().to_owned()), None),
            Timing::Once { from_ms, to_ms } => (None, Some((seconds(*from_ms), seconds(*to_ms)))),
        };
        Self {
            id: maintenance.id,
            origin: maintenance.origin.as_str(),
            active: active_until_ms.is_some(),
            active_until: active_until_ms.map(seconds),
            next_start: schedule.next_start(now_ms.saturating_add(1)).map(seconds),
            enabled: schedule.enabled,
            service_ids: match &definition.scope {
                Scope::Services(ids) => Some(ids.iter().map(|id| id.get()).collect()),
                Scope::Matching(_) => None,
            },
            note: definition.note.as_deref().map(str::to_owned),
            uptime: definition.uptime.as_str(),
            start: text("start"),
            cron: text("cron"),
            duration: text("duration"),
            timezone: zone,
            every: days.filter_map(Value::as_str).map(str::to_owned).collect(),
            from: once.map(|(from, _)| from),
            to: once.map(|(_, to)| to),
            r#match: match &definition.scope {
                Scope::Services(_) => None,
                Scope::Matching(matcher) => Some(MaintenanceMatch {
                    group: matcher.group.clone(),
                    name: matcher.name.clone(),
                }),
            },
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

/// The maintenance that a service is under.
#[derive(Debug, Serialize, ToSchema)]
pub struct Planned {
    /// Unix seconds.
    until: i64,
    /// The note of the maintenance; null without one.
    #[schema(required = true)]
    note: Option<String>,
    maintenance_id: i64,
}

impl Planned {
    pub fn new(active: &Active) -> Self {
        Self {
            until: active.until_ms.div_euclid(1_000),
            note: active.note.as_deref().map(str::to_owned),
            maintenance_id: active.maintenance_id,
        }
    }
}
