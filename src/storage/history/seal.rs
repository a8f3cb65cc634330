//! Sealing: fresh ticks become chunks and part of the roll-ups.
//!
//! A sealing goes in short transactions, and whatever else is to be written has its turn between them:
//!
//! 1. [`begin`] sets the fresh ticks apart: their table becomes `sealing_ticks`, and an empty one takes its place.
//! 2. [`publish`] writes what [`super::slice::Prepare`] has packed, service by service in the order of their ids. A tick counts
//!    as fresh until its service is done with, and as sealed from then on, so it is in exactly one place at any moment.
//! 3. [`finish`] empties the table that was set apart.
//!
//! How far it has come is a fact in `history`, so it goes on after a crash where it stopped.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use super::rollups;
use super::slice;
use crate::domain::ServiceId;
use crate::storage::StorageError;
use crate::storage::history::slice::{Packed, SLICE, Slice};
use crate::storage::schema::{
    history, sealing_ticks, service_events, service_tick_chunks, service_ticks,
};

/// Time after which a transaction takes up no further service. One takes a fraction of a millisecond, and what follows, the
/// commit and now and then the folding of the log, takes as long again.
const PORTION: Duration = Duration::from_millis(20);

/// `history.sealing_service_id` when every service is done with.
pub(super) const EVERY_SERVICE: i64 = i64::MAX;

/// The sealing that is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sealing {
    /// It seals every tick up to this one.
    pub tick_id: i64,
    /// With it, every event up to this one is in the times of the roll-ups.
    event_id: i64,
    /// Every service up to this one is done with.
    pub service_id: i64,
    /// Every event up to this one was, before it began.
    pub sealed_event_id: i64,
}

impl Sealing {
    pub(super) fn under_way(
        connection: &mut SqliteConnection,
    ) -> Result<Option<Self>, StorageError> {
        type Row = (Option<i64>, Option<i64>, i64, i64);
        let (tick_id, event_id, service_id, sealed_event_id): Row = history::table
            .select((
                history::sealing_tick_id,
                history::sealing_event_id,
                history::sealing_service_id,
                history::sealed_event_id,
            ))
            .first(connection)?;
        Ok(tick_id.zip(event_id).map(|(tick_id, event_id)| Self {
            tick_id,
            event_id,
            service_id,
            sealed_event_id,
        }))
    }

    /// Whether every service is done with, and it only has to be finished.
    pub(super) fn is_written(&self) -> bool {
        self.service_id == EVERY_SERVICE
    }

    /// Every event of the service up to this one is in the times of its roll-ups.
    pub(super) fn event_id_of(&self, id: ServiceId) -> i64 {
        if id.get() <= self.service_id { self.event_id } else { self.sealed_event_id }
    }
}

/// Begins a sealing of everything that is fresh now, unless one is under way. Whether one is under way then.
pub fn begin(connection: &mut SqliteConnection) -> Result<bool, StorageError> {
    connection.immediate_transaction(set_apart)
}

/// As [`begin`], but part of the caller's transaction.
fn set_apart(connection: &mut SqliteConnection) -> Result<bool, StorageError> {
    if Sealing::under_way(connection)?.is_some() {
        return Ok(true);
    }
    let newest: Option<i64> =
        service_ticks::table.select(diesel::dsl::max(service_ticks::id)).first(connection)?;
    let Some(tick_id) = newest else { return Ok(false) };
    let event_id: Option<i64> =
        service_events::table.select(diesel::dsl::max(service_events::id)).first(connection)?;
    connection.batch_execute(CHANGE_PLACES)?;
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

/// A name in a view stays as it is that way.
const CHANGE_PLACES: &str = "\
    PRAGMA legacy_alter_table = ON; \
    ALTER TABLE sealing_ticks RENAME TO emptied_ticks; \
    ALTER TABLE service_ticks RENAME TO sealing_ticks; \
    ALTER TABLE emptied_ticks RENAME TO service_ticks; \
    PRAGMA legacy_alter_table = OFF";

/// What one transaction has sealed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Portion {
    /// Services that are done with by it, of those in the slice.
    pub services: usize,
    /// Ticks of all of them.
    pub ticks: u64,
}

/// Writes as much of a slice as takes about 20 ms, and takes it out of the slice: chunks and roll-ups of its first services, whose
/// ticks are fresh no longer. All in one transaction.
///
/// Errors: `Conflict` when something else was published since the slice was prepared; nothing is changed then.
pub fn publish(
    connection: &mut SqliteConnection,
    slice: &mut Slice,
    now_ms: i64,
) -> Result<Portion, StorageError> {
    let began = Instant::now();
    publish_until(connection, slice, now_ms, || began.elapsed() >= PORTION)
}

/// As [`publish`], but until `is_enough`, which is asked after each service.
pub(super) fn publish_until(
    connection: &mut SqliteConnection,
    slice: &mut Slice,
    now_ms: i64,
    is_enough: impl FnMut() -> bool,
) -> Result<Portion, StorageError> {
    let portion = connection
        .immediate_transaction(|connection| write(connection, slice, now_ms, is_enough))?;
    slice.after = slice.reached(portion.services);
    slice.services.drain(..portion.services);
    Ok(portion)
}

impl Slice {
    /// Up to which service everything is done with once so many of its first ones are.
    fn reached(&self, services: usize) -> i64 {
        let next = self.services.get(services);
        next.map_or(self.through, |next| next.id.get() - 1)
    }
}

fn write(
    connection: &mut SqliteConnection,
    slice: &Slice,
    now_ms: i64,
    mut is_enough: impl FnMut() -> bool,
) -> Result<Portion, StorageError> {
    let sealing = Sealing::under_way(connection)?;
    let is_next = |it: &Sealing| (it.tick_id, it.service_id) == (slice.tick_id, slice.after);
    if !sealing.as_ref().is_some_and(is_next) {
        return Err(StorageError::Conflict("these ticks are sealed already".to_owned()));
    }
    let mut portion = Portion::default();
    let mut grown = Grown::default();
    for service in &slice.services {
        write_service(connection, service, now_ms, &mut grown)?;
        portion.services += 1;
        portion.ticks += service.ticks;
        if is_enough() {
            break;
        }
    }
    diesel::update(history::table)
        .set((
            history::sealing_service_id.eq(slice.reached(portion.services)),
            history::sealing_tick_count
                .eq(history::sealing_tick_count + portion.ticks.cast_signed()),
            history::chunk_count.eq(history::chunk_count + grown.chunks),
            history::sealed_tick_count.eq(history::sealed_tick_count + grown.ticks),
            history::sealed_byte_count.eq(history::sealed_byte_count + grown.bytes),
            history::rollup_count.eq(history::rollup_count + grown.rollups),
        ))
        .execute(connection)?;
    Ok(portion)
}

/// By how much the counts of `history` change.
#[derive(Debug, Default)]
struct Grown {
    chunks: i64,
    ticks: i64,
    bytes: i64,
    rollups: i64,
}

fn write_service(
    connection: &mut SqliteConnection,
    service: &Packed,
    now_ms: i64,
    grown: &mut Grown,
) -> Result<(), StorageError> {
    if let Some(head) = service.replaced {
        let replaced: i64 = diesel::delete(service_tick_chunks::table.find(head.id))
            .returning(sql::<BigInt>("length(data)"))
            .get_result(connection)?;
        grown.chunks -= 1;
        grown.ticks -= head.tick_count;
        grown.bytes -= replaced;
    }
    for chunk in &service.chunks {
        diesel::insert_into(service_tick_chunks::table).values(chunk).execute(connection)?;
        grown.chunks += 1;
        grown.ticks += chunk.tick_count;
        grown.bytes += chunk.data.len() as i64;
    }
    let Packed { id, hours, begun_ms, .. } = service;
    grown.rollups += rollups::merge(connection, *id, hours, *begun_ms, now_ms)?;
    Ok(())
}

/// Ends a sealing of which every service is done with: empties the table that was set apart, in one transaction. Gives how many
/// ticks were in it that no chain led to, so that nobody has ever seen or sealed them; none, unless somebody else has changed the
/// tables.
///
/// Errors: `Conflict` when there is no such sealing.
pub fn finish(connection: &mut SqliteConnection, now_ms: i64) -> Result<u64, StorageError> {
    connection.immediate_transaction(|connection| empty(connection, now_ms))
}

/// As [`finish`], but part of the caller's transaction. Deleting every row at once leaves the pages untouched; row by row, each
/// would be written once more.
fn empty(connection: &mut SqliteConnection, now_ms: i64) -> Result<u64, StorageError> {
    let sealing = Sealing::under_way(connection)?.filter(Sealing::is_written);
    let Some(Sealing { tick_id, event_id, .. }) = sealing else {
        return Err(StorageError::Conflict("no sealing waits to be finished".to_owned()));
    };
    let free_before = free_pages(connection)?;
    let sealed: i64 = history::table.select(history::sealing_tick_count).first(connection)?;
    let rows = diesel::delete(sealing_ticks::table).execute(connection)?;
    let emptied = free_pages(connection)? - free_before;
    diesel::update(history::table)
        .set((
            history::sealed_tick_id.eq(tick_id),
            history::sealed_event_id.eq(event_id),
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

fn free_pages(connection: &mut SqliteConnection) -> Result<i64, StorageError> {
    let free = diesel::select(sql::<BigInt>("(SELECT freelist_count FROM pragma_freelist_count)"));
    Ok(free.get_result(connection)?)
}

/// Seals everything that is fresh, on the connection that writes; for an import, which has it to itself. Part of the caller's
/// transaction.
pub fn seal_all(
    connection: &mut SqliteConnection,
    chunk_ticks: usize,
    now_ms: i64,
) -> Result<(), StorageError> {
    // Once more if one was under way: it is not about what came since it began.
    while set_apart(connection)? {
        while let Some(slice) = slice::next_slice(connection, chunk_ticks, SLICE)? {
            write(connection, &slice, now_ms, || false)?;
        }
        empty(connection, now_ms)?;
    }
    Ok(())
}
