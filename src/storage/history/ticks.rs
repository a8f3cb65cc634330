//! The ticks of a service, fresh and sealed.
//!
//! Each tick has a number, counted from the first one of its service, which does not change when
//! the tick is sealed. A cursor is such a number, so it stays valid while ticks are added and
//! sealed.

use std::ops::ControlFlow;

use crate::domain::{Reason, ServiceId, State, StoredTick, Window};
use crate::storage::error::StorageError;
use crate::storage::history::codec;
use crate::storage::history::codec::TickParts;
use crate::storage::history::rows::ChunkInfo;
use crate::storage::port::{Query, StoreRead, snapshot};

/// The longest timeout, and some time for what waits to be recorded.
const LONGEST_PROBE_MS: i64 = 2 * 3_600_000;

/// The ticks of a chunk, oldest first, with the number of the first.
pub fn open(
    rows: &mut dyn StoreRead,
    chunk: &ChunkInfo,
) -> Result<(u64, Vec<StoredTick>), StorageError> {
    let ticks = codec::decode(&rows.chunk_data(chunk)?)?;
    check_count(chunk, ticks.len())?;
    Ok((chunk.first_seq.cast_unsigned(), ticks))
}

fn check_count(chunk: &ChunkInfo, count: usize) -> Result<(), StorageError> {
    if count as i64 == chunk.tick_count {
        return Ok(());
    }
    let ChunkInfo { service_id, first_seq, .. } = chunk;
    let row = format!("service_tick_chunks ({service_id}, {first_seq}): tick_count");
    Err(StorageError::Unreadable(row))
}

/// Calls `each` with the ticks of a service in `window` and their numbers, newest first, until it
/// breaks. Only chunks that are `wanted` are decoded.
fn newest_first(
    rows: &mut dyn StoreRead,
    id: ServiceId,
    window: Window,
    before: Option<u64>,
    wanted: impl Fn(&ChunkInfo) -> bool,
    mut each: impl FnMut(u64, StoredTick) -> ControlFlow<()>,
) -> Result<(), StorageError> {
    let is_before = |seq: u64| before.is_none_or(|before| seq < before);
    let mut seq = rows.newest_seq(id)?;
    let mut is_done = false;
    rows.fresh_ticks(id, &mut |tick| {
        let at = seq;
        seq = seq.saturating_sub(1);
        if is_before(at) && window.contains(tick.at_ms) && each(at, tick).is_break() {
            is_done = true;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    if is_done {
        return Ok(());
    }
    for chunk in rows.chunks(id, window, before)?.iter().filter(|chunk| wanted(chunk)) {
        let (first_seq, ticks) = open(rows, chunk)?;
        for (nth, tick) in ticks.into_iter().enumerate().rev() {
            let at = first_seq + nth as u64;
            if is_before(at) && window.contains(tick.at_ms) && each(at, tick).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Calls `each` with every tick of a service in `window`, in unspecified order.
pub fn all_within(
    rows: &mut dyn StoreRead,
    id: ServiceId,
    window: Window,
    mut each: impl FnMut(StoredTick),
) -> Result<(), StorageError> {
    let each = |_, tick| {
        each(tick);
        ControlFlow::Continue(())
    };
    newest_first(rows, id, window, None, |_| true, each)
}

/// Calls `each` with the ticks of a service in `window`, oldest first by their numbers, those of a
/// chunk at once, until it breaks.
pub fn each_within(
    rows: &mut dyn StoreRead,
    id: ServiceId,
    window: Window,
    parts: TickParts,
    each: &mut dyn FnMut(&[StoredTick]) -> ControlFlow<()>,
) -> Result<(), StorageError> {
    let mut fresh = Vec::new();
    rows.fresh_ticks(id, &mut |tick| {
        if window.contains(tick.at_ms) {
            fresh.push(tick);
        }
        // Ticks are recorded when their probes end, so those before began at most this much later.
        match tick.at_ms < window.from_ms.saturating_sub(LONGEST_PROBE_MS) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    for chunk in rows.chunks(id, window, None)?.iter().rev() {
        if each(&open_part(rows, chunk, window, parts)?).is_break() {
            return Ok(());
        }
    }
    fresh.reverse();
    // Nothing follows that could be left out.
    let _ = each(&fresh);
    Ok(())
}

/// The ticks of a service in `window` that are sealed, oldest first by their numbers.
pub fn sealed_within(
    rows: &mut dyn StoreRead,
    id: ServiceId,
    window: Window,
    parts: TickParts,
) -> Result<Vec<StoredTick>, StorageError> {
    let mut all = Vec::new();
    for chunk in rows.chunks(id, window, None)?.iter().rev() {
        all.extend(open_part(rows, chunk, window, parts)?);
    }
    Ok(all)
}

/// The ticks of a chunk in `window`.
fn open_part(
    rows: &mut dyn StoreRead,
    chunk: &ChunkInfo,
    window: Window,
    parts: TickParts,
) -> Result<Vec<StoredTick>, StorageError> {
    let (count, ticks) = codec::decode_part(&rows.chunk_data(chunk)?, parts, window)?;
    check_count(chunk, count)?;
    Ok(ticks)
}

/// Query: the ticks of one living service that match every filter, newest first.
#[derive(Debug, Clone, Copy)]
pub struct ListTicks {
    pub service_id: ServiceId,
    pub window: Window,
    pub state: Option<State>,
    pub reason: Option<Reason>,
    /// Ticks with a lower number.
    pub before: Option<u64>,
    /// Maximum number of ticks.
    pub limit: usize,
}

/// A part of a list of ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TickPage {
    /// With their numbers, newest first.
    pub ticks: Vec<(u64, StoredTick)>,
    /// [`ListTicks::before`] of the next part; `None` at the end.
    pub next: Option<u64>,
}

impl Query for ListTicks {
    type Answer = TickPage;

    fn run(self, rows: &mut dyn StoreRead) -> Result<TickPage, StorageError> {
        snapshot(rows, |rows| {
            rows.require_service(self.service_id)?;
            let mut page = TickPage { ticks: Vec::new(), next: None };
            let wanted = |chunk: &ChunkInfo| {
                let has_failures =
                    self.reason.is_none() || chunk.has(State::Down) || chunk.has(State::Unknown);
                self.state.is_none_or(|state| chunk.has(state)) && has_failures
            };
            let each = |seq, tick: StoredTick| {
                let matches = self.state.is_none_or(|state| tick.state == state)
                    && self.reason.is_none_or(|reason| tick.reason == Some(reason));
                if !matches {
                    return ControlFlow::Continue(());
                }
                if page.ticks.len() == self.limit {
                    page.next = page.ticks.last().map(|(seq, _)| *seq);
                    return ControlFlow::Break(());
                }
                page.ticks.push((seq, tick));
                ControlFlow::Continue(())
            };
            newest_first(rows, self.service_id, self.window, self.before, wanted, each)?;
            Ok(page)
        })
    }
}
