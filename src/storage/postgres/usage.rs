//! Number of rows and bytes.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::connection::StoreConnection;
use super::fresh;
use crate::domain::ShardSet;
use crate::storage::port::Result;
use crate::storage::records::Usage;

#[derive(QueryableByName)]
struct Counts {
    #[diesel(sql_type = BigInt)]
    bytes: i64,
    #[diesel(sql_type = BigInt)]
    services: i64,
    #[diesel(sql_type = BigInt)]
    events: i64,
    #[diesel(sql_type = BigInt)]
    sealed_ticks: i64,
    #[diesel(sql_type = BigInt)]
    chunks: i64,
    #[diesel(sql_type = BigInt)]
    sealed_bytes: i64,
    #[diesel(sql_type = BigInt)]
    rollups: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    ticks_since_ms: Option<i64>,
    #[diesel(sql_type = BigInt)]
    sealed_at_ms: i64,
}

/// Scans no whole table except for the services, their metrics and the events.
const COUNT: &str = "\
    SELECT sum(chunk_count)::bigint AS chunks, sum(sealed_tick_count)::bigint AS sealed_ticks, \
        sum(sealed_byte_count)::bigint AS sealed_bytes, sum(rollup_count)::bigint AS rollups, \
        (SELECT sum(pg_total_relation_size(name::regclass))::bigint FROM unnest(ARRAY[ \
            'store', 'regions', 'instances', 'shards', 'services', 'service_metrics', \
            'service_ticks', 'service_events', 'service_tick_chunks', 'service_rollups', \
            'service_facts', 'inbox', 'duties', 'alerting', 'channels', 'policies', 'silences', \
            'alert_signals', 'alerts', 'notifications', 'notification_alerts', 'deliveries', \
            'maintenances', 'maintenance_spans', 'api_tokens', 'api_sessions', 'audit']) name) \
            AS bytes, \
        (SELECT count(*) FROM services) AS services, \
        (SELECT count(*) FROM service_events) AS events, \
        (SELECT from_ms FROM service_tick_chunks ORDER BY to_ms, from_ms LIMIT 1) \
            AS ticks_since_ms, \
        (SELECT sealed_at_ms FROM store) AS sealed_at_ms \
    FROM shards";

pub fn usage(connection: &mut StoreConnection) -> Result<Usage> {
    let counts: Counts = diesel::sql_query(COUNT).get_result(connection)?;
    let fresh_ticks = fresh::count(connection, &ShardSet::ALL)?;
    let number = i64::cast_unsigned;
    Ok(Usage {
        file_bytes: number(counts.bytes),
        log_bytes: None,
        free_bytes: None,
        services: number(counts.services),
        events: number(counts.events),
        fresh_ticks,
        sealed_ticks: number(counts.sealed_ticks),
        chunks: number(counts.chunks),
        sealed_bytes: number(counts.sealed_bytes),
        rollups: number(counts.rollups),
        ticks_since_ms: counts.ticks_since_ms,
        sealed_at_ms: counts.sealed_at_ms,
    })
}
