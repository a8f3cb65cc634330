//! `service-healthcheck import go-db FILE`: imports a database of go-service-healthcheck (its
//! tables: `docs/design/import.md`).
//!
//! Names, URLs, events and ticks are copied. Metrics are computed from the ticks, since the
//! original's counts can be one too high and its means drift. Contradictions are repaired by the
//! rules below, and each repair is printed as a line.

mod repair;

use std::collections::{BTreeMap, HashSet};
use std::mem::take;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use self::repair::repair;
use crate::clock::unix_ms;
use crate::commands::output::print_line;
use crate::commands::unused_store::{self, Opened};
use crate::config::{Config, StorageConfig};
use crate::domain::audit::{Action, AuditEntry, AuditSource, Differences, Object, ObjectKind};
use crate::domain::history::tick::StoredTick;
use crate::domain::{LatestEvent, Name, State, Tally, Target};
use crate::error::Error;
use crate::storage::import::{ImportedEvent, ImportedService, NewService};
use crate::storage::port::StoreImport;
use crate::storage::sqlite::go_db::{GoDatabase, GoEvent, GoMetric, GoService};
use crate::storage::{OpenError, StorageError, Store, StoreWrite};

/// Imports `file` into the configured store.
pub(in crate::commands) fn run(config: &Config, file: &Path) -> Result<(), Error> {
    // The source first, so that a wrong name creates no store.
    let source = GoDatabase::open(file).map_err(Error::Failed)?;
    let store = open_unused(&config.storage)?;
    let mut target = store.access().writer()?;
    let chunk_ticks = config.storage.chunk_ticks as usize;
    let summary = import(source, &mut *target, chunk_ticks, unix_ms()).map_err(Error::Failed)?;
    summary.findings.iter().for_each(print_line);
    let Summary { services, events, ticks, .. } = summary;
    let name = match &config.storage.database {
        Some(database) => database.shown(),
        None => config.storage.file.display().to_string(),
    };
    print_line(format_args!(
        "imported {services} services, {events} events and {ticks} ticks into {name}"
    ));
    Ok(())
}

/// The configured store, which no service may use.
fn open_unused(storage: &StorageConfig) -> Result<Store, Error> {
    match unused_store::open(storage, "import") {
        Ok(Opened::Unused(store)) => Ok(store),
        Ok(Opened::InUse(by)) => Err(Error::Failed(format!("{by}; stop it first"))),
        Err(Error::Open(error @ OpenError::Foreign { .. })) => {
            Err(Error::Failed(format!("{error}; set DB_FILE to the file to import into")))
        }
        Err(error) => Err(error),
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Summary {
    /// Services, deleted ones included.
    services: usize,
    events: usize,
    ticks: u64,
    /// Each contradiction in the source and how it was repaired; one sentence each.
    findings: Vec<String>,
}

/// A service under import.
struct Importing {
    imported: ImportedService,
    tally: Tally,
    /// State and time of the newest tick so far.
    newest: Option<(State, i64)>,
}

/// Copies `source` into the store behind `target` in one transaction, and seals the ticks in chunks
/// of `chunk_ticks`. Services keep their ids when the store has no service yet, and get new ones
/// otherwise.
fn import(
    mut source: GoDatabase,
    target: &mut dyn StoreWrite,
    chunk_ticks: usize,
    now_ms: i64,
) -> Result<Summary, String> {
    let mut services = source.services()?;
    let mut events = source.events()?;
    let metrics = source.metrics()?;
    let mut summary = Summary::default();

    let copied = target.import(&mut |history| {
        let mut importing = copy_services(take(&mut services), history, &mut summary)?;
        copy_ticks(&mut source, &mut importing, history, &mut summary)?;
        check_metrics(&metrics, &importing, &mut summary);
        let mut by_service = events_by_service(take(&mut events), &importing, &mut summary);
        for (id, mut service) in importing {
            let events = by_service.remove(&id).unwrap_or_default();
            let deleted_ms = service.imported.deleted_at.map(|at| at * 1_000);
            let (events, repairs) = repair(events, service.newest, deleted_ms);
            let name = &service.imported.name;
            let findings = repairs.iter().map(|repair| format!("service {id} ({name}): {repair}"));
            summary.findings.extend(findings);
            summary.events += events.len();
            service.tally.latest = events.last().map(latest_event);
            history.add_events(&service.imported, &events, &service.tally)?;
        }
        history.record_audit(&audited(&summary, now_ms))?;
        history.seal_all(chunk_ticks, now_ms)
    });
    match copied {
        Ok(()) => Ok(summary),
        Err(StorageError::Conflict(why)) => {
            Err(format!("{why}; a database can be imported once, and nothing was changed"))
        }
        Err(error) => Err(format!("{error}; nothing was changed")),
    }
}

/// The row of the audit.
fn audited(summary: &Summary, now_ms: i64) -> AuditEntry {
    let Summary { services, events, ticks, .. } = summary;
    let counts = [
        ("services", (*services).into()),
        ("events", (*events).into()),
        ("ticks", (*ticks).into()),
    ];
    let after = counts.into_iter().map(|(name, count): (_, Value)| (name.to_owned(), count));
    AuditEntry {
        at_ms: now_ms,
        source: AuditSource::COMMAND,
        action: Action::Import,
        object: Object { kind: ObjectKind::Store, id: None, name: Some("go-db".to_owned()) },
        differences: Differences { before: None, after: Some(after.collect()) },
    }
}

/// Leaves out services whose name or URL is invalid.
fn copy_services(
    services: Vec<GoService>,
    history: &mut dyn StoreImport,
    summary: &mut Summary,
) -> Result<BTreeMap<i64, Importing>, StorageError> {
    let mut importing = BTreeMap::new();
    let mut used_names = HashSet::new();
    for service in services {
        let subject = format!("service {} ({})", service.id, service.name);
        let mut finding = |text: String| summary.findings.push(format!("{subject}: {text}"));
        let target = match Target::parse(&service.url) {
            Ok(target) => target,
            Err(why) => {
                finding(format!("url: {why}; left out with its history"));
                continue;
            }
        };
        let name = match unique_name(&service, &used_names) {
            Ok(name) => name,
            Err(why) => {
                finding(format!("name: {why}; left out with its history"));
                continue;
            }
        };
        if name.as_str() != service.name {
            finding(format!("name: not unique; imported as {:?}", name.as_str()));
        }
        if service.deleted_at.is_none() {
            used_names.insert(name.as_str().to_owned());
        }
        let imported = history.add_service(&NewService {
            id: service.id,
            name: &name,
            target: &target,
            created_at: service.created_at,
            updated_at: service.updated_at,
            deleted_at: service.deleted_at,
        })?;
        if imported.id.get() != service.id {
            finding(format!("imported with id {}", imported.id));
        }
        let tally = Tally::default();
        importing.insert(service.id, Importing { imported, tally, newest: None });
    }
    summary.services = importing.len();
    Ok(importing)
}

/// The name of a service; a number makes it unique among those that are not deleted.
fn unique_name(service: &GoService, used: &HashSet<String>) -> Result<Name, String> {
    let trimmed = service.name.trim();
    let mut name = Name::parse(trimmed).map_err(|why| why.to_string())?;
    let mut number = 2;
    while service.deleted_at.is_none() && used.contains(name.as_str()) {
        let text = format!("{trimmed}-{number}");
        name = Name::parse(&text).map_err(|why| why.to_string())?;
        number += 1;
    }
    Ok(name)
}

/// Leaves out ticks of unknown services and ticks with an invalid value.
fn copy_ticks(
    source: &mut GoDatabase,
    importing: &mut BTreeMap<i64, Importing>,
    history: &mut dyn StoreImport,
    summary: &mut Summary,
) -> Result<(), StorageError> {
    let (mut without_service, mut invalid) = (0u64, 0u64);
    source.each_tick(|tick| {
        let Some(service) = importing.get_mut(&tick.service_id) else {
            without_service += 1;
            return Ok(());
        };
        let duration = |ms: f64| Duration::try_from_secs_f64(ms / 1e3).ok();
        let response_time = tick.response_time_ms.and_then(duration);
        let (Some(is_up), Some(response_time), Some(at_ms)) =
            (tick.is_up, response_time, tick.at_ms)
        else {
            invalid += 1;
            return Ok(());
        };
        let state = if is_up { State::Up } else { State::Down };
        service.tally.tick_count += 1;
        service.tally.up_count += u64::from(is_up);
        service.tally.response_time_sum += response_time;
        service.newest = Some((state, at_ms));
        summary.ticks += 1;
        let tick = StoredTick {
            at_ms,
            state,
            // Only a response time of 292,000 years has more microseconds than a tick can hold.
            response_time_us: u64::try_from(response_time.as_micros()).unwrap_or_default(),
            phases_us: None,
            http_status: None,
            reason: None,
        };
        history.add_tick(&service.imported, &tick)
    })?;
    let mut finding = |count: u64, what: &str| {
        if count > 0 {
            summary.findings.push(format!("{count} ticks {what}; left out"));
        }
    };
    finding(without_service, "belong to no imported service");
    finding(invalid, "have an invalid state, response time or date");
    Ok(())
}

/// Reports where the stored metrics differ from those computed from the ticks.
fn check_metrics(
    metrics: &[GoMetric],
    importing: &BTreeMap<i64, Importing>,
    summary: &mut Summary,
) {
    let mut finding = |text: String| summary.findings.push(text);
    for metric in metrics {
        let id = metric.service_id;
        let Some(Importing { imported, tally, .. }) = importing.get(&id) else {
            finding(format!("a metric belongs to service {id}, which was not imported; left out"));
            continue;
        };
        let name = &imported.name;
        for (what, stored, counted) in [
            ("ticks", metric.tick_count, tally.tick_count),
            ("ticks up", metric.up_count, tally.up_count),
            ("ticks down", metric.down_count, tally.down_count()),
        ] {
            if u64::try_from(stored) != Ok(counted) {
                finding(format!(
                    "service {id} ({name}): the metric has {stored} {what}, the history {counted}; \
                     recomputed"
                ));
            }
        }
        let (stored, mean) = (metric.average_response_time_ms, tally.average_response_time_ms());
        if (stored - mean).abs() > 0.001 {
            finding(format!(
                "service {id} ({name}): average_response_time_ms is {stored:.3}, expected \
                 {mean:.3}; recomputed"
            ));
        }
    }
    let with_metric: HashSet<i64> = metrics.iter().map(|metric| metric.service_id).collect();
    for (id, Importing { imported, tally, .. }) in importing {
        if tally.tick_count > 0 && !with_metric.contains(id) {
            finding(format!("service {id} ({}): has ticks but no metric; computed", imported.name));
        }
    }
}

/// The events of each service; leaves out invalid ones.
fn events_by_service(
    events: Vec<GoEvent>,
    importing: &BTreeMap<i64, Importing>,
    summary: &mut Summary,
) -> BTreeMap<i64, Vec<ImportedEvent>> {
    let mut sorted: BTreeMap<i64, Vec<ImportedEvent>> = BTreeMap::new();
    for event in events {
        let subject = format!("event {} of service {}", event.id, event.service_id);
        let (state, started_ms) = (State::from_event(&event.event), event.started_ms);
        match (importing.contains_key(&event.service_id), state, started_ms) {
            (true, Some(state), Some(started_ms)) => {
                sorted.entry(event.service_id).or_default().push(ImportedEvent {
                    state,
                    started_ms,
                    ended_ms: event.ended_ms,
                    created_at: event.created_at.unwrap_or(started_ms / 1_000),
                    updated_at: event.updated_at.unwrap_or(started_ms / 1_000),
                });
            }
            (false, ..) => summary.findings.push(format!("{subject}: no such service; left out")),
            _ => {
                summary.findings.push(format!("{subject}: invalid event or start; left out"));
            }
        }
    }
    sorted
}

fn latest_event(event: &ImportedEvent) -> LatestEvent {
    LatestEvent {
        state: event.state,
        started_at_ms: event.started_ms,
        open: event.ended_ms.is_none(),
    }
}
