//! The ticks of a service, fresh and sealed.
//!
//! Every tick has a number, counted from the service's first one, which it keeps when it is sealed; a cursor is such a number,
//! so it stays good while new ticks arrive and old ones are sealed.

use std::ops::ControlFlow;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::{codec, fresh, must_live, newest_seq};
use crate::domain::Window;
use crate::domain::history::tick::StoredTick;
use crate::domain::{Reason, ServiceId, State};
use crate::storage::StorageError;
use crate::storage::reader::Query;
use crate::storage::schema::service_tick_chunks;

/// What is known of a chunk without unpacking it.
#[derive(Debug, Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = service_tick_chunks, check_for_backend(diesel::sqlite::Sqlite))]
pub struct ChunkInfo {
    pub(super) id: i64,
    pub(super) first_seq: i64,
    pub(super) tick_count: i64,
    up_count: i64,
    down_count: i64,
}

impl ChunkInfo {
    /// Whether a tick of that state is in it.
    fn has(&self, state: State) -> bool {
        match state {
            State::Up => self.up_count > 0,
            State::Down => self.down_count > 0,
            State::Unknown => self.tick_count > self.up_count + self.down_count,
            State::Paused => false,
        }
    }
}

/// The chunks of a service that touch `window`, newest first, of which only those that begin before tick number `before`.
pub fn chunks(
    connection: &mut SqliteConnection,
    id: ServiceId,
    window: Window,
    before: Option<u64>,
) -> Result<Vec<ChunkInfo>, StorageError> {
    let before = before.and_then(|seq| i64::try_from(seq).ok()).unwrap_or(i64::MAX);
    let found = service_tick_chunks::table
        .filter(service_tick_chunks::service_id.eq(id.get()))
        .filter(service_tick_chunks::first_seq.lt(before))
        .filter(service_tick_chunks::from_ms.lt(window.to_ms))
        .filter(service_tick_chunks::to_ms.ge(window.from_ms))
        .order(service_tick_chunks::first_seq.desc())
        .select(ChunkInfo::as_select())
        .load(connection)?;
    Ok(found)
}

/// The ticks of a chunk, oldest first, with the number of the first.
pub fn open(
    connection: &mut SqliteConnection,
    chunk: &ChunkInfo,
) -> Result<(u64, Vec<StoredTick>), StorageError> {
    let data: Vec<u8> = service_tick_chunks::table
        .find(chunk.id)
        .select(service_tick_chunks::data)
        .first(connection)?;
    let ticks = codec::decode(&data)?;
    if ticks.len() as i64 != chunk.tick_count {
        let row = format!("service_tick_chunks, id {}: tick_count", chunk.id);
        return Err(StorageError::Unreadable(row));
    }
    Ok((chunk.first_seq.cast_unsigned(), ticks))
}

/// Shows the ticks of a service that lie in `window` with their numbers, newest first, until `each` breaks. `wanted` says of a
/// chunk whether it is worth unpacking.
fn newest_first(
    connection: &mut SqliteConnection,
    id: ServiceId,
    window: Window,
    before: Option<u64>,
    wanted: impl Fn(&ChunkInfo) -> bool,
    mut each: impl FnMut(u64, StoredTick) -> ControlFlow<()>,
) -> Result<(), StorageError> {
    let is_before = |seq: u64| before.is_none_or(|before| seq < before);
    let mut seq = newest_seq(connection, id)?;
    let mut is_done = false;
    fresh::newest_first(connection, id, |tick| {
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
    for chunk in chunks(connection, id, window, before)?.iter().filter(|chunk| wanted(chunk)) {
        let (first_seq, ticks) = open(connection, chunk)?;
        for (nth, tick) in ticks.into_iter().enumerate().rev() {
            let at = first_seq + nth as u64;
            if is_before(at) && window.contains(tick.at_ms) && each(at, tick).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Shows every tick of a service that lies in `window`, in no promised order.
pub fn all_within(
    connection: &mut SqliteConnection,
    id: ServiceId,
    window: Window,
    mut each: impl FnMut(StoredTick),
) -> Result<(), StorageError> {
    newest_first(
        connection,
        id,
        window,
        None,
        |_| true,
        |_, tick| {
            each(tick);
            ControlFlow::Continue(())
        },
    )
}

/// The ticks of one living service that fit every given filter, newest first.
#[derive(Debug, Clone, Copy)]
pub struct ListTicks {
    /// Whose.
    pub service_id: ServiceId,
    /// When.
    pub window: Window,
    /// Only those that say this.
    pub state: Option<State>,
    /// Only those with this failure.
    pub reason: Option<Reason>,
    /// Only those with a lower number.
    pub before: Option<u64>,
    /// How many at most.
    pub limit: usize,
}

/// A part of a list of ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TickPage {
    /// The ticks with their numbers, newest first.
    pub ticks: Vec<(u64, StoredTick)>,
    /// Where the list goes on; `None` at its end.
    pub next: Option<u64>,
}

impl Query for ListTicks {
    type Answer = TickPage;

    fn run(self, connection: &mut SqliteConnection) -> Result<Self::Answer, StorageError> {
        connection.transaction(|connection| {
            must_live(connection, self.service_id)?;
            let mut page = TickPage { ticks: Vec::new(), next: None };
            let worth = |chunk: &ChunkInfo| {
                let has_failures =
                    self.reason.is_none() || chunk.has(State::Down) || chunk.has(State::Unknown);
                self.state.is_none_or(|state| chunk.has(state)) && has_failures
            };
            newest_first(
                connection,
                self.service_id,
                self.window,
                self.before,
                worth,
                |seq, tick| {
                    let fits = self.state.is_none_or(|state| tick.state == state)
                        && self.reason.is_none_or(|reason| tick.reason == Some(reason));
                    if !fits {
                        return ControlFlow::Continue(());
                    }
                    if page.ticks.len() == self.limit {
                        page.next = page.ticks.last().map(|(seq, _)| *seq);
                        return ControlFlow::Break(());
                    }
                    page.ticks.push((seq, tick));
                    ControlFlow::Continue(())
                },
            )?;
            Ok(page)
        })
    }
}
