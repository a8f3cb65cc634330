//! Reads of the events as spans of time, and of the state of a sealing.

use std::collections::HashMap;

use diesel::dsl::{max, sql};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bytea, Nullable, Text};

use super::REGION;
use super::connection::StoreConnection;
use super::schema::{instances, service_metrics, shards};
use super::statement::statement;
use super::store::PostgresStore;
use crate::domain::{ServiceId, ShardSet, Span, State, Window};
use crate::storage::error::StorageError;
use crate::storage::history::rows::{ChunkInfo, Marks, Sealing, UnsealedService};
use crate::storage::port::Result;

/// The events of each service that overlap `window`, oldest first.
pub fn spans(
    connection: &mut StoreConnection,
    ids: &[ServiceId],
    window: Window,
) -> Result<HashMap<ServiceId, Vec<Span>>> {
    let from_ms = vec![window.from_ms; ids.len()];
    spans_from(connection, ids, &from_ms, window.to_ms)
}

/// As [`spans`], from a moment of its own for each service.
pub fn spans_from(
    connection: &mut StoreConnection,
    ids: &[ServiceId],
    from_ms: &[i64],
    to_ms: i64,
) -> Result<HashMap<ServiceId, Vec<Span>>> {
    type Row = (i64, i64, String, i64, Option<i64>);
    let service_id: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    let rows: Vec<Row> =
        Spans { service_id: &service_id, from_ms, to_ms: &to_ms }.load(connection)?;
    let mut all: HashMap<ServiceId, Vec<Span>> = ids.iter().map(|id| (*id, Vec::new())).collect();
    for (service_id, event_id, event, from_ms, to_ms) in rows {
        let state = State::from_event(&event).ok_or_else(|| {
            StorageError::Unreadable(format!("service_events, id {event_id}, event: {event}"))
        })?;
        let spans = ServiceId::new(service_id).and_then(|id| all.get_mut(&id));
        spans.into_iter().for_each(|spans| spans.push(Span { state, from_ms, to_ms }));
    }
    Ok(all)
}

statement!(
    /// The events of one service do not overlap each other, so all but the first begin in the
    /// window.
    Spans {
        service_id: Array<BigInt> = [i64],
        from_ms: Array<BigInt> = [i64],
        to_ms: BigInt = i64,
    } -> (BigInt, BigInt, Text, BigInt, Nullable<BigInt>),
    "SELECT e.service_id, e.id, e.event, e.date_started_ms, e.date_ended_ms \
        FROM unnest(?, ?) u(service_id, from_ms) \
        CROSS JOIN LATERAL ( \
            SELECT max(f.date_started_ms) AS from_ms FROM service_events f \
            WHERE f.service_id = u.service_id AND f.region_id = 0 \
                AND f.date_started_ms <= u.from_ms) f \
        JOIN service_events e ON e.service_id = u.service_id AND e.region_id = 0 \
            AND e.date_started_ms >= coalesce(f.from_ms, u.from_ms) AND e.date_started_ms < ? \
        ORDER BY e.service_id, e.date_started_ms, e.id"
);

pub fn first_unsealed_event(
    connection: &mut StoreConnection,
    id: ServiceId,
) -> Result<Option<i64>> {
    Ok(FirstUnsealedEvent { service_id: &id.get() }.get_result(connection)?)
}

statement!(
    FirstUnsealedEvent { service_id: BigInt = i64 } -> Nullable<BigInt>,
    "SELECT min(e.date_started_ms) FROM (SELECT ?::bigint AS service_id) u \
        LEFT JOIN service_metrics m ON m.service_id = u.service_id AND m.region_id = 0 \
        JOIN service_events e ON e.service_id = u.service_id AND e.region_id = 0 \
            AND e.id > coalesce(m.sealed_event_id, 0)"
);

/// Number of the newest tick of the service.
pub fn newest_seq(connection: &mut StoreConnection, id: ServiceId) -> Result<u64> {
    let counts: Option<(i64, i64)> = service_metrics::table
        .find((id.get(), REGION))
        .select((service_metrics::tick_count, service_metrics::unknown_count))
        .first(connection)
        .optional()?;
    Ok(counts.map_or(0, |(known, unknown)| (known + unknown).cast_unsigned()))
}

pub fn newest_chunks(
    connection: &mut StoreConnection,
    ids: &[ServiceId],
) -> Result<HashMap<ServiceId, ChunkInfo>> {
    type Row = (i64, i64, i64, i64, i64);
    let service_id: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    let rows: Vec<Row> = NewestChunks { service_id: &service_id }.load(connection)?;
    let chunks = rows.into_iter().filter_map(|row| {
        let (service_id, first_seq, tick_count, up_count, down_count) = row;
        let service_id = ServiceId::new(service_id)?;
        let chunk = ChunkInfo { service_id, first_seq, tick_count, up_count, down_count };
        Some((service_id, chunk))
    });
    Ok(chunks.collect())
}

statement!(
    NewestChunks { service_id: Array<BigInt> = [i64] }
        -> (BigInt, BigInt, BigInt, BigInt, BigInt),
    "SELECT u.service_id, c.first_seq, c.tick_count, c.up_count, c.down_count \
        FROM unnest(?) u(service_id) \
        CROSS JOIN LATERAL ( \
            SELECT first_seq, tick_count, up_count, down_count FROM service_tick_chunks \
            WHERE service_id = u.service_id AND region_id = 0 \
            ORDER BY first_seq DESC LIMIT 1) c"
);

/// The sealing in progress of this instance. Beside a running service there is none.
pub fn sealing(store: &mut PostgresStore) -> Result<Option<Sealing>> {
    let Some(instance) = store.instance.clone() else { return Ok(None) };
    let row: Option<(i64, Option<i64>)> = instances::table
        .find(instance.id())
        .select((instances::sealing_no, instances::sealing_service_id))
        .first(&mut *store.connection)
        .optional()?;
    Ok(row.and_then(|(id, done_through)| Some(Sealing { id, done_through: done_through? })))
}

/// The next services that are not sealed, by id.
pub fn unsealed_services(
    connection: &mut StoreConnection,
    (sealing, shards): (&Sealing, &ShardSet),
    limit: usize,
) -> Result<Vec<UnsealedService>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let services = UnsealedServices {
        after: &sealing.done_through,
        shards: &shards.to_bytes(),
        limit: &limit,
    };
    let rows: Vec<(i64, i64, Option<i64>)> = services.load(connection)?;
    let services = rows.into_iter().map(|(service_id, newest_seq, begun_ms)| {
        let id = ServiceId::new(service_id).ok_or_else(|| {
            StorageError::Unreadable(format!("service_metrics, service_id {service_id}"))
        })?;
        Ok(UnsealedService { id, newest_seq: newest_seq.cast_unsigned(), begun_ms })
    });
    services.collect()
}

statement!(
    /// New events by their ids and not by time, since a clock may be set back: whatever the date of
    /// an event, the times of the roll-ups there are outdated. Most services have no new event, and
    /// theirs are not read.
    UnsealedServices { after: BigInt = i64, shards: Bytea = Vec<u8>, limit: BigInt = i64 }
        -> (BigInt, BigInt, Nullable<BigInt>),
    "SELECT m.service_id, m.tick_count + m.unknown_count, e.begun_ms FROM service_metrics m \
        CROSS JOIN LATERAL ( \
            SELECT min(date_started_ms) AS begun_ms FROM service_events \
            WHERE m.latest_event_id > m.sealed_event_id AND service_id = m.service_id \
                AND region_id = 0 AND id > m.sealed_event_id) e \
        WHERE m.service_id > ? AND m.region_id = 0 AND get_bit(?, m.service_id / 16 % 1024) = 1 \
        ORDER BY m.service_id LIMIT ?"
);

/// How far sealing and retention have come.
pub fn marks(connection: &mut StoreConnection) -> Result<Marks> {
    type Row = (i64, Option<i64>, Option<i64>);
    let (expired_ticks, ticks_expired_to_ms, rollups_expired_to_ms): Row = shards::table
        .select((
            sql::<BigInt>("coalesce(sum(expired_tick_count), 0)::bigint"),
            max(shards::ticks_expired_to_ms),
            max(shards::rollups_expired_to_ms),
        ))
        .first(connection)?;
    Ok(Marks {
        expired_ticks: expired_ticks.cast_unsigned(),
        ticks_expired_to_ms: ticks_expired_to_ms.unwrap_or_default(),
        rollups_expired_to_ms: rollups_expired_to_ms.unwrap_or_default(),
    })
}

/// Deletes chunks by service and number of their first tick. Returns the service and the size of
/// each, in bytes. Part of the caller's transaction.
pub fn delete_chunks(
    connection: &mut StoreConnection,
    service_id: &[i64],
    first_seq: &[i64],
) -> Result<Vec<(i64, i64)>> {
    Ok(DeleteChunks { service_id, first_seq }.load(connection)?)
}

statement!(
    DeleteChunks { service_id: Array<BigInt> = [i64], first_seq: Array<BigInt> = [i64] }
        -> (BigInt, BigInt),
    "DELETE FROM service_tick_chunks c USING unnest(?, ?) u(service_id, first_seq) \
        WHERE c.service_id = u.service_id AND c.region_id = 0 AND c.first_seq = u.first_seq \
        RETURNING c.service_id, length(c.data)::bigint"
);
