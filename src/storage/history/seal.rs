//! Sealing: fresh ticks become chunks and part of the roll-ups.
//!
//! [`Prepare`] reads and packs on a connection of its own, which takes a while and holds up nobody; [`publish`] then writes all
//! of it, and empties the table of fresh ticks, in one transaction. So a tick is in exactly one place at any moment.

use std::collections::BTreeMap;

use diesel::connection::DefaultLoadingMode;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel::sqlite::SqliteConnection;

use super::fresh::{self, Extent};
use super::rollups::{self, Bucket, RollupRow};
use super::ticks::{self, ChunkInfo};
use super::{codec, newest_seq};
use crate::domain::kept::KeptTick;
use crate::domain::stats::Stats;
use crate::domain::{ServiceId, State};
use crate::storage::StorageError;
use crate::storage::models::TickRow;
use crate::storage::reader::Query;
use crate::storage::schema::{history, service_tick_chunks, service_ticks};

/// Most ticks that are held unpacked at once; more are read in several passes.
const TICKS_A_PASS: u64 = 131_072;

/// A chunk that is at most this many times as long as what is to be sealed behind it is sealed with it anew.
const GROWTH: usize = 3;

/// Query: everything that is fresh now, packed and ready to be published; `None` when nothing is.
#[derive(Debug, Clone, Copy)]
pub struct Prepare {
    /// Ticks of a full chunk.
    pub chunk_ticks: usize,
}

/// Ticks that are ready to be sealed.
///
/// Bound: what [`Prepare`] found fresh, packed to some ten bytes a tick, and a roll-up for each service and hour of it.
#[derive(Debug)]
pub struct Slice {
    /// How far sealing had come.
    sealed_before: i64,
    /// How far it comes with this.
    up_to: i64,
    services: Vec<Sealed>,
    /// Ticks that are sealed by this.
    pub ticks: u64,
}

/// What is to be written of one service.
#[derive(Debug)]
struct Sealed {
    id: ServiceId,
    chunks: Vec<NewChunk>,
    /// The short chunk that is contained in the first of `chunks`.
    replaced: Option<ChunkInfo>,
    /// By their start; packed, since there is one for each service and hour.
    hours: Vec<RollupRow>,
}

/// A row of `service_tick_chunks`.
#[derive(Debug, Insertable)]
#[diesel(table_name = service_tick_chunks)]
struct NewChunk {
    service_id: i64,
    first_seq: i64,
    from_ms: i64,
    to_ms: i64,
    tick_count: i64,
    up_count: i64,
    down_count: i64,
    data: Vec<u8>,
}

impl Query for Prepare {
    type Answer = Option<Slice>;

    fn run(self, connection: &mut SqliteConnection) -> Result<Self::Answer, StorageError> {
        // One snapshot: the counts of the metrics must be those of the ticks.
        connection.transaction(|connection| {
            let Extent { ticks, newest_id, sealed_id } = fresh::extent(connection)?;
            let Some(up_to) = newest_id else { return Ok(None) };
            let mut services = Vec::new();
            let passes = ticks.div_ceil(TICKS_A_PASS).cast_signed();
            for pass in 0..passes {
                for (id, fresh) in read_pass(connection, pass, passes)? {
                    services.push(prepare(connection, id, fresh, self.chunk_ticks)?);
                }
            }
            Ok(Some(Slice { sealed_before: sealed_id, up_to, services, ticks }))
        })
    }
}

/// The fresh ticks of every `passes`-th service, oldest first.
fn read_pass(
    connection: &mut SqliteConnection,
    pass: i64,
    passes: i64,
) -> Result<BTreeMap<ServiceId, Vec<KeptTick>>, StorageError> {
    let mut by_service: BTreeMap<ServiceId, Vec<KeptTick>> = BTreeMap::new();
    let rows = service_ticks::table
        .filter(
            sql::<Bool>("service_id % ")
                .bind::<BigInt, _>(passes)
                .sql(" = ")
                .bind::<BigInt, _>(pass),
        )
        .order(service_ticks::id)
        .select(TickRow::as_select())
        .load_iter::<TickRow, DefaultLoadingMode>(connection)?;
    for row in rows {
        let row = row?;
        let id = ServiceId::new(row.service_id).ok_or_else(|| {
            StorageError::Unreadable(format!("service_ticks, id {}: service_id", row.id))
        })?;
        by_service.entry(id).or_default().push(row.kept());
    }
    Ok(by_service)
}

fn prepare(
    connection: &mut SqliteConnection,
    id: ServiceId,
    fresh: Vec<KeptTick>,
    chunk_ticks: usize,
) -> Result<Sealed, StorageError> {
    let mut hours: BTreeMap<Bucket, Stats> = BTreeMap::new();
    for tick in &fresh {
        hours.entry(Bucket::hour(tick.at_ms)).or_default().add(tick);
    }
    let hours = hours.iter().map(|(hour, stats)| RollupRow::new(id, *hour, stats)).collect();
    let mut first_seq = newest_seq(connection, id)?.cast_signed() - fresh.len() as i64 + 1;
    let mut run = fresh;
    let mut replaced = short_chunk(connection, id, first_seq, run.len(), chunk_ticks)?;
    if let Some(head) = replaced {
        match ticks::open(connection, &head) {
            Ok((_, mut longer)) => {
                longer.append(&mut run);
                (run, first_seq) = (longer, head.first_seq);
            }
            // One that is damaged stays as it is, and holds up nobody.
            Err(StorageError::Unreadable(_)) => replaced = None,
            Err(error) => return Err(error),
        }
    }
    let chunks = pack(id, first_seq, &run, chunk_ticks)?;
    Ok(Sealed { id, chunks, replaced, hours })
}

/// The newest chunk of the service, if it is short enough to be sealed anew with what follows it. So services that are probed
/// seldom have full chunks too, and a tick is written again a few times only.
fn short_chunk(
    connection: &mut SqliteConnection,
    id: ServiceId,
    first_seq: i64,
    fresh: usize,
    chunk_ticks: usize,
) -> Result<Option<ChunkInfo>, StorageError> {
    let newest: Option<ChunkInfo> = service_tick_chunks::table
        .filter(service_tick_chunks::service_id.eq(id.get()))
        .order(service_tick_chunks::first_seq.desc())
        .select(ChunkInfo::as_select())
        .first(connection)
        .optional()?;
    Ok(newest.filter(|head| {
        let count = head.tick_count as usize;
        let adjoins = head.first_seq + head.tick_count == first_seq;
        adjoins && count < chunk_ticks && count <= GROWTH * fresh
    }))
}

/// Chunks of `chunk_ticks` ticks, and a last one of up to twice as many less one: a short one would only be sealed again.
fn pack(
    id: ServiceId,
    first_seq: i64,
    ticks: &[KeptTick],
    chunk_ticks: usize,
) -> Result<Vec<NewChunk>, StorageError> {
    let mut chunks = Vec::new();
    let (mut rest, mut first_seq) = (ticks, first_seq);
    while !rest.is_empty() {
        let length = if rest.len() < 2 * chunk_ticks { rest.len() } else { chunk_ticks };
        let (run, after) = rest.split_at(length);
        let count = |state: State| run.iter().filter(|tick| tick.state == state).count() as i64;
        let times = || run.iter().map(|tick| tick.at_ms);
        chunks.push(NewChunk {
            service_id: id.get(),
            first_seq,
            from_ms: times().min().unwrap_or_default(),
            to_ms: times().max().unwrap_or_default(),
            tick_count: length as i64,
            up_count: count(State::Up),
            down_count: count(State::Down),
            data: codec::encode(run)?,
        });
        first_seq += length as i64;
        rest = after;
    }
    Ok(chunks)
}

/// Writes a slice, brings the roll-ups up to date and takes its ticks out of the fresh ones, all in one transaction. Gives how
/// many ticks are fresh now: those that were recorded meanwhile.
///
/// Errors: `Conflict` when something else was sealed since the slice was prepared; nothing is changed then.
pub fn publish(
    connection: &mut SqliteConnection,
    slice: &Slice,
    now_ms: i64,
) -> Result<u64, StorageError> {
    connection.immediate_transaction(|connection| write(connection, slice, now_ms))
}

/// As [`publish`], but part of the caller's transaction.
fn write(
    connection: &mut SqliteConnection,
    slice: &Slice,
    now_ms: i64,
) -> Result<u64, StorageError> {
    let (sealed_before, sealed_event_id): (i64, i64) = history::table
        .select((history::sealed_tick_id, history::sealed_event_id))
        .first(connection)?;
    if sealed_before != slice.sealed_before {
        return Err(StorageError::Conflict("these ticks are sealed already".to_owned()));
    }
    let mut begun = rollups::begun_behind(connection, sealed_event_id)?;
    let mut grown = Grown::default();
    for service in &slice.services {
        let begun_ms = begun.since_ms.remove(&service.id);
        write_service(connection, service, begun_ms, now_ms, &mut grown)?;
    }
    for (id, begun_ms) in begun.since_ms {
        grown.rollups += rollups::merge(connection, id, &[], Some(begun_ms), now_ms)?;
    }
    let free_before = free_pages(connection)?;
    let left = take_out(connection, slice.up_to)?;
    let emptied = free_pages(connection)? - free_before;
    diesel::update(history::table)
        .set((
            history::sealed_tick_id.eq(slice.up_to),
            history::sealed_event_id.eq(begun.up_to),
            history::sealed_at_ms.eq(now_ms),
            history::emptied_page_count.eq(emptied.max(0)),
            history::chunk_count.eq(history::chunk_count + grown.chunks),
            history::sealed_tick_count.eq(history::sealed_tick_count + grown.ticks),
            history::sealed_byte_count.eq(history::sealed_byte_count + grown.bytes),
            history::rollup_count.eq(history::rollup_count + grown.rollups),
        ))
        .execute(connection)?;
    Ok(left)
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
    service: &Sealed,
    begun_ms: Option<i64>,
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
    grown.rollups += rollups::merge(connection, service.id, &service.hours, begun_ms, now_ms)?;
    Ok(())
}

fn free_pages(connection: &mut SqliteConnection) -> Result<i64, StorageError> {
    let free = diesel::select(sql::<BigInt>("(SELECT freelist_count FROM pragma_freelist_count)"));
    Ok(free.get_result(connection)?)
}

/// Empties the table of fresh ticks but for those behind `up_to`. Deleting every row at once leaves the pages untouched, and few
/// have come since; row by row, each page would be written once more.
fn take_out(connection: &mut SqliteConnection, up_to: i64) -> Result<u64, StorageError> {
    let left: Vec<TickRow> = service_ticks::table
        .filter(service_ticks::id.gt(up_to))
        .order(service_ticks::id)
        .select(TickRow::as_select())
        .load(connection)?;
    diesel::delete(service_ticks::table).execute(connection)?;
    for row in &left {
        diesel::insert_into(service_ticks::table).values(row).execute(connection)?;
    }
    Ok(left.len() as u64)
}

/// Seals everything that is fresh, on the connection that writes; for an import, which has it to itself. Part of the caller's
/// transaction.
pub fn seal_all(
    connection: &mut SqliteConnection,
    chunk_ticks: usize,
    now_ms: i64,
) -> Result<(), StorageError> {
    if let Some(slice) = (Prepare { chunk_ticks }).run(connection)? {
        write(connection, &slice, now_ms)?;
    }
    Ok(())
}
