//! Taking over a database of go-service-healthcheck (its tables: `docs/design/import.md`).
//!
//! Names, URLs, events and ticks are kept; metrics are computed anew from the ticks, since the original's counts can be
//! one ahead and its means drift. What contradicts itself is mended by the rules below and told, line by line.

mod repair;
mod source;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use self::repair::mend;
pub use self::source::open;
use self::source::{GoEvent, GoMetric, GoService, GoTick};
use crate::domain::history::tick::StoredTick;
use crate::domain::{LatestEvent, Name, State, Tally, Target};
use crate::storage::StorageError;
use crate::storage::imported::{History, ImportedEvent, ImportedService};

/// What was taken over.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Services, deleted ones included.
    pub services: usize,
    /// Events.
    pub events: usize,
    /// Ticks.
    pub ticks: u64,
    /// What was inconsistent, and what was made of it; one sentence each.
    pub findings: Vec<String>,
}

/// A service under import.
struct Taken {
    imported: ImportedService,
    tally: Tally,
    /// State and time of the newest tick so far.
    newest: Option<(State, i64)>,
}

/// Copies everything of `source` (see [`open`]) into the store behind `target`, in one transaction; ticks are sealed in chunks of
/// `chunk_ticks`.
///
/// Ids are kept when the store has no service yet, and given anew otherwise. The error is for a person.
pub fn import(
    mut source: SqliteConnection,
    target: &mut SqliteConnection,
    chunk_ticks: usize,
    now_ms: i64,
) -> Result<Summary, String> {
    let read = |error: diesel::result::Error| {
        format!("the database cannot be read as one of go-service-healthcheck: {error}")
    };
    let services = source::services(&mut source).map_err(read)?;
    let events = source::events(&mut source).map_err(read)?;
    let metrics = source::metrics(&mut source).map_err(read)?;
    let mut summary = Summary::default();

    let copied = target.immediate_transaction(|target| {
        let mut history = History::new(target)?;
        let mut taken = take_services(services, &mut history, &mut summary)?;
        copy_ticks(&mut source, &mut taken, &mut history, &mut summary)?;
        check_metrics(&metrics, &taken, &mut summary);
        let mut by_service = events_by_service(events, &taken, &mut summary);
        for (id, mut taken) in taken {
            let events = by_service.remove(&id).unwrap_or_default();
            let deleted_ms = taken.imported.deleted_at.map(|at| at * 1_000);
            let (events, mended) = mend(events, taken.newest, deleted_ms);
            let name = &taken.imported.name;
            summary
                .findings
                .extend(mended.iter().map(|what| format!("service {id} ({name}): {what}")));
            summary.events += events.len();
            taken.tally.latest = events.last().map(latest);
            history.add_events(&taken.imported, &events, &taken.tally)?;
        }
        history.finish(chunk_ticks, now_ms)
    });
    match copied {
        Ok(()) => Ok(summary),
        Err(StorageError::Conflict(what)) => {
            Err(format!("{what}; a database can be imported once, and nothing was changed"))
        }
        Err(error) => Err(format!("{error}; nothing was changed")),
    }
}

/// Takes over what can be a service here; leaves out and tells what cannot.
fn take_services(
    services: Vec<GoService>,
    history: &mut History,
    summary: &mut Summary,
) -> Result<BTreeMap<i64, Taken>, StorageError> {
    let mut taken = BTreeMap::new();
    let mut living_names = HashSet::new();
    for service in services {
        let told = format!("service {} ({})", service.id, service.name);
        let target = match Target::parse(&service.url) {
            Ok(target) => target,
            Err(why) => {
                summary.findings.push(format!("{told}: url: {why}; left out with its history"));
                continue;
            }
        };
        let name = match free_name(&service, &living_names) {
            Ok(name) => name,
            Err(why) => {
                summary.findings.push(format!("{told}: name: {why}; left out with its history"));
                continue;
            }
        };
        if name.as_str() != service.name {
            summary.findings.push(format!("{told}: name: not unique; kept as {:?}", name.as_str()));
        }
        if service.deleted_at.is_none() {
            living_names.insert(name.as_str().to_owned());
        }
        let imported = history.add_service(
            service.id,
            &name,
            &target,
            service.created_at,
            service.updated_at,
            service.deleted_at,
        )?;
        if imported.id.get() != service.id {
            summary.findings.push(format!("{told}: its id is {} here", imported.id));
        }
        taken.insert(service.id, Taken { imported, tally: Tally::default(), newest: None });
    }
    summary.services = taken.len();
    Ok(taken)
}

/// The name of a service, made unique among the living by a number.
fn free_name(service: &GoService, taken: &HashSet<String>) -> Result<Name, String> {
    let trimmed = service.name.trim();
    let mut name = Name::parse(trimmed).map_err(|why| why.to_string())?;
    let mut number = 2;
    while service.deleted_at.is_none() && taken.contains(name.as_str()) {
        let text = format!("{trimmed}-{number}");
        name = Name::parse(&text).map_err(|why| why.to_string())?;
        number += 1;
    }
    Ok(name)
}

fn copy_ticks(
    source: &mut SqliteConnection,
    taken: &mut BTreeMap<i64, Taken>,
    history: &mut History,
    summary: &mut Summary,
) -> Result<(), StorageError> {
    let ticks = diesel::sql_query(source::TICKS).load_iter::<GoTick, DefaultLoadingMode>(source)?;
    let (mut strays, mut unusable) = (0u64, 0u64);
    for tick in ticks {
        let tick = tick?;
        let Some(service) = taken.get_mut(&tick.service_id) else {
            strays += 1;
            continue;
        };
        let usable = tick.is_up.zip(tick.response_time_ms).zip(tick.at_ms);
        let time = |ms: f64| Duration::try_from_secs_f64(ms / 1e3).ok();
        let Some((((is_up, _), at_ms), response_time)) =
            usable.and_then(|usable| Some((usable, time(usable.0.1)?)))
        else {
            unusable += 1;
            continue;
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
            // The longest duration there is has more microseconds than a tick can hold, and lasts 292,000 years.
            response_time_us: u64::try_from(response_time.as_micros()).unwrap_or_default(),
            phases_us: None,
            http_status: None,
            reason: None,
        };
        history.add_tick(&service.imported, &tick)?;
    }
    if strays > 0 {
        summary
            .findings
            .push(format!("{strays} ticks belong to no service that was taken over; left out"));
    }
    if unusable > 0 {
        summary.findings.push(format!(
            "{unusable} ticks have no usable state, response time or date; left out"
        ));
    }
    Ok(())
}

fn check_metrics(metrics: &[GoMetric], taken: &BTreeMap<i64, Taken>, summary: &mut Summary) {
    let mut told = |what: String| summary.findings.push(what);
    for metric in metrics {
        let id = metric.service_id;
        let Some(Taken { imported, tally, .. }) = taken.get(&id) else {
            told(format!("a metric is of service {id}, which was not taken over; left out"));
            continue;
        };
        let name = &imported.name;
        for (counted, says, has) in [
            ("ticks", metric.tick_count, tally.tick_count),
            ("ticks up", metric.up_count, tally.up_count),
            ("ticks down", metric.down_count, tally.down_count()),
        ] {
            if u64::try_from(says) != Ok(has) {
                told(format!(
                    "service {id} ({name}): counts {says} {counted} and has {has}; counted anew"
                ));
            }
        }
        let (says, mean) = (metric.average_response_time_ms, tally.average_response_time_ms());
        if (says - mean).abs() > 0.001 {
            told(format!(
                "service {id} ({name}): average_response_time_ms is {says:.3} and should be {mean:.3}; computed anew"
            ));
        }
    }
    let with_metric: HashSet<i64> = metrics.iter().map(|metric| metric.service_id).collect();
    for (id, Taken { imported, tally, .. }) in taken {
        if tally.tick_count > 0 && !with_metric.contains(id) {
            told(format!(
                "service {id} ({}): has ticks and no metric; counted anew",
                imported.name
            ));
        }
    }
}

/// The events of each service; leaves out and tells what is no event.
fn events_by_service(
    events: Vec<GoEvent>,
    taken: &BTreeMap<i64, Taken>,
    summary: &mut Summary,
) -> BTreeMap<i64, Vec<ImportedEvent>> {
    let mut sorted: BTreeMap<i64, Vec<ImportedEvent>> = BTreeMap::new();
    for event in events {
        let told = format!("event {} of service {}", event.id, event.service_id);
        let (state, started_ms) = (State::from_event(&event.event), event.started_ms);
        match (taken.contains_key(&event.service_id), state, started_ms) {
            (true, Some(state), Some(started_ms)) => {
                sorted.entry(event.service_id).or_default().push(ImportedEvent {
                    state,
                    started_ms,
                    ended_ms: event.ended_ms,
                    created_at: event.created_at.unwrap_or(started_ms / 1_000),
                    updated_at: event.updated_at.unwrap_or(started_ms / 1_000),
                });
            }
            (false, ..) => summary.findings.push(format!("{told}: no such service; left out")),
            _ => summary
                .findings
                .push(format!("{told}: neither a known event nor a usable time; left out")),
        }
    }
    sorted
}

fn latest(event: &ImportedEvent) -> LatestEvent {
    LatestEvent {
        state: event.state,
        started_at_ms: event.started_ms,
        open: event.ended_ms.is_none(),
    }
}
