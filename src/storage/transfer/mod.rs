//! Copies of a store in another one. Ids stay.
//!
//! Rows go from the source to the target one by one, in portions of services, each in one
//! transaction of the target, so that at most a few chunks of ticks are in memory at a time. A
//! backup is a copy, and so is a [move](moving).

pub mod checksum;
pub mod moving;
pub mod rows;
pub mod tables;
pub mod target_error;
pub mod value;

use crate::domain::StoredTick;
use crate::domain::audit::AuditEntry;
use crate::storage::history::rows::{Marks, NewChunk, Rollup};
use crate::storage::port::Result;
use crate::storage::transfer::rows::PlainRow;
use crate::storage::transfer::tables::NUMBERED;

/// Services whose rows the target writes in one transaction.
pub const PORTION: usize = 64;

/// What a store has beside the rows of its tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreCopy {
    /// The liveness mark, in unix milliseconds.
    pub liveness_ms: Option<i64>,
    /// Unix milliseconds of the newest sealing; 0 before the first.
    pub sealed_at_ms: i64,
    /// The times of the roll-ups of all services contain every event up to this one: the least of
    /// the marks of the services, in a store that has one for each.
    pub sealed_event_id: i64,
    pub marks: Marks,
    /// Greatest ids of the tables in [`NUMBERED`] so far; no later row has one of these or a
    /// smaller one.
    pub last_ids: [i64; NUMBERED.len()],
    pub alerting: AlertingCopy,
}

/// The row of `alerting`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertingCopy {
    pub instance_key: String,
    pub next_alert_id: i64,
    pub next_notification_id: i64,
}

/// A fresh tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TickCopy {
    pub service_id: i64,
    /// Its number, counted from the first tick of its service.
    pub seq: u64,
    pub tick: StoredTick,
}

/// Rows without an id come with that of their service.
#[derive(Debug)]
pub enum Row {
    Plain(Box<PlainRow>),
    Tick(TickCopy),
    Rollup(i64, Box<Rollup>),
    Chunk(i64, NewChunk),
    /// The times of the roll-ups of a service contain its events up to this one. A store with one
    /// mark for all services does not keep it, so it is no part of a checksum.
    SealedEvents {
        service_id: i64,
        event_id: i64,
    },
}

/// Receives rows.
pub type EachRow<'a> = dyn FnMut(Row) -> Result<()> + 'a;

/// Which store it is, and what it contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreState {
    /// Random; tells the store from every other one.
    pub store_id: String,
    /// Another text after each time that a service has used the store.
    pub state: String,
}

/// A store that is copied, on one snapshot.
pub trait TransferSource {
    fn state(&mut self) -> Result<StoreState>;
    /// Number of services, deleted ones included.
    fn service_count(&mut self) -> Result<u64>;
    fn store(&mut self) -> Result<StoreCopy>;
    /// Passes the rows of the next `limit` services after the id `after`, deleted ones included,
    /// table by table; the rows of a table in the order of their ids, and ticks oldest first.
    /// Metrics come before ticks, and these before chunks. Returns the last of these services;
    /// `None` when none is left.
    fn portion(&mut self, after: i64, limit: usize, each: &mut EachRow<'_>) -> Result<Option<i64>>;
    /// Passes the rows of the tables that do not belong to services.
    fn others(&mut self, each: &mut EachRow<'_>) -> Result<()>;
}

/// A store that receives a copy.
pub trait TransferTarget {
    /// Begins the transaction of a portion.
    fn begin(&mut self) -> Result<()>;
    /// Part of a transaction.
    fn add(&mut self, row: Row) -> Result<()>;
    /// Sets what is beside the rows, all of which were added. Part of a transaction.
    fn set_store(&mut self, store: &StoreCopy) -> Result<()>;
    /// Notes in the transaction how far the copy is.
    fn note(&mut self, progress: Progress) -> Result<()>;
    fn commit(&mut self) -> Result<()>;
}

/// A store that receives a move. Nobody uses it until the move is finished.
pub trait MoveTarget: TransferSource + TransferTarget {
    /// Gives the store to its users, with this row of the audit. One transaction.
    fn finish(&mut self, audited: &AuditEntry) -> Result<()>;
    /// The next move to it begins anew. One transaction.
    fn forget(&mut self) -> Result<()>;
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Every service up to this id is copied.
    pub behind_service_id: i64,
    /// Everything else is copied, too.
    pub is_copied: bool,
}

impl Progress {
    pub const START: Self = Self { behind_service_id: i64::MIN, is_copied: false };
}

/// Number of rows that were copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Deleted ones included.
    pub services: u64,
    /// Fresh and sealed.
    pub ticks: u64,
}

/// Copies all of `source` that is behind `progress`. `report` is called after each transaction.
pub fn copy(
    source: &mut dyn TransferSource,
    target: &mut dyn TransferTarget,
    progress: Progress,
    report: &mut dyn FnMut(Copied),
) -> Result<Copied> {
    let mut copied = Copied::default();
    if progress.is_copied {
        return Ok(copied);
    }
    let mut after = progress.behind_service_id;
    loop {
        target.begin()?;
        let last = source.portion(after, PORTION, &mut |row| {
            match &row {
                Row::Plain(row) => {
                    copied.services += u64::from(matches!(**row, PlainRow::Service(_)));
                }
                Row::Tick(_) => copied.ticks += 1,
                Row::Chunk(_, chunk) => copied.ticks += chunk.tick_count.cast_unsigned(),
                Row::Rollup(..) | Row::SealedEvents { .. } => {}
            }
            target.add(row)
        })?;
        if let Some(last) = last {
            target.note(Progress { behind_service_id: last, is_copied: false })?;
        }
        target.commit()?;
        report(copied);
        match last {
            Some(last) => after = last,
            None => break,
        }
    }
    target.begin()?;
    source.others(&mut |row| target.add(row))?;
    target.set_store(&source.store()?)?;
    target.note(Progress { behind_service_id: after, is_copied: true })?;
    target.commit()?;
    Ok(copied)
}
