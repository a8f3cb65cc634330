//! The writes of a sealing.
//!
//! To begin it, `service_ticks` is renamed to `sealing_ticks`, and an empty table takes its place.
//! To finish it, `sealing_ticks` is emptied. Its state is in `history`.

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use super::commit::MARK_MOST_MS;
use super::gaps::latest_start;
use super::history::sealing;
use super::keys::rollup_of;
use super::rows::{NewChunkRow, NewRollupRow};
use super::schema::{
    history, sealing_ticks, service_events, service_rollups, service_tick_chunks, service_ticks,
};
use crate::domain::{ServiceId, Totals};
use crate::storage::error::StorageError;
use crate::storage::history::rollups;
use crate::storage::history::rows::{Bucket, Packed, Portion, Rollup, Sealing, Slice};
use crate::storage::history::slice;
use crate::storage::port::{Result, RollupWrite};

/// Begins a sealing, unless one is in progress. Whether one is in progress afterwards. Part of the
/// caller's transaction.
pub fn begin(connection: &mut SqliteConnection) -> Result<bool> {
    if sealing(connection)?.is_some() {
        return Ok(true);
    }
    let newest: Option<i64> =
        service_ticks::table.select(diesel::dsl::max(service_ticks::id)).first(connection)?;
    let Some(tick_id) = newest else { return Ok(false) };
    let event_id: Option<i64> =
        service_events::table.select(diesel::dsl::max(service_events::id)).first(connection)?;
    connection.batch_execute(SWAP_TABLES)?;
    diesel::update(history::table)
        .set((
            history::sealing_tick_id.eq(tick_id),
            history::sealing_event_id.eq(event_id.unwrap_or_default()),
            history::sealing_service_id.eq(0),
            history::sealing_tick_count.eq(0),
        ))
        .execute(connection)?;
    Ok(true)
}

/// With `legacy_alter_table`, the names in views stay as they are.
const SWAP_TABLES: &str = "\
    PRAGMA legacy_alter_table = ON; \
    ALTER TABLE sealing_ticks RENAME TO emptied_ticks; \
    ALTER TABLE service_ticks RENAME TO sealing_ticks; \
    ALTER TABLE emptied_ticks RENAME TO service_ticks; \
    PRAGMA legacy_alter_table = OFF";

/// Writes the first services of `slice` until `is_enough`. Part of the caller's transaction.
pub fn publish(
    connection: &mut SqliteConnection,
    slice: &Slice,
    now_ms: i64,
    is_enough: &mut dyn FnMut() -> bool,
) -> Result<Portion> {
    let is_next =
        |sealing: &Sealing| (sealing.id, sealing.done_through) == (slice.sealing_id, slice.after);
    if !sealing(connection)?.as_ref().is_some_and(is_next) {
        return Err(StorageError::Conflict("these ticks are sealed already".to_owned()));
    }
    let mut portion = Portion::default();
    let mut growth = Growth::default();
    for service in &slice.services {
        write_service(connection, service, now_ms, &mut growth)?;
        portion.services += 1;
        portion.ticks += service.ticks;
        if is_enough() {
            break;
        }
    }
    diesel::update(history::table)
        .set((
            history::sealing_service_id.eq(slice.done_through(portion.services)),
            history::sealing_tick_count
                .eq(history::sealing_tick_count + portion.ticks.cast_signed()),
            history::chunk_count.eq(history::chunk_count + growth.chunks),
            history::sealed_tick_count.eq(history::sealed_tick_count + growth.ticks),
            history::sealed_byte_count.eq(history::sealed_byte_count + growth.bytes),
            history::rollup_count.eq(history::rollup_count + growth.rollups),
        ))
        .execute(connection)?;
    Ok(portion)
}

/// Changes of the counters in `history`.
#[derive(Debug, Default)]
struct Growth {
    chunks: i64,
    ticks: i64,
    bytes: i64,
    rollups: i64,
}

fn write_service(
    connection: &mut SqliteConnection,
    service: &Packed,
    now_ms: i64,
    growth: &mut Growth,
) -> Result<()> {
    let Packed { id, chunks, replaced, hours, begun_ms, ticks: _ } = service;
    if let Some(head) = replaced {
        let replaced = service_tick_chunks::table
            .filter(service_tick_chunks::service_id.eq(head.service_id.get()))
            .filter(service_tick_chunks::first_seq.eq(head.first_seq));
        let bytes: i64 = diesel::delete(replaced)
            .returning(sql::<BigInt>("length(data)"))
            .get_result(connection)?;
        growth.chunks -= 1;
        growth.ticks -= head.tick_count;
        growth.bytes -= bytes;
    }
    for chunk in chunks {
        let row = NewChunkRow::new(*id, chunk);
        diesel::insert_into(service_tick_chunks::table).values(row).execute(connection)?;
        growth.chunks += 1;
        growth.ticks += chunk.tick_count;
        growth.bytes += chunk.data.len() as i64;
    }
    growth.rollups += rollups::merge(connection, *id, hours, *begun_ms, now_ms)?;
    Ok(())
}

impl RollupWrite for SqliteConnection {
    fn insert_rollup(&mut self, id: ServiceId, rollup: &Rollup) -> Result<bool> {
        let row = NewRollupRow::new(id, rollup);
        let insert = diesel::insert_or_ignore_into(service_rollups::table).values(row);
        Ok(insert.execute(self)? > 0)
    }

    fn replace_rollup(&mut self, id: ServiceId, rollup: &Rollup) -> Result<()> {
        let row = NewRollupRow::new(id, rollup);
        diesel::update(rollup_of(id, rollup.bucket)).set(row).execute(self)?;
        Ok(())
    }

    fn set_totals(&mut self, id: ServiceId, bucket: Bucket, totals: &Totals) -> Result<()> {
        diesel::update(rollup_of(id, bucket))
            .set((
                service_rollups::up_ms.eq(totals.up_ms.cast_signed()),
                service_rollups::down_ms.eq(totals.down_ms.cast_signed()),
                service_rollups::unknown_ms.eq(totals.unknown_ms.cast_signed()),
                service_rollups::paused_ms.eq(totals.paused_ms.cast_signed()),
            ))
            .execute(self)?;
        Ok(())
    }
}

/// Finishes a sealing of which every service is sealed. Returns the number of its ticks that were
/// part of no chain. Part of the caller's transaction.
///
/// Deleting every row at once leaves the pages unwritten; row by row, each would be written again.
pub fn finish(connection: &mut SqliteConnection, now_ms: i64) -> Result<u64> {
    let Some(Sealing { id: tick_id, .. }) = sealing(connection)?.filter(Sealing::is_done) else {
        return Err(StorageError::Conflict("no sealing can be finished".to_owned()));
    };
    let event_id: Option<i64> =
        history::table.select(history::sealing_event_id).first(connection)?;
    let free_before = free_pages(connection)?;
    let sealed: i64 = history::table.select(history::sealing_tick_count).first(connection)?;
    // The newest of them may be the liveness mark.
    diesel::sql_query(KEEP_MARK).bind::<BigInt, _>(MARK_MOST_MS).execute(connection)?;
    let rows = diesel::delete(sealing_ticks::table).execute(connection)?;
    let emptied = free_pages(connection)? - free_before;
    diesel::update(history::table)
        .set((
            history::sealed_tick_id.eq(tick_id),
            history::sealed_event_id.eq(event_id.unwrap_or_default()),
            history::sealed_at_ms.eq(now_ms),
            history::emptied_page_count.eq(emptied.max(0)),
            history::sealing_tick_id.eq(None::<i64>),
            history::sealing_event_id.eq(None::<i64>),
            history::sealing_service_id.eq(0),
            history::sealing_tick_count.eq(0),
        ))
        .execute(connection)?;
    Ok((rows as u64).saturating_sub(sealed.cast_unsigned()))
}

const KEEP_MARK: &str = concat!(
    "UPDATE liveness SET at_ms = max(at_ms, coalesce((",
    latest_start!("sealing_ticks"),
    " WHERE created_at_ms <= at_ms + ?1), at_ms))",
);

fn free_pages(connection: &mut SqliteConnection) -> Result<i64> {
    let free = diesel::select(sql::<BigInt>("(SELECT freelist_count FROM pragma_freelist_count)"));
    Ok(free.get_result(connection)?)
}

/// Seals all fresh ticks. Part of the caller's transaction, which is an import.
pub fn seal_all(connection: &mut SqliteConnection, chunk_ticks: usize, now_ms: i64) -> Result<()> {
    // A second time if a sealing was in progress, which does not contain later ticks.
    while begin(connection)? {
        while let Some(slice) = slice::next_slice(connection, chunk_ticks, slice::SLICE)? {
            publish(connection, &slice, now_ms, &mut || false)?;
        }
        finish(connection, now_ms)?;
    }
    Ok(())
}
