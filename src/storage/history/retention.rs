//! Taking away what is too old, in steps so small that nobody waits for them, and giving its space back.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use crate::domain::Retention;
use crate::storage::StorageError;
use crate::storage::schema::{service_tick_chunks, services};

/// Time after which a step begins no further piece of work. A piece takes a few milliseconds, so a step stays below the 50 ms
/// that the writer may be held.
const STEP: Duration = Duration::from_millis(20);

/// Chunks of one piece of work.
const CHUNKS_A_PIECE: i64 = 32;

/// Roll-ups or events of one piece of work.
const ROWS_A_PIECE: i64 = 500;

/// Pages that are given back in one piece of work.
const PAGES_A_PIECE: i64 = 64;

/// Free pages that are kept in any case.
const FREE_PAGES_KEPT: i64 = 2_048;

/// How far a round has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Progress {
    /// Ticks.
    #[default]
    Ticks,
    /// Roll-ups and events of the services behind this one.
    BehindService(i64),
    /// Space.
    Space,
    /// Nothing is left to do.
    Done,
}

/// Does the next step of a round, as of `now_ms`, and gives how far the round has come.
pub fn step(
    connection: &mut SqliteConnection,
    retention: Retention,
    mut progress: Progress,
    now_ms: i64,
) -> Result<Progress, StorageError> {
    let started = Instant::now();
    while progress != Progress::Done && started.elapsed() < STEP {
        progress = match progress {
            Progress::Ticks => {
                let is_more = expire_chunks(connection, cutoff(now_ms, retention.ticks))?;
                if is_more { progress } else { Progress::BehindService(0) }
            }
            Progress::BehindService(last) => {
                expire_service(connection, last, cutoff(now_ms, retention.rollups))?
            }
            Progress::Space => {
                if give_back(connection)? {
                    progress
                } else {
                    Progress::Done
                }
            }
            Progress::Done => progress,
        };
    }
    Ok(progress)
}

fn cutoff(now_ms: i64, kept: Duration) -> i64 {
    now_ms.saturating_sub(i64::try_from(kept.as_millis()).unwrap_or(i64::MAX))
}

/// Deletes a few chunks whose newest tick is too old; whether there may be more.
fn expire_chunks(connection: &mut SqliteConnection, cutoff: i64) -> Result<bool, StorageError> {
    connection.immediate_transaction(|connection| {
        let old: Vec<(i64, i64, i64)> = service_tick_chunks::table
            .filter(service_tick_chunks::to_ms.lt(cutoff))
            .order(service_tick_chunks::to_ms)
            .limit(CHUNKS_A_PIECE)
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
        Ok(ids.len() as i64 == CHUNKS_A_PIECE)
    })
}

const COUNT_EXPIRED_TICKS: &str = "\
    UPDATE history SET chunk_count = chunk_count - ?1, sealed_tick_count = sealed_tick_count - ?2, \
        sealed_byte_count = sealed_byte_count - ?3, expired_tick_count = expired_tick_count + ?2, \
        ticks_expired_to_ms = max(ticks_expired_to_ms, ?4)";

/// Deletes roll-ups and events of the next service, living or not, behind the service `last`.
fn expire_service(
    connection: &mut SqliteConnection,
    last: i64,
    cutoff: i64,
) -> Result<Progress, StorageError> {
    let next: Option<i64> = services::table
        .filter(services::id.gt(last))
        .select(diesel::dsl::min(services::id))
        .first(connection)?;
    let Some(id) = next else { return Ok(Progress::Space) };
    let rows = connection.immediate_transaction(|connection| {
        let rollups = diesel::sql_query(EXPIRE_ROLLUPS)
            .bind::<BigInt, _>(id)
            .bind::<BigInt, _>(cutoff)
            .bind::<BigInt, _>(ROWS_A_PIECE)
            .execute(connection)?;
        if rollups > 0 {
            diesel::sql_query(COUNT_EXPIRED_ROLLUPS)
                .bind::<BigInt, _>(rollups as i64)
                .bind::<BigInt, _>(cutoff)
                .execute(connection)?;
        }
        let events = diesel::sql_query(EXPIRE_EVENTS)
            .bind::<BigInt, _>(id)
            .bind::<BigInt, _>(cutoff)
            .bind::<BigInt, _>(ROWS_A_PIECE)
            .execute(connection)?;
        Ok::<_, StorageError>(rollups.max(events) as i64)
    })?;
    Ok(Progress::BehindService(if rows < ROWS_A_PIECE { id } else { last }))
}

/// A day goes with its hours, of which it is made.
const EXPIRE_ROLLUPS: &str = "\
    DELETE FROM service_rollups WHERE (service_id, step_s, start_s) IN ( \
        SELECT service_id, step_s, start_s FROM service_rollups \
        WHERE service_id = ?1 AND step_s IN (3600, 86400) AND start_s < ?2 / 86400000 * 86400 LIMIT ?3)";

const COUNT_EXPIRED_ROLLUPS: &str = "\
    UPDATE history SET rollup_count = rollup_count - ?1, \
        rollups_expired_to_ms = max(rollups_expired_to_ms, ?2)";

/// The newest event of a service stays, however old it is.
const EXPIRE_EVENTS: &str = "\
    DELETE FROM service_events WHERE id IN ( \
        SELECT id FROM service_events WHERE service_id = ?1 AND date_started_ms < ?2 AND date_ended_ms < ?2 \
        AND id NOT IN (SELECT latest_event_id FROM service_metrics \
            WHERE service_id = ?1 AND latest_event_id IS NOT NULL) \
        ORDER BY date_started_ms LIMIT ?3)";

#[derive(QueryableByName)]
struct Pages {
    #[diesel(sql_type = BigInt)]
    free: i64,
    #[diesel(sql_type = BigInt)]
    all: i64,
    /// What the fresh ticks took when they were last sealed.
    #[diesel(sql_type = BigInt)]
    emptied: i64,
}

/// Gives a few free pages back to the file system while more than a quarter of the file is free, and more than the next fresh ticks
/// will take; whether there may be more to give.
fn give_back(connection: &mut SqliteConnection) -> Result<bool, StorageError> {
    let before = pages(connection)?;
    let kept = FREE_PAGES_KEPT.max(before.emptied + before.emptied / 4).max(before.all / 4);
    if before.free <= kept {
        return Ok(false);
    }
    connection.batch_execute(&format!("PRAGMA incremental_vacuum({PAGES_A_PIECE})"))?;
    // A file that was set up by somebody else may give none back.
    Ok(pages(connection)?.free < before.free)
}

fn pages(connection: &mut SqliteConnection) -> Result<Pages, StorageError> {
    let pages = diesel::sql_query(
        "SELECT freelist_count AS free, page_count AS \"all\", emptied_page_count AS emptied \
         FROM history, pragma_freelist_count, pragma_page_count",
    );
    Ok(pages.get_result(connection)?)
}
