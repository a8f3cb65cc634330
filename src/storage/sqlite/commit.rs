//! The hot commit: a batch as one transaction of prepared statements.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::cold::alerting::alert_rows::NewSignalRow;
use super::cold::facts::FactsRow;
use super::cold::rows::{EventRow, MetricRow, NewEventRow, ServiceRow};
use super::cold::services::{record_columns, records};
use super::metrics;
use super::metrics::TallyRow;
use super::prepared::{Prepared, Text};
use super::rows::TickRow;
use super::schema::{
    alert_signals, liveness, service_events, service_facts, service_metrics, services,
};
use crate::domain::history::facts::FactsSince;
use crate::domain::{Event, IdMap, ServiceId};
use crate::storage::batch::{Batch, EndedEvent, Entry, NewEvent, NewMetric, Stored};
use crate::storage::error::StorageError;

/// A service with its metric, its newest event and the id of its newest tick.
type StoredRow = (ServiceRow, Option<MetricRow>, Option<EventRow>, Option<i64>);

/// Services whose ids are at most this far apart are read together: the services that are due
/// together are neighbours, and a row takes a fraction of a statement.
const NEIGHBOURS: i64 = 8;

/// The stored states of services, in the order of `ids`. No statement has a limit: SQLite plans
/// with the value of a limit, and so prepares the statement again for each execution.
pub fn entries(
    connection: &mut SqliteConnection,
    ids: &[ServiceId],
) -> Result<Vec<Entry>, StorageError> {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let mut entries = IdMap::default();
    for run in sorted.chunk_by(|one, next| next.get() - one.get() <= NEIGHBOURS) {
        read(connection, run, &mut entries)?;
    }
    Ok(ids.iter().map(|id| entries.get(*id).copied().unwrap_or_default()).collect())
}

/// Reads the services of `run` that are watched; it is in order.
fn read(
    connection: &mut SqliteConnection,
    run: &[ServiceId],
    entries: &mut IdMap<Entry>,
) -> Result<(), StorageError> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
    let (service, metric, event) = record_columns();
    let rows: Vec<StoredRow> = records()
        .filter(services::id.between(first.get(), last.get()))
        .filter(services::deleted_at.is_null().and(services::enabled))
        .select((service, metric, event, service_metrics::latest_tick_id.nullable()))
        .load(connection)?;
    for (service, metric, event, latest_tick_id) in rows {
        let Some(id) = ServiceId::new(service.id).filter(|id| run.binary_search(id).is_ok()) else {
            continue;
        };
        let event = event.map(EventRow::event).transpose()?;
        let latest_event_id = match &event {
            Some(event) => Some(event.id),
            // Another program may have deleted the metric of a service with events, or its
            // reference.
            None => open_event(connection, id)?,
        };
        let latest = event.as_ref().map(Event::latest);
        let entry = Entry {
            is_watched: true,
            has_metric: metric.is_some(),
            thresholds: service.thresholds(),
            facts: newest_facts(connection, id)?,
            latest_event_id,
            latest_tick_id,
            runs: metric.as_ref().map(MetricRow::runs).unwrap_or_default(),
            unwatched_from_ms: metric.as_ref().and_then(|metric| metric.unwatched_from_ms),
            tally: metric.map(|metric| metric.tally(latest)).unwrap_or_default(),
            ..Entry::default()
        };
        entries.insert(id, entry);
    }
    Ok(())
}

/// Row of the open event of the service.
fn open_event(
    connection: &mut SqliteConnection,
    id: ServiceId,
) -> Result<Option<i64>, StorageError> {
    let open = service_events::table
        .filter(service_events::service_id.eq(id.get()))
        .filter(service_events::date_ended_ms.is_null())
        .select(service_events::id)
        .get_result(connection)
        .optional()?;
    Ok(open)
}

/// Reads the first row only.
fn newest_facts(
    connection: &mut SqliteConnection,
    id: ServiceId,
) -> Result<Option<FactsSince>, StorageError> {
    let row = service_facts::table
        .filter(service_facts::service_id.eq(id.get()))
        .order((service_facts::at_ms.desc(), service_facts::id.desc()))
        .select(FactsRow::as_select())
        .get_result(connection)
        .optional()?;
    row.map(|row: FactsRow| row.since()).transpose()
}

/// Writes `batch`. Part of the caller's transaction.
pub fn commit(
    connection: &mut SqliteConnection,
    batch: &Batch<'_>,
) -> Result<Stored, StorageError> {
    for new in &batch.ticks {
        TickRow::new(new.id, new.service_id, new.previous_id, &new.tick).insert(connection)?;
    }
    // Before another event of the service begins: at most one is open.
    for event in &batch.ended {
        end(connection, event)?;
    }
    let begun = batch.begun.iter().map(|event| begin(connection, event, batch.now_ms));
    let stored = Stored { event_ids: begun.collect::<Result<_, _>>()? };
    for signal in &batch.signals {
        let insert = diesel::insert_into(alert_signals::table);
        insert.values(NewSignalRow::from(signal)).execute(connection)?;
    }
    for new in &batch.facts {
        let insert = diesel::insert_into(service_facts::table);
        insert.values(FactsRow::from(new)).execute(connection)?;
    }
    for (id, metric) in &batch.metrics {
        write_metric(connection, *id, metric, &stored, batch.now_ms)?;
    }
    let latest_ms = batch.ticks.iter().map(|new| new.tick.at_ms).max();
    if latest_ms.is_some_and(|at_ms| at_ms >= batch.now_ms - TICK_IS_MARK_MS) {
        move_old_liveness(connection, batch.now_ms)?;
    } else {
        move_liveness(connection, batch.now_ms)?;
    }
    Ok(stored)
}

/// The latest tick takes the place of the liveness mark
/// ([`moments`](crate::storage::gaps::GapWrite::moments)) when it began at most this long before
/// the commit: moving the mark would write one more page with each commit.
const TICK_IS_MARK_MS: i64 = 2_000;

/// The mark is moved all the same when it is older, so that it bounds the ticks that may take its
/// place, and for programs that read the table.
pub const MARK_MOST_MS: i64 = 60_000;

fn end(connection: &mut SqliteConnection, event: &EndedEvent) -> Result<(), StorageError> {
    let EndedEvent { id, at_ms } = *event;
    Prepared::new(End, [at_ms, at_ms, id].map(Some)).execute(connection)?;
    Ok(())
}

/// An open event ends, at its own start if it began later.
struct End;

impl Text<3> for End {
    const PARTS: [&'static str; 3] = [
        "UPDATE service_events SET date_ended_ms = max(date_started_ms, ",
        "), updated_at = max(date_started_ms, ",
        ") / 1000 WHERE date_ended_ms IS NULL AND id = ",
    ];
}

fn begin(
    connection: &mut SqliteConnection,
    event: &NewEvent<'_>,
    now_ms: i64,
) -> Result<i64, StorageError> {
    let now = now_ms / 1_000;
    let row = NewEventRow {
        service_id: event.service_id.get(),
        event: event.state.event(),
        failure: event.failure.map(|failure| failure.reason.as_str()),
        failure_detail: event.failure.map(|failure| failure.detail.as_str()),
        date_started_ms: event.started_ms,
        date_ended_ms: event.ended_ms,
        created_at: now,
        updated_at: event.ended_ms.map_or(now, |ended_ms| ended_ms / 1_000),
    };
    let insert = diesel::insert_into(service_events::table).values(row);
    Ok(insert.returning(service_events::id).get_result(connection)?)
}

fn write_metric(
    connection: &mut SqliteConnection,
    id: ServiceId,
    metric: &NewMetric,
    stored: &Stored,
    now_ms: i64,
) -> Result<(), StorageError> {
    let NewMetric { entry, begun, clears_unwatched, changes_runs, result: _, relayed_seq } = metric;
    let begun = begun.and_then(|nth| stored.event_ids.get(nth).copied());
    let now = now_ms / 1_000;
    // Without a tally, the entry's event is one that a lost metric referenced.
    let latest_event_id = begun.or(entry.tally.latest.and(entry.latest_event_id));
    let row = TallyRow::new(id, &entry.tally, latest_event_id, entry.latest_tick_id, now);
    if !entry.has_metric {
        row.insert(connection)?;
        if *changes_runs {
            metrics::set_runs(connection, id, &entry.runs)?;
        }
        return Ok(());
    }
    if let Some(event_id) = begun {
        metrics::set_latest_event(connection, id, event_id)?;
    }
    if *clears_unwatched {
        metrics::clear_unwatched(connection, id)?;
    }
    if *changes_runs {
        metrics::set_runs(connection, id, &entry.runs)?;
    }
    row.update(connection, *relayed_seq)
}

/// Sets the liveness mark if it is old or missing; otherwise no page is written.
fn move_old_liveness(connection: &mut SqliteConnection, now_ms: i64) -> Result<(), StorageError> {
    Prepared::new(MoveOld, [now_ms, now_ms - MARK_MOST_MS].map(Some)).execute(connection)?;
    Ok(())
}

struct MoveOld;

impl Text<2> for MoveOld {
    const PARTS: [&'static str; 2] = [
        "INSERT INTO liveness (id, at_ms) VALUES (1, ",
        ") ON CONFLICT (id) DO UPDATE \
            SET at_ms = excluded.at_ms WHERE liveness.at_ms < ",
    ];
}

/// Sets the liveness mark. Part of the caller's transaction.
pub fn move_liveness(connection: &mut SqliteConnection, now_ms: i64) -> Result<(), StorageError> {
    diesel::insert_into(liveness::table)
        .values((liveness::id.eq(1), liveness::at_ms.eq(now_ms)))
        .on_conflict(liveness::id)
        .do_update()
        .set(liveness::at_ms.eq(now_ms))
        .execute(connection)?;
    Ok(())
}
