//! Scans the ticks of a service, oldest first, without blocking anything: each step reads one
//! chunk on a snapshot of its own.
//!
//! A tick keeps its number and is in exactly one place at any moment, so a scan by numbers returns
//! each tick once, whatever is sealed meanwhile. One long transaction would do that too, but while
//! the output is read slowly, as by a pager, a running service could not checkpoint its log.

use std::ops::ControlFlow;

use crate::domain::{ServiceId, StoredTick, Window};
use crate::storage::error::StorageError;
use crate::storage::history::ticks;
use crate::storage::port::{StoreRead, snapshot};
use crate::storage::records::NamedService;

/// Position of a scan.
#[derive(Debug, Clone, Copy)]
pub struct Scan {
    id: ServiceId,
    window: Window,
    /// Number of the next tick.
    next: u64,
    /// Number of the last tick to return.
    last: u64,
}

impl Scan {
    /// Scans the ticks of `service` in `window`, up to the one that was its newest.
    pub fn new(service: &NamedService, window: Window) -> Self {
        Self { id: service.id, window, next: 1, last: service.newest_seq }
    }

    /// The next ticks, oldest first: those of a chunk, or all fresh ones. May be empty; `None` at
    /// the end.
    pub fn step(
        &mut self,
        rows: &mut dyn StoreRead,
    ) -> Result<Option<Vec<StoredTick>>, StorageError> {
        if self.next > self.last {
            return Ok(None);
        }
        let (first, run) =
            snapshot(rows, |rows| match rows.chunk_from(self.id, self.next, self.window)? {
                Some(chunk) => ticks::open(rows, &chunk),
                None => self.fresh(rows),
            })?;
        let (next, last) = (self.next, self.last);
        // An empty run means that nothing sealed or fresh is left.
        self.next = if run.is_empty() { last + 1 } else { first + run.len() as u64 };
        let numbered = (first..).zip(run);
        let wanted = numbered.filter(|(seq, _)| (next..=last).contains(seq));
        let group = wanted.map(|(_, tick)| tick).filter(|tick| self.window.contains(tick.at_ms));
        Ok(Some(group.collect()))
    }

    /// The fresh ticks, oldest first, with the number of the first.
    fn fresh(&self, rows: &mut dyn StoreRead) -> Result<(u64, Vec<StoredTick>), StorageError> {
        let mut run = Vec::new();
        rows.fresh_ticks(self.id, &mut |tick| {
            run.push(tick);
            ControlFlow::Continue(())
        })?;
        run.reverse();
        let newest = rows.newest_seq(self.id)?;
        Ok(((newest + 1).saturating_sub(run.len() as u64), run))
    }
}
