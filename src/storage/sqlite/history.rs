//! Reads of the events as spans of time, and of the state of a sealing.

use std::collections::HashMap;

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};

use super::cold::chunks::ChunkRow;
use super::cold::first_row::FirstRow;
use super::ids::json_of;
use super::keys::chunks_of;
use super::schema::{history, service_events, service_metrics, service_tick_chunks};
use crate::domain::{ServiceId, Span, State, Window};
use crate::storage::error::StorageError;
use crate::storage::history::rows::{ChunkInfo, Marks, Sealing, UnsealedService};

/// The events of each service that overlap `window`, oldest first.
pub fn spans(
    connection: &mut SqliteConnection,
    ids: &[ServiceId],
    window: Window,
) -> Result<HashMap<ServiceId, Vec<Span>>, StorageError> {
    type Row = (i64, i64, String, i64, Option<i64>);
    let mut all: HashMap<ServiceId, Vec<Span>> = ids.iter().map(|id| (*id, Vec::new())).collect();
    let spans = Spans { ids: json_of(ids), window };
    for row in spans.load_iter::<Row, DefaultLoadingMode>(connection)? {
        let (service_id, event_id, event, from_ms, to_ms) = row?;
        let state = State::from_event(&event).ok_or_else(|| {
            StorageError::Unreadable(format!("service_events, id {event_id}, event: {event}"))
        })?;
        let spans = ServiceId::new(service_id).and_then(|id| all.get_mut(&id));
        spans.into_iter().for_each(|spans| spans.push(Span { state, from_ms, to_ms }));
    }
    Ok(all)
}

/// The events of one service do not overlap each other, so all but the first begin in the window.
struct Spans {
    /// As [`json_of`] writes them.
    ids: String,
    window: Window,
}

impl QueryId for Spans {
    type QueryId = Self;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for Spans {
    type SqlType = (BigInt, BigInt, Text, BigInt, Nullable<BigInt>);
}

impl RunQueryDsl<SqliteConnection> for Spans {}

impl QueryFragment<Sqlite> for Spans {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "SELECT e.service_id, e.id, e.event, e.date_started_ms, e.date_ended_ms \
            FROM json_each(",
        );
        out.push_bind_param::<Text, _>(&self.ids)?;
        out.push_sql(
            ") u CROSS JOIN service_events e ON e.service_id = u.value \
            AND e.date_started_ms >= coalesce( \
                (SELECT max(f.date_started_ms) FROM service_events f \
                WHERE f.service_id = u.value AND f.date_started_ms <= ",
        );
        out.push_bind_param::<BigInt, _>(&self.window.from_ms)?;
        out.push_sql("), ");
        out.push_bind_param::<BigInt, _>(&self.window.from_ms)?;
        out.push_sql(") AND e.date_started_ms < ");
        out.push_bind_param::<BigInt, _>(&self.window.to_ms)?;
        out.push_sql(" ORDER BY e.service_id, e.date_started_ms, e.id");
        Ok(())
    }
}

/// Number of the newest tick of the service.
pub fn newest_seq(connection: &mut SqliteConnection, id: ServiceId) -> Result<u64, StorageError> {
    let counts: Option<(i64, i64)> = service_metrics::table
        .find(id.get())
        .select((service_metrics::tick_count, service_metrics::unknown_count))
        .get_result(connection)
        .optional()?;
    Ok(counts.map_or(0, |(known, unknown)| (known + unknown).cast_unsigned()))
}

pub fn newest_chunks(
    connection: &mut SqliteConnection,
    ids: &[ServiceId],
) -> Result<HashMap<ServiceId, ChunkInfo>, StorageError> {
    let mut chunks = HashMap::with_capacity(ids.len());
    for &id in ids {
        let newest_first = chunks_of(id)
            .order(service_tick_chunks::first_seq.desc())
            .select(ChunkRow::as_select());
        let newest: Option<ChunkRow> = FirstRow(newest_first).get_result(connection).optional()?;
        chunks.extend(newest.map(|newest| (id, newest.info(id))));
    }
    Ok(chunks)
}

/// The sealing in progress; its id is that of its newest tick.
pub fn sealing(connection: &mut SqliteConnection) -> Result<Option<Sealing>, StorageError> {
    let (tick_id, done_through): (Option<i64>, i64) = history::table
        .select((history::sealing_tick_id, history::sealing_service_id))
        .get_result(connection)?;
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
        .get_result(connection)?;
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
        .get_result(connection)?;
    let of_sealing = sealing_event_id.filter(|_| id.get() <= done_through);
    first_after(connection, id, of_sealing.unwrap_or(sealed_event_id))
}

/// The metric of a service, as far as a sealing needs it.
#[derive(Queryable, Selectable)]
#[diesel(table_name = service_metrics, check_for_backend(Sqlite))]
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
    let sealed_event_id: i64 =
        history::table.select(history::sealed_event_id).get_result(connection)?;
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
        .get_result(connection)?;
    Ok(Marks {
        expired_ticks: expired_ticks.cast_unsigned(),
        ticks_expired_to_ms,
        rollups_expired_to_ms,
    })
}
