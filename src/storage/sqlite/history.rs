//! Reads of the events as spans of time, and of the state of a sealing.

use std::collections::HashMap;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::cold::chunks::ChunkRow;
use super::keys::chunks_of;
use super::schema::{history, service_events, service_metrics, service_tick_chunks};
use crate::domain::{ServiceId, Span, State, Window};
use crate::storage::error::StorageError;
use crate::storage::history::rows::{ChunkInfo, Marks, Sealing, UnsealedService};

type SpanRow = (i64, String, i64, Option<i64>);

/// The events of each service that overlap `window`, oldest first. Those of one service do not
/// overlap each other, so all but the first begin in it.
pub fn spans(
    connection: &mut SqliteConnection,
    ids: &[ServiceId],
    window: Window,
) -> Result<HashMap<ServiceId, Vec<Span>>, StorageError> {
    let mut all: HashMap<ServiceId, Vec<Span>> = HashMap::with_capacity(ids.len());
    for &id in ids {
        let of_service = service_events::table.filter(service_events::service_id.eq(id.get()));
        let first: Option<i64> = of_service
            .filter(service_events::date_started_ms.le(window.from_ms))
            .select(diesel::dsl::max(service_events::date_started_ms))
            .first(connection)?;
        let rows = of_service
            .filter(service_events::date_started_ms.ge(first.unwrap_or(window.from_ms)))
            .filter(service_events::date_started_ms.lt(window.to_ms))
            .order((service_events::date_started_ms, service_events::id))
            .select((
                service_events::id,
                service_events::event,
                service_events::date_started_ms,
                service_events::date_ended_ms,
            ))
            .load_iter::<SpanRow, DefaultLoadingMode>(connection)?;
        let spans = all.entry(id).or_default();
        for row in rows {
            let (event_id, event, from_ms, to_ms) = row?;
            let state = State::from_event(&event).ok_or_else(|| {
                StorageError::Unreadable(format!("service_events, id {event_id}, event: {event}"))
            })?;
            spans.push(Span { state, from_ms, to_ms });
        }
    }
    Ok(all)
}

/// Number of the newest tick of the service.
pub fn newest_seq(connection: &mut SqliteConnection, id: ServiceId) -> Result<u64, StorageError> {
    let counts: Option<(i64, i64)> = service_metrics::table
        .find(id.get())
        .select((service_metrics::tick_count, service_metrics::unknown_count))
        .first(connection)
        .optional()?;
    Ok(counts.map_or(0, |(known, unknown)| (known + unknown).cast_unsigned()))
}

pub fn newest_chunks(
    connection: &mut SqliteConnection,
    ids: &[ServiceId],
) -> Result<HashMap<ServiceId, ChunkInfo>, StorageError> {
    let mut chunks = HashMap::with_capacity(ids.len());
    for &id in ids {
        let newest: Option<ChunkRow> = chunks_of(id)
            .order(service_tick_chunks::first_seq.desc())
            .select(ChunkRow::as_select())
            .first(connection)
            .optional()?;
        chunks.extend(newest.map(|newest| (id, newest.info(id))));
    }
    Ok(chunks)
}

/// The sealing in progress; its id is that of its newest tick.
pub fn sealing(connection: &mut SqliteConnection) -> Result<Option<Sealing>, StorageError> {
    let (tick_id, done_through): (Option<i64>, i64) = history::table
        .select((history::sealing_tick_id, history::sealing_service_id))
        .first(connection)?;
    Ok(tick_id.map(|id| Sealing { id, done_through }))
}

/// Earliest start of the events of the service whose id is greater than `event_id`.
fn first_after(
    connection: &mut SqliteConnection,
    id: ServiceId,
    event_id: i64,
) -> Result<Option<i64>, StorageError> {
    let first = service_events::table
        .filter(service_events::service_id.eq(id.get()))
        .filter(service_events::id.gt(event_id))
        .select(diesel::dsl::min(service_events::date_started_ms))
        .first(connection)?;
    Ok(first)
}

/// See [`StoreRead::first_unsealed_event`](crate::storage::StoreRead::first_unsealed_event).
pub fn first_unsealed_event(
    connection: &mut SqliteConnection,
    id: ServiceId,
) -> Result<Option<i64>, StorageError> {
    type Row = (Option<i64>, i64, i64);
    let (sealing_event_id, done_through, sealed_event_id): Row = history::table
        .select((history::sealing_event_id, history::sealing_service_id, history::sealed_event_id))
        .first(connection)?;
    let of_sealing = sealing_event_id.filter(|_| id.get() <= done_through);
    first_after(connection, id, of_sealing.unwrap_or(sealed_event_id))
}

/// The metric of a service, as far as a sealing needs it.
#[derive(Queryable, Selectable)]
#[diesel(table_name = service_metrics, check_for_backend(diesel::sqlite::Sqlite))]
struct Metric {
    service_id: i64,
    tick_count: i64,
    unknown_count: i64,
    latest_event_id: Option<i64>,
}

/// The next services that are not sealed, by id.
pub fn unsealed_services(
    connection: &mut SqliteConnection,
    sealing: &Sealing,
    limit: usize,
) -> Result<Vec<UnsealedService>, StorageError> {
    let sealed_event_id: i64 = history::table.select(history::sealed_event_id).first(connection)?;
    let metrics: Vec<Metric> = service_metrics::table
        .filter(service_metrics::service_id.gt(sealing.done_through))
        .order(service_metrics::service_id)
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .select(Metric::as_select())
        .load(connection)?;
    let services = metrics.into_iter().map(|metric| {
        let id = ServiceId::new(metric.service_id).ok_or_else(|| {
            let row = format!("service_metrics, service_id {}", metric.service_id);
            StorageError::Unreadable(row)
        })?;
        // By their ids and not by time, since a clock may be set back: whatever the date of an
        // event, the times of the roll-ups there are outdated. Most services have no new event.
        let is_new = metric.latest_event_id.is_some_and(|id| id > sealed_event_id);
        let begun_ms = if is_new { first_after(connection, id, sealed_event_id)? } else { None };
        let newest_seq = (metric.tick_count + metric.unknown_count).cast_unsigned();
        Ok(UnsealedService { id, newest_seq, begun_ms })
    });
    services.collect()
}

/// How far sealing and retention have come.
pub fn marks(connection: &mut SqliteConnection) -> Result<Marks, StorageError> {
    type Row = (i64, i64, i64);
    let (expired_ticks, ticks_expired_to_ms, rollups_expired_to_ms): Row = history::table
        .select((
            history::expired_tick_count,
            history::ticks_expired_to_ms,
            history::rollups_expired_to_ms,
        ))
        .first(connection)?;
    Ok(Marks {
        expired_ticks: expired_ticks.cast_unsigned(),
        ticks_expired_to_ms,
        rollups_expired_to_ms,
    })
}
