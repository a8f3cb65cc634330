//! Taking over a database of go-service-healthcheck (its tables: `docs/design.md`, "The seed's database").
//!
//! Names, URLs, events and ticks are kept; metrics are computed anew from the ticks, since the original's counts can be
//! one ahead and its means drift. What contradicts itself is mended by the rules below and told, line by line.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Duration;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Nullable, Text};
use diesel::sqlite::SqliteConnection;

use crate::domain::{LatestEvent, Name, State, Tally, Target};
use crate::storage::StorageError;
use crate::storage::history::{History, ImportedEvent, ImportedService, ImportedTick};

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

#[derive(QueryableByName)]
struct GoService {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    url: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    created_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    updated_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    deleted_at: Option<i64>,
}

#[derive(QueryableByName)]
struct GoEvent {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    service_id: i64,
    #[diesel(sql_type = Text)]
    event: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    started_ms: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    ended_ms: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    created_at: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    updated_at: Option<i64>,
}

#[derive(QueryableByName)]
struct GoTick {
    #[diesel(sql_type = BigInt)]
    service_id: i64,
    #[diesel(sql_type = Bool)]
    is_up: bool,
    #[diesel(sql_type = Double)]
    response_time_ms: f64,
    #[diesel(sql_type = Nullable<BigInt>)]
    at_ms: Option<i64>,
}

#[derive(QueryableByName)]
struct GoMetric {
    #[diesel(sql_type = BigInt)]
    service_id: i64,
    #[diesel(sql_type = BigInt)]
    tick_count: i64,
    #[diesel(sql_type = Double)]
    average_response_time_ms: f64,
}

/// A service under import.
struct Taken {
    imported: ImportedService,
    tally: Tally,
    /// State and time of the newest tick so far.
    newest: Option<(State, i64)>,
}

/// Copies everything of `file` into the store behind `target`, in one transaction. `file` is only read.
///
/// Ids are kept when the store has no service yet, and given anew otherwise. The error is for a person.
pub fn import(file: &Path, target: &mut SqliteConnection) -> Result<Summary, String> {
    let mut source = open(file)?;
    let read = |error: diesel::result::Error| format!("{}: {error}", file.display());
    let services = load_services(&mut source).map_err(read)?;
    let events = load_events(&mut source).map_err(read)?;
    let metrics = load_metrics(&mut source).map_err(read)?;
    let mut summary = Summary::default();

    let copied = target.immediate_transaction(|target| {
        let mut history = History::new(target)?;
        let mut taken = take_services(services, &mut history, &mut summary)?;
        copy_ticks(&mut source, &mut taken, &mut history, &mut summary)?;
        check_metrics(&metrics, &taken, &mut summary);
        let mut by_service = sort_events(events, &taken, &mut summary);
        for (id, mut taken) in taken {
            let mut events = by_service.remove(&id).unwrap_or_default();
            mend_events(&mut events, &taken, &mut summary);
            summary.events += events.len();
            taken.tally.latest = events.last().map(latest);
            history.add_events(&taken.imported, &events, &taken.tally)?;
        }
        Ok::<_, StorageError>(())
    });
    match copied {
        Ok(()) => Ok(summary),
        Err(StorageError::Conflict(what)) => {
            Err(format!("{what}; a database can be imported once, and nothing was changed"))
        }
        Err(error) => Err(format!("{error}; nothing was changed")),
    }
}

fn open(file: &Path) -> Result<SqliteConnection, String> {
    if !file.is_file() {
        return Err(format!("{}: no such file", file.display()));
    }
    let path = file.to_str().ok_or("its path is not UTF-8")?;
    let escaped = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    SqliteConnection::establish(&format!("file:{escaped}?mode=ro"))
        .map_err(|error| format!("{}: {error}", file.display()))
}

fn load_services(source: &mut SqliteConnection) -> QueryResult<Vec<GoService>> {
    diesel::sql_query(
        "SELECT id, name, url, unixepoch(created_at) AS created_at, unixepoch(updated_at) AS updated_at, \
         unixepoch(deleted_at) AS deleted_at FROM services ORDER BY id",
    )
    .load(source)
}

fn load_events(source: &mut SqliteConnection) -> QueryResult<Vec<GoEvent>> {
    diesel::sql_query(
        "SELECT id, service_id, event, \
         CAST(round(unixepoch(date_started, 'subsec') * 1000) AS INTEGER) AS started_ms, \
         CAST(round(unixepoch(date_ended, 'subsec') * 1000) AS INTEGER) AS ended_ms, \
         unixepoch(created_at) AS created_at, unixepoch(updated_at) AS updated_at \
         FROM service_events ORDER BY id",
    )
    .load(source)
}

fn load_metrics(source: &mut SqliteConnection) -> QueryResult<Vec<GoMetric>> {
    diesel::sql_query(
        "SELECT service_id, tick_count, CAST(average_response_time_ms AS REAL) AS average_response_time_ms \
         FROM service_metrics ORDER BY service_id",
    )
    .load(source)
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
    let ticks = diesel::sql_query(
        "SELECT service_id, is_up, CAST(response_time_ms AS REAL) AS response_time_ms, \
         CAST(round(unixepoch(created_at, 'subsec') * 1000) AS INTEGER) AS at_ms \
         FROM service_ticks ORDER BY created_at, rowid",
    )
    .load_iter::<GoTick, DefaultLoadingMode>(source)?;
    let (mut strays, mut unusable) = (0u64, 0u64);
    for tick in ticks {
        let tick = tick?;
        let Some(service) = taken.get_mut(&tick.service_id) else {
            strays += 1;
            continue;
        };
        let seconds = tick.response_time_ms / 1e3;
        let (Some(at_ms), Ok(response_time)) = (tick.at_ms, Duration::try_from_secs_f64(seconds))
        else {
            unusable += 1;
            continue;
        };
        let state = if tick.is_up { State::Up } else { State::Down };
        service.tally.tick_count += 1;
        service.tally.up_count += u64::from(tick.is_up);
        service.tally.response_time_sum += response_time;
        service.newest = Some((state, at_ms));
        summary.ticks += 1;
        history.add_tick(
            &service.imported,
            &ImportedTick { is_up: tick.is_up, response_time_ms: tick.response_time_ms, at_ms },
        )?;
    }
    if strays > 0 {
        summary
            .findings
            .push(format!("{strays} ticks belong to no service that was taken over; left out"));
    }
    if unusable > 0 {
        summary.findings.push(format!("{unusable} ticks have no usable time; left out"));
    }
    Ok(())
}

fn check_metrics(metrics: &[GoMetric], taken: &BTreeMap<i64, Taken>, summary: &mut Summary) {
    for metric in metrics {
        let Some(Taken { imported, tally, .. }) = taken.get(&metric.service_id) else { continue };
        let told = format!("service {} ({})", metric.service_id, imported.name);
        if u64::try_from(metric.tick_count) != Ok(tally.tick_count) {
            summary.findings.push(format!(
                "{told}: counts {} ticks and has {}; counted anew",
                metric.tick_count, tally.tick_count
            ));
        }
        let mean = tally.average_response_time_ms();
        if (metric.average_response_time_ms - mean).abs() > 0.001 {
            summary.findings.push(format!(
                "{told}: average_response_time_ms is {:.3} and should be {mean:.3}; computed anew",
                metric.average_response_time_ms
            ));
        }
    }
}

/// The events of each service in order; leaves out and tells what is no event.
fn sort_events(
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
    for events in sorted.values_mut() {
        events.sort_by_key(|event| event.started_ms);
    }
    sorted
}

/// Makes the events agree with themselves and with the newest tick: none ends before it starts, only the newest lasts,
/// and it says what the newest tick says.
fn mend_events(events: &mut Vec<ImportedEvent>, taken: &Taken, summary: &mut Summary) {
    let told = format!("service {}", taken.imported.name);
    let starts: Vec<i64> = events.iter().map(|event| event.started_ms).collect();
    for (nth, event) in events.iter_mut().enumerate() {
        let next = starts.get(nth + 1).copied();
        let mended = match (event.ended_ms, next) {
            (None, Some(next)) => Some(next),
            (Some(ended), _) if ended < event.started_ms => Some(event.started_ms),
            (ended, _) => ended,
        };
        if mended != event.ended_ms {
            let word = event.state.event();
            summary
                .findings
                .push(format!("{told}: a {word} ended never or before it started; mended"));
            event.ended_ms = mended;
        }
    }
    let deleted_ms = taken.imported.deleted_at.map(|at| at * 1_000);
    if let Some((state, at_ms)) = taken.newest {
        let agrees =
            events.last().is_some_and(|event| event.state == state && event.ended_ms.is_none());
        if !agrees && deleted_ms.is_none() {
            let word = state.event();
            summary.findings.push(format!("{told}: the newest event does not say what the newest tick says; a {word} begins there"));
            let mut started_ms = at_ms;
            if let Some(last) = events.last_mut() {
                started_ms = started_ms.max(last.started_ms);
                last.ended_ms.get_or_insert(started_ms);
            }
            let at = started_ms / 1_000;
            events.push(ImportedEvent {
                state,
                started_ms,
                ended_ms: None,
                created_at: at,
                updated_at: at,
            });
        }
    }
    if let (Some(deleted_ms), Some(last)) = (deleted_ms, events.last_mut()) {
        last.ended_ms.get_or_insert(deleted_ms.max(last.started_ms));
    }
}

fn latest(event: &ImportedEvent) -> LatestEvent {
    LatestEvent {
        state: event.state,
        started_at_ms: event.started_ms,
        open: event.ended_ms.is_none(),
    }
}
