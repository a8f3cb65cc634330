//! Deletes what is too old.

use std::collections::BTreeMap;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Bytea, Integer, SmallInt};

use super::cold::facts;
use super::connection::StoreConnection;
use super::history::delete_chunks;
use super::schema::{service_rollups, service_tick_chunks};
use super::statement::statement;
use super::{REGION, shard};
use crate::domain::ShardSet;
use crate::storage::history::retention::{Next, SEARCHED};
use crate::storage::history::rows::{DAY_S, HOUR_S};
use crate::storage::port::{Expired, Result};

const DAY_MS: i64 = 1_000 * DAY_S as i64;

/// Part of the caller's transaction.
pub fn expire_chunks(
    connection: &mut StoreConnection,
    owned: &ShardSet,
    cutoff_ms: i64,
    limit: u32,
) -> Result<bool> {
    let is_owned = sql::<Bool>("get_bit(")
        .bind::<Bytea, _>(owned.to_bytes())
        .sql(", service_tick_chunks.service_id / 16 % 1024) = 1");
    let old: Vec<(i64, i64, i64, i64)> = service_tick_chunks::table
        .filter(service_tick_chunks::to_ms.lt(cutoff_ms))
        .filter(is_owned)
        .order(service_tick_chunks::to_ms)
        .limit(limit.into())
        .select((
            service_tick_chunks::service_id,
            service_tick_chunks::first_seq,
            service_tick_chunks::tick_count,
            service_tick_chunks::to_ms,
        ))
        .load(connection)?;
    if old.is_empty() {
        return Ok(false);
    }
    let mut shards: BTreeMap<i16, [i64; 4]> = BTreeMap::new();
    for &(service_id, _, ticks, to_ms) in &old {
        let [chunks, all_ticks, _, newest_ms] =
            shards.entry(shard(service_id)).or_insert([0, 0, 0, i64::MIN]);
        (*chunks, *all_ticks, *newest_ms) =
            (*chunks + 1, *all_ticks + ticks, to_ms.max(*newest_ms));
    }
    let (service_id, first_seq): (Vec<i64>, Vec<i64>) =
        old.iter().map(|(service_id, first_seq, ..)| (*service_id, *first_seq)).unzip();
    for (service_id, bytes) in delete_chunks(connection, &service_id, &first_seq)? {
        shards.entry(shard(service_id)).and_modify(|[_, _, all_bytes, _]| *all_bytes += bytes);
    }
    let column = |nth: usize| -> Vec<i64> { shards.values().map(|counts| counts[nth]).collect() };
    CountExpiredTicks {
        shard: &shards.keys().copied().collect::<Vec<_>>(),
        chunks: &column(0),
        ticks: &column(1),
        bytes: &column(2),
        to_ms: &column(3),
    }
    .execute(connection)?;
    Ok(old.len() == limit as usize)
}

statement!(
    CountExpiredTicks {
        shard: Array<SmallInt> = [i16],
        chunks: Array<BigInt> = [i64],
        ticks: Array<BigInt> = [i64],
        bytes: Array<BigInt> = [i64],
        to_ms: Array<BigInt> = [i64],
    } -> (),
    "UPDATE shards s SET chunk_count = s.chunk_count - u.chunks, \
            sealed_tick_count = s.sealed_tick_count - u.ticks, \
            sealed_byte_count = s.sealed_byte_count - u.bytes, \
            expired_tick_count = s.expired_tick_count + u.ticks, \
            ticks_expired_to_ms = greatest(s.ticks_expired_to_ms, u.to_ms) \
        FROM unnest(?, ?, ?, ?, ?) u(shard, chunks, ticks, bytes, to_ms) \
        WHERE s.region_id = 0 AND s.shard = u.shard"
);

/// `None` when no service follows. So a service with nothing to delete takes no transaction.
pub fn next_service(
    connection: &mut StoreConnection,
    owned: &ShardSet,
    after: i64,
    cutoff_ms: i64,
) -> Result<Option<Next>> {
    let found = NextService {
        cutoff_ms: &cutoff_ms,
        day_s: &cutoff_day_s(cutoff_ms),
        after: &after,
        shards: &owned.to_bytes(),
        limit: &i64::from(SEARCHED),
    };
    let found: Option<(i64, bool)> = found.get_result(connection).optional()?;
    Ok(found.map(|(id, is_old)| if is_old { Next::Old(id) } else { Next::NoneUpTo(id) }))
}

/// Start of the day of the cutoff: a day is deleted together with its hours.
fn cutoff_day_s(cutoff_ms: i64) -> i64 {
    cutoff_ms / DAY_MS * i64::from(DAY_S)
}

statement!(
    /// The first service with something old; otherwise the last one that was searched.
    NextService {
        cutoff_ms: BigInt = i64,
        day_s: BigInt = i64,
        after: BigInt = i64,
        shards: Bytea = Vec<u8>,
        limit: BigInt = i64,
    } -> (BigInt, Bool),
    "SELECT s.id, o.is_old \
        FROM (SELECT ?::bigint AS ms, ?::bigint AS day_s) cutoff \
        CROSS JOIN (SELECT id FROM services WHERE id > ? \
            AND get_bit(?, id / 16 % 1024) = 1 ORDER BY id LIMIT ?) s \
        CROSS JOIN LATERAL (SELECT EXISTS ( \
                SELECT FROM service_rollups WHERE service_id = s.id AND region_id = 0 \
                    AND step_s IN (3600, 86400) AND start_s < cutoff.day_s) \
            OR EXISTS ( \
                SELECT FROM service_events e WHERE e.service_id = s.id AND e.region_id = 0 \
                    AND e.date_started_ms < cutoff.ms AND e.date_ended_ms < cutoff.ms \
                    AND NOT EXISTS (SELECT FROM service_metrics m \
                        WHERE m.service_id = s.id AND m.latest_event_id = e.id)) \
            OR EXISTS ( \
                SELECT FROM service_facts WHERE service_id = s.id AND at_ms < ( \
                    SELECT max(at_ms) FROM service_facts \
                    WHERE service_id = s.id AND at_ms <= cutoff.ms)) AS is_old) o \
        ORDER BY o.is_old DESC, CASE WHEN o.is_old THEN s.id ELSE -s.id END LIMIT 1"
);

/// Part of the caller's transaction.
pub fn expire_service(
    connection: &mut StoreConnection,
    service_id: i64,
    cutoff_ms: i64,
    limit: u32,
) -> Result<Expired> {
    let old: Vec<(i32, i64)> = service_rollups::table
        .filter(service_rollups::service_id.eq(service_id))
        .filter(service_rollups::region_id.eq(REGION))
        .filter(service_rollups::step_s.eq_any([HOUR_S, DAY_S]))
        .filter(service_rollups::start_s.lt(cutoff_day_s(cutoff_ms)))
        .limit(limit.into())
        .select((service_rollups::step_s, service_rollups::start_s))
        .load(connection)?;
    if !old.is_empty() {
        let (step_s, start_s): (Vec<i32>, Vec<i64>) = old.iter().copied().unzip();
        DeleteRollups { step_s: &step_s, start_s: &start_s, service_id: &service_id }
            .execute(connection)?;
        CountExpiredRollups {
            rollups: &(old.len() as i64),
            cutoff_ms: &cutoff_ms,
            shard: &shard(service_id),
        }
        .execute(connection)?;
    }
    let limit_rows = i64::from(limit);
    let events =
        DeleteEvents { cutoff_ms: &cutoff_ms, service_id: &service_id, limit: &limit_rows }
            .execute(connection)?;
    let facts = facts::expire(connection, service_id, cutoff_ms, limit)?;
    let deleted = old.len().max(events).max(facts);
    Ok(Expired { service_id, is_done: deleted < limit as usize })
}

statement!(
    DeleteRollups {
        step_s: Array<Integer> = [i32],
        start_s: Array<BigInt> = [i64],
        service_id: BigInt = i64,
    } -> (),
    "DELETE FROM service_rollups r USING unnest(?, ?) u(step_s, start_s) \
        WHERE r.service_id = ? AND r.region_id = 0 AND r.step_s = u.step_s \
            AND r.start_s = u.start_s"
);

statement!(
    CountExpiredRollups { rollups: BigInt = i64, cutoff_ms: BigInt = i64, shard: SmallInt = i16 }
        -> (),
    "UPDATE shards SET rollup_count = rollup_count - ?, \
            rollups_expired_to_ms = greatest(rollups_expired_to_ms, ?) \
        WHERE region_id = 0 AND shard = ?"
);

statement!(
    /// The newest event of a service is never deleted.
    DeleteEvents { cutoff_ms: BigInt = i64, service_id: BigInt = i64, limit: BigInt = i64 } -> (),
    "DELETE FROM service_events WHERE id = ANY(ARRAY( \
        SELECT e.id FROM service_events e, (SELECT ?::bigint AS ms) cutoff \
        WHERE e.service_id = ? AND e.region_id = 0 \
            AND e.date_started_ms < cutoff.ms AND e.date_ended_ms < cutoff.ms \
            AND NOT EXISTS (SELECT FROM service_metrics m \
                WHERE m.service_id = e.service_id AND m.latest_event_id = e.id) \
        ORDER BY e.date_started_ms LIMIT ?))"
);
