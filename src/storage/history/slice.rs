//! Packs the fresh ticks of the next services of a sealing.
//!
//! [`Prepare`] reads and packs on a connection of its own, which takes a while and blocks nothing.
//! A slice is bounded, whatever the number of services and ticks, so a sealing takes several.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;

use crate::domain::{ServiceId, State, Stats, StoredTick, Totals};
use crate::storage::error::StorageError;
use crate::storage::history::codec;
use crate::storage::history::rows::{
    Bucket, ChunkInfo, EVERY_SERVICE, NewChunk, Packed, PackedStats, Rollup, Sealing, Slice,
};
use crate::storage::history::ticks;
use crate::storage::port::{Query, StoreRead, snapshot};

/// A chunk with at most this many times as many ticks as follow it is sealed again with them.
const GROWTH: usize = 3;

/// Bounds of a slice.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Maximum number of services, with fresh ticks or without.
    pub services: usize,
    /// Maximum number of ticks, unless one service alone has more. They are held unpacked, some
    /// 80 bytes each and twice as much while they are sorted, and then packed.
    pub ticks: usize,
}

pub const SLICE: Bounds = Bounds { services: 4_096, ticks: 16_384 };

/// Query: the next services of the sealing, packed; `None` when no sealing is in progress or every
/// service is sealed.
#[derive(Debug, Clone, Copy)]
pub struct Prepare {
    /// Ticks of a full chunk.
    pub chunk_ticks: usize,
}

impl Query for Prepare {
    type Answer = Option<Slice>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Option<Slice>, StorageError> {
        // One snapshot: the counts of the metrics must be those of the ticks.
        snapshot(rows, |rows| next_slice(rows, self.chunk_ticks, SLICE))
    }
}

/// The fresh ticks of some services. They are one allocation, which glibc gives back to the system;
/// one allocation for each service would fragment the heap.
#[derive(Default)]
struct Runs {
    /// Those to be sealed, by service, the oldest of each first.
    ticks: Vec<(ServiceId, StoredTick)>,
    /// Of each service, the number of ticks that were recorded after the sealing began, and are not
    /// part of it.
    later: BTreeMap<ServiceId, u64>,
}

/// As [`Prepare`], within `bounds`. Part of the caller's snapshot or transaction.
pub fn next_slice(
    rows: &mut dyn StoreRead,
    chunk_ticks: usize,
    bounds: Bounds,
) -> Result<Option<Slice>, StorageError> {
    let sealing = rows.sealing()?;
    let Some(sealing) = sealing.filter(|sealing| !sealing.is_done()) else { return Ok(None) };
    let mut limit = likely_services(rows, &sealing, bounds)?;
    let Runs { ticks, later } = loop {
        match read_runs(rows, &sealing, limit, bounds)? {
            Some(runs) => break runs,
            None => limit /= 2,
        }
    };
    let unsealed = rows.unsealed_services(&sealing, limit)?;
    let through = match unsealed.last() {
        Some(last) if unsealed.len() == limit => last.id.get(),
        _ => EVERY_SERVICE,
    };
    let mut runs: BTreeMap<ServiceId, &[(ServiceId, StoredTick)]> = BTreeMap::new();
    for run in ticks.chunk_by(|(id, _), (next_id, _)| id == next_id) {
        runs.insert(run[0].0, run);
    }
    let ids: Vec<ServiceId> = runs.keys().copied().collect();
    let newest_chunks = rows.newest_chunks(&ids)?;
    let mut services = VecDeque::new();
    for service in unsealed {
        let fresh = runs.get(&service.id).copied().unwrap_or_default();
        if fresh.is_empty() && service.begun_ms.is_none() {
            continue;
        }
        let fresh = fresh.iter().map(|(_, tick)| *tick).collect();
        let later = later.get(&service.id).copied().unwrap_or_default();
        let newest_seq = service.newest_seq.saturating_sub(later).cast_signed();
        let newest_chunk = newest_chunks.get(&service.id).copied();
        let packed = pack_service(rows, service.id, newest_chunk, newest_seq, fresh, chunk_ticks)?;
        services.push_back(Packed { begun_ms: service.begun_ms, ..packed });
    }
    let Sealing { id: sealing_id, done_through: after } = sealing;
    Ok(Some(Slice { sealing_id, after, through, services }))
}

/// Number of services that have about half of the ticks of `bounds`, if they are like all that are
/// left; at least one.
fn likely_services(
    rows: &mut dyn StoreRead,
    sealing: &Sealing,
    bounds: Bounds,
) -> Result<usize, StorageError> {
    let backlog = rows.backlog(sealing)?;
    let half = bounds.ticks as u64 / 2;
    let likely = half.saturating_mul(backlog.services) / backlog.ticks.max(1);
    Ok(usize::try_from(likely).unwrap_or(usize::MAX).clamp(1, bounds.services))
}

/// The fresh ticks of the next `limit` services. `None` when they exceed the bounds and belong to
/// more than one service.
fn read_runs(
    rows: &mut dyn StoreRead,
    sealing: &Sealing,
    limit: usize,
    bounds: Bounds,
) -> Result<Option<Runs>, StorageError> {
    let Runs { mut ticks, mut later } = Runs::default();
    let is_too_much = |count: usize| count > bounds.ticks && limit > 1;
    rows.unsealed_ticks(sealing, limit, &mut |row| {
        if row.is_later {
            *later.entry(row.service_id).or_default() += 1;
        } else {
            ticks.push((row.service_id, row.tick));
        }
        if is_too_much(ticks.len()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if is_too_much(ticks.len()) {
        return Ok(None);
    }
    // They were read newest first.
    ticks.reverse();
    ticks.sort_by_key(|(id, _)| *id);
    Ok(Some(Runs { ticks, later }))
}

/// `fresh` is oldest first, and its last tick is number `newest_seq`.
fn pack_service(
    rows: &mut dyn StoreRead,
    id: ServiceId,
    newest_chunk: Option<ChunkInfo>,
    newest_seq: i64,
    fresh: Vec<StoredTick>,
    chunk_ticks: usize,
) -> Result<Packed, StorageError> {
    let ticks = fresh.len() as u64;
    let mut hours: BTreeMap<Bucket, Stats> = BTreeMap::new();
    for tick in &fresh {
        hours.entry(Bucket::hour(tick.at_ms)).or_default().add(tick);
    }
    let hours = hours.iter().map(|(bucket, stats)| Rollup {
        bucket: *bucket,
        stats: PackedStats::pack(stats),
        totals: Totals::default(),
    });
    let hours = hours.collect();
    let mut first_seq = newest_seq - fresh.len() as i64 + 1;
    let mut run = fresh;
    let mut replaced =
        newest_chunk.filter(|head| is_short(head, first_seq, run.len(), chunk_ticks));
    if let Some(head) = replaced {
        match ticks::open(rows, &head) {
            Ok((_, mut longer)) => {
                longer.append(&mut run);
                (run, first_seq) = (longer, head.first_seq);
            }
            // A damaged chunk stays as it is, and does not stop the sealing.
            Err(StorageError::Unreadable(_)) => replaced = None,
            Err(error) => return Err(error),
        }
    }
    let chunks = pack(first_seq, &run, chunk_ticks)?;
    Ok(Packed { id, ticks, chunks, replaced, hours, begun_ms: None })
}

/// Whether the newest chunk of a service is short enough to be sealed again with the ticks that
/// follow it, the first of which is number `first_seq`. So services that are probed seldom have
/// full chunks too, and a tick is written again a few times only.
fn is_short(head: &ChunkInfo, first_seq: i64, fresh: usize, chunk_ticks: usize) -> bool {
    let count = head.tick_count as usize;
    let is_adjacent = head.first_seq + head.tick_count == first_seq;
    is_adjacent && count < chunk_ticks && count <= GROWTH * fresh
}

/// Chunks of `chunk_ticks` ticks, and a last one of up to twice as many less one, since a short one
/// would be sealed again.
fn pack(
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
