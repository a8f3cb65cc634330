//! Slices: the fresh ticks of some services, packed and ready to be sealed.
//!
//! [`Prepare`] reads and packs on a connection of its own, which takes a while and holds up nobody. What it holds is bounded,
//! however many services and ticks there are, so a sealing takes as many slices as it needs.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::ticks;
use super::{codec, fresh};
use crate::domain::history::stats::Stats;
use crate::domain::history::tick::StoredTick;
use crate::domain::{ServiceId, State};
use crate::storage::StorageError;
use crate::storage::history::rollups::{Bucket, RollupRow};
use crate::storage::history::seal::{EVERY_SERVICE, Sealing};
use crate::storage::history::ticks::ChunkInfo;
use crate::storage::reader::Query;
use crate::storage::schema::{service_events, service_metrics, service_tick_chunks};

/// A chunk that is at most this many times as long as what is to be sealed behind it is sealed with it anew.
const GROWTH: usize = 3;

/// How much of a sealing is held at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Most services that are looked at, with fresh ticks or without.
    pub services: usize,
    /// Most ticks, unless one service alone has more. They are held unpacked, some 80 bytes each, and then packed.
    pub ticks: usize,
}

/// What a slice is bounded by.
pub(super) const SLICE: Bounds = Bounds { services: 4_096, ticks: 131_072 };

/// Query: the next services of the sealing that is under way, packed and ready to be published; `None` when there is no
/// sealing, or every service is done with.
#[derive(Debug, Clone, Copy)]
pub struct Prepare {
    /// Ticks of a full chunk.
    pub chunk_ticks: usize,
}

/// What is to be sealed of the services next in turn.
///
/// Bound: 4,096 services and 131,072 ticks, packed to some ten bytes a tick, and a roll-up for each service and hour of it. A
/// service is never divided: one that has more ticks makes a slice by itself.
#[derive(Debug)]
pub struct Slice {
    /// Which sealing it belongs to: its newest tick.
    pub(super) tick_id: i64,
    /// Every service up to this one is done with.
    pub(super) after: i64,
    /// With the slice, every service up to this one is.
    pub(super) through: i64,
    /// What is left to be written, by id.
    pub(super) services: VecDeque<Packed>,
}

impl Slice {
    /// Whether all of it is in the store.
    pub fn is_published(&self) -> bool {
        self.after == self.through
    }
}

/// What is to be written of one service.
#[derive(Debug)]
pub(super) struct Packed {
    pub id: ServiceId,
    /// Fresh ticks that are sealed by this.
    pub ticks: u64,
    pub chunks: Vec<NewChunk>,
    /// The short chunk that is contained in the first of `chunks`.
    pub replaced: Option<ChunkInfo>,
    /// By their start; packed, since there is one for each service and hour.
    pub hours: Vec<RollupRow>,
    /// When the first of its events began that no sealing has looked at yet.
    pub begun_ms: Option<i64>,
}

/// A row of `service_tick_chunks`.
#[derive(Debug, Insertable)]
#[diesel(table_name = service_tick_chunks)]
pub(super) struct NewChunk {
    pub service_id: i64,
    pub first_seq: i64,
    pub from_ms: i64,
    pub to_ms: i64,
    pub tick_count: i64,
    pub up_count: i64,
    pub down_count: i64,
    pub data: Vec<u8>,
}

impl Query for Prepare {
    type Answer = Option<Slice>;

    fn run(self, connection: &mut SqliteConnection) -> Result<Self::Answer, StorageError> {
        // One snapshot: the counts of the metrics must be those of the ticks.
        connection.transaction(|connection| next_slice(connection, self.chunk_ticks, SLICE))
    }
}

/// The fresh ticks of one service.
#[derive(Default)]
struct Run {
    /// Those that came since the sealing began, and are no part of it.
    newer: i64,
    /// Those that are, newest first.
    ticks: Vec<StoredTick>,
}

/// As [`Prepare`], with other bounds. Part of the caller's transaction.
pub(super) fn next_slice(
    connection: &mut SqliteConnection,
    chunk_ticks: usize,
    bounds: Bounds,
) -> Result<Option<Slice>, StorageError> {
    let sealing = Sealing::under_way(connection)?;
    let Some(sealing) = sealing.filter(|sealing| !sealing.is_written()) else { return Ok(None) };
    let mut most = likely_services(connection, &sealing, bounds)?;
    let mut runs = loop {
        match read_runs(connection, &sealing, most, bounds)? {
            Some(runs) => break runs,
            None => most /= 2,
        }
    };
    let metrics = metrics_behind(connection, sealing.service_id, most)?;
    let through = match metrics.last() {
        Some(last) if metrics.len() == most => last.service_id,
        _ => EVERY_SERVICE,
    };
    let mut services = VecDeque::new();
    for metric in metrics {
        let begun_ms = metric.begun_since(connection, sealing.sealed_event_id)?;
        let Run { newer, mut ticks } = runs.remove(&metric.service_id).unwrap_or_default();
        if ticks.is_empty() && begun_ms.is_none() {
            continue;
        }
        let id = ServiceId::new(metric.service_id).ok_or_else(|| {
            let row = format!("service_metrics, service_id {}", metric.service_id);
            StorageError::Unreadable(row)
        })?;
        ticks.reverse();
        let newest_seq = metric.tick_count + metric.unknown_count - newer;
        let packed = pack_service(connection, id, newest_seq, ticks, chunk_ticks)?;
        services.push_back(Packed { begun_ms, ..packed });
    }
    let Sealing { tick_id, service_id: after, .. } = sealing;
    Ok(Some(Slice { tick_id, after, through, services }))
}

/// How many services have about half of the ticks that are within `bounds`, if they are like all that are left; at least one.
fn likely_services(
    connection: &mut SqliteConnection,
    sealing: &Sealing,
    bounds: Bounds,
) -> Result<usize, StorageError> {
    let services: i64 = service_metrics::table
        .filter(service_metrics::service_id.gt(sealing.service_id))
        .count()
        .get_result(connection)?;
    let ticks = fresh::left_to_seal(connection)?;
    let half = bounds.ticks as u64 / 2;
    let likely = half.saturating_mul(services.cast_unsigned()) / ticks.max(1);
    Ok(usize::try_from(likely).unwrap_or(usize::MAX).clamp(1, bounds.services))
}

/// The fresh ticks of so many services, by their ids. `None` when they are too many, and of more services than one.
fn read_runs(
    connection: &mut SqliteConnection,
    sealing: &Sealing,
    services: usize,
    bounds: Bounds,
) -> Result<Option<BTreeMap<i64, Run>>, StorageError> {
    let mut runs: BTreeMap<i64, Run> = BTreeMap::new();
    let mut held = 0;
    let is_too_much = |held: usize| held > bounds.ticks && services > 1;
    fresh::of_services_behind(connection, sealing.service_id, services, |row| {
        let run = runs.entry(row.service_id).or_default();
        if row.id > sealing.tick_id {
            run.newer += 1;
        } else {
            run.ticks.push(row.kept());
            held += 1;
        }
        if is_too_much(held) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok((!is_too_much(held)).then_some(runs))
}

/// What the metric of a service says of its ticks and events.
#[derive(Queryable, Selectable)]
#[diesel(table_name = service_metrics, check_for_backend(diesel::sqlite::Sqlite))]
struct Metric {
    service_id: i64,
    tick_count: i64,
    unknown_count: i64,
    latest_event_id: Option<i64>,
}

fn metrics_behind(
    connection: &mut SqliteConnection,
    after: i64,
    services: usize,
) -> Result<Vec<Metric>, StorageError> {
    let metrics = service_metrics::table
        .filter(service_metrics::service_id.gt(after))
        .order(service_metrics::service_id)
        .limit(i64::try_from(services).unwrap_or(i64::MAX))
        .select(Metric::as_select())
        .load(connection)?;
    Ok(metrics)
}

impl Metric {
    /// When the first of its events behind the one of that id began. By their ids and not by a clock, which may be set back:
    /// whatever moment they are dated to, the times of the roll-ups there are no longer right.
    fn begun_since(
        &self,
        connection: &mut SqliteConnection,
        event_id: i64,
    ) -> Result<Option<i64>, StorageError> {
        // Most services have none, and then need not be looked for.
        if self.latest_event_id.is_none_or(|latest| latest <= event_id) {
            return Ok(None);
        }
        let begun_ms = service_events::table
            .filter(service_events::service_id.eq(self.service_id))
            .filter(service_events::id.gt(event_id))
            .select(diesel::dsl::min(service_events::date_started_ms))
            .first(connection)?;
        Ok(begun_ms)
    }
}

/// `fresh` is oldest first, and the last of it is number `newest_seq`.
fn pack_service(
    connection: &mut SqliteConnection,
    id: ServiceId,
    newest_seq: i64,
    fresh: Vec<StoredTick>,
    chunk_ticks: usize,
) -> Result<Packed, StorageError> {
    let ticks = fresh.len() as u64;
    let mut hours: BTreeMap<Bucket, Stats> = BTreeMap::new();
    for tick in &fresh {
        hours.entry(Bucket::hour(tick.at_ms)).or_default().add(tick);
    }
    let hours = hours.iter().map(|(hour, stats)| RollupRow::new(id, *hour, stats)).collect();
    let mut first_seq = newest_seq - fresh.len() as i64 + 1;
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
    Ok(Packed { id, ticks, chunks, replaced, hours, begun_ms: None })
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
    ticks: &[StoredTick],
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
