//! Deletes what is too old, and returns free pages.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel::sqlite::SqliteConnection;

use super::cold::facts;
use super::schema::service_tick_chunks;
use crate::storage::history::retention::{Next, SEARCHED};
use crate::storage::port::{Expired, Result};

/// Pages that are returned at a time.
const PAGES: i64 = 64;

/// Free pages that are never returned.
const FREE_PAGES_MIN: i64 = 2_048;

/// Part of the caller's transaction.
pub fn expire_chunks(
    connection: &mut SqliteConnection,
    cutoff_ms: i64,
    limit: u32,
) -> Result<bool> {
    let old: Vec<(i64, i64, i64)> = service_tick_chunks::table
        .filter(service_tick_chunks::to_ms.lt(cutoff_ms))
        .order(service_tick_chunks::to_ms)
        .limit(limit.into())
        .select((
            service_tick_chunks::id,
            service_tick_chunks::tick_count,
            service_tick_chunks::to_ms,
        ))
        .load(connection)?;
    let Some((.., newest_ms)) = old.last().copied() else { return Ok(false) };
    let ids: Vec<i64> = old.iter().map(|(id, ..)| *id).collect();
    let ticks: i64 = old.iter().map(|(_, count, _)| *count).sum();
    let lengths: Vec<i64> = diesel::delete(service_tick_chunks::table)
        .filter(service_tick_chunks::id.eq_any(&ids))
        .returning(diesel::dsl::sql::<BigInt>("length(data)"))
        .get_results(connection)?;
    diesel::sql_query(COUNT_EXPIRED_TICKS)
        .bind::<BigInt, _>(ids.len() as i64)
        .bind::<BigInt, _>(ticks)
        .bind::<BigInt, _>(lengths.iter().sum::<i64>())
        .bind::<BigInt, _>(newest_ms)
        .execute(connection)?;
    Ok(ids.len() == limit as usize)
}

const COUNT_EXPIRED_TICKS: &str = "\
    UPDATE history SET chunk_count = chunk_count - ?1, sealed_tick_count = sealed_tick_count - ?2, \
        sealed_byte_count = sealed_byte_count - ?3, expired_tick_count = expired_tick_count + ?2, \
        ticks_expired_to_ms = max(ticks_expired_to_ms, ?4)";

#[derive(QueryableByName)]
struct Searched {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Bool)]
    is_old: bool,
}

/// `None` when no service follows `after`. So a service with nothing to delete takes no
/// transaction.
pub fn next_service(
    connection: &mut SqliteConnection,
    after: i64,
    cutoff_ms: i64,
) -> Result<Option<Next>> {
    let searched: Option<Searched> = diesel::sql_query(NEXT_SERVICE)
        .bind::<BigInt, _>(after)
        .bind::<BigInt, _>(cutoff_ms)
        .bind::<BigInt, _>(i64::from(SEARCHED))
        .get_result(connection)
        .optional()?;
    Ok(searched
        .map(|Searched { id, is_old }| if is_old { Next::Old(id) } else { Next::NoneUpTo(id) }))
}

/// The first service with something old; otherwise the last one that was searched.
const NEXT_SERVICE: &str = "\
    WITH searched AS MATERIALIZED ( \
        SELECT s.id, EXISTS ( \
                SELECT 1 FROM service_rollups WHERE service_id = s.id \
                AND step_s IN (3600, 86400) AND start_s < ?2 / 86400000 * 86400) \
            OR EXISTS ( \
                SELECT 1 FROM service_events e WHERE e.service_id = s.id \
                AND e.date_started_ms < ?2 AND e.date_ended_ms < ?2 \
                AND NOT EXISTS (SELECT 1 FROM service_metrics m \
                    WHERE m.service_id = s.id AND m.latest_event_id = e.id)) \
            OR EXISTS ( \
                SELECT 1 FROM service_facts WHERE service_id = s.id AND at_ms < ( \
                    SELECT max(at_ms) FROM service_facts \
                    WHERE service_id = s.id AND at_ms <= ?2)) AS is_old \
        FROM (SELECT id FROM services WHERE id > ?1 ORDER BY id LIMIT ?3) s) \
    SELECT id, is_old FROM searched \
    ORDER BY is_old DESC, CASE WHEN is_old THEN id ELSE -id END LIMIT 1";

/// Part of the caller's transaction.
pub fn expire_service(
    connection: &mut SqliteConnection,
    service_id: i64,
    cutoff_ms: i64,
    limit: u32,
) -> Result<Expired> {
    let rollups = diesel::sql_query(EXPIRE_ROLLUPS)
        .bind::<BigInt, _>(service_id)
        .bind::<BigInt, _>(cutoff_ms)
        .bind::<BigInt, _>(i64::from(limit))
        .execute(connection)?;
    if rollups > 0 {
        diesel::sql_query(COUNT_EXPIRED_ROLLUPS)
            .bind::<BigInt, _>(rollups as i64)
            .bind::<BigInt, _>(cutoff_ms)
            .execute(connection)?;
    }
    let events = diesel::sql_query(EXPIRE_EVENTS)
        .bind::<BigInt, _>(service_id)
        .bind::<BigInt, _>(cutoff_ms)
        .bind::<BigInt, _>(i64::from(limit))
        .execute(connection)?;
    let facts = facts::expire(connection, service_id, cutoff_ms, limit)?;
    let deleted = rollups.max(events).max(facts);
    Ok(Expired { service_id, is_done: deleted < limit as usize })
}

/// A day is deleted together with its hours.
const EXPIRE_ROLLUPS: &str = "\
    DELETE FROM service_rollups WHERE (service_id, step_s, start_s) IN ( \
        SELECT service_id, step_s, start_s FROM service_rollups \
        WHERE service_id = ?1 AND step_s IN (3600, 86400) AND start_s < ?2 / 86400000 * 86400 \
        LIMIT ?3)";

const COUNT_EXPIRED_ROLLUPS: &str = "\
    UPDATE history SET rollup_count = rollup_count - ?1, \
        rollups_expired_to_ms = max(rollups_expired_to_ms, ?2)";

/// The newest event of a service is never deleted.
const EXPIRE_EVENTS: &str = "\
    DELETE FROM service_events WHERE id IN ( \
        SELECT id FROM service_events \
        WHERE service_id = ?1 AND date_started_ms < ?2 AND date_ended_ms < ?2 \
        AND id NOT IN (SELECT latest_event_id FROM service_metrics \
            WHERE service_id = ?1 AND latest_event_id IS NOT NULL) \
        ORDER BY date_started_ms LIMIT ?3)";

#[derive(QueryableByName)]
struct Pages {
    #[diesel(sql_type = BigInt)]
    free: i64,
    #[diesel(sql_type = BigInt)]
    all: i64,
    /// Pages of the fresh ticks that were sealed last.
    #[diesel(sql_type = BigInt)]
    emptied: i64,
}

/// Returns some free pages to the file system while more than a quarter of the file is free, and
/// more than the next fresh ticks will need. Whether there may be more.
pub fn release_space(connection: &mut SqliteConnection) -> Result<bool> {
    let before = pages(connection)?;
    let min = FREE_PAGES_MIN.max(before.emptied + before.emptied / 4).max(before.all / 4);
    if before.free <= min {
        return Ok(false);
    }
    connection.batch_execute(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    // A file that another program created may return none.
    Ok(pages(connection)?.free < before.free)
}

fn pages(connection: &mut SqliteConnection) -> Result<Pages> {
    let pages = diesel::sql_query(
        "SELECT freelist_count AS free, page_count AS \"all\", emptied_page_count AS emptied \
         FROM history, pragma_freelist_count, pragma_page_count",
    );
    Ok(pages.get_result(connection)?)
}
