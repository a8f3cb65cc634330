//! The ticks that remote write has not relayed, service by service, each oldest first.

use std::ops::ControlFlow;

use crate::domain::{ServiceId, StoredTick, Window};
use crate::storage::error::StorageError;
use crate::storage::history::rows::Unrelayed;
use crate::storage::history::ticks;
use crate::storage::port::{Query, StoreRead, snapshot};

/// A tick of a service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NumberedTick {
    pub service_id: ServiceId,
    pub seq: u64,
    pub tick: StoredTick,
}

/// Query: the next `limit` services with such ticks after the service `after`, by id.
#[derive(Debug, Clone, Copy)]
pub struct ListUnrelayed {
    pub after: i64,
    pub limit: u32,
}

impl Query for ListUnrelayed {
    type Answer = Vec<Unrelayed>;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Self::Answer, StorageError> {
        rows.unrelayed(self.after, self.limit)
    }
}

/// Query: the ticks of these services that are not relayed, until there are at least `limit`.
#[derive(Debug, Clone)]
pub struct ReadUnrelayed {
    pub services: Vec<Unrelayed>,
    pub limit: usize,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct UnrelayedTicks {
    pub ticks: Vec<NumberedTick>,
    /// What is not read yet. Ticks that retention has deleted are left out.
    pub rest: Vec<Unrelayed>,
}

impl Query for ReadUnrelayed {
    type Answer = UnrelayedTicks;

    fn run(self, rows: &mut dyn StoreRead) -> Result<Self::Answer, StorageError> {
        let mut read = UnrelayedTicks::default();
        for mut service in self.services {
            while read.ticks.len() < self.limit && service.relayed_seq < service.newest_seq {
                let run = snapshot(rows, |rows| next_run(rows, &service))?;
                service.relayed_seq = run.last().map_or(service.newest_seq, |tick| tick.seq);
                read.ticks.extend(run);
            }
            if service.relayed_seq < service.newest_seq {
                read.rest.push(service);
            }
        }
        Ok(read)
    }
}

/// The next ticks: those of a chunk, or all fresh ones. Empty at the end.
fn next_run(
    rows: &mut dyn StoreRead,
    service: &Unrelayed,
) -> Result<Vec<NumberedTick>, StorageError> {
    let Unrelayed { service_id, relayed_seq, newest_seq } = *service;
    let wanted = relayed_seq + 1..=newest_seq;
    let numbered = |(seq, tick)| NumberedTick { service_id, seq, tick };
    if let Some(chunk) = rows.chunk_from(service_id, relayed_seq + 1, Window::ALL)? {
        let (first, run) = ticks::open(rows, &chunk)?;
        let run = (first..).zip(run).filter(|(seq, _)| wanted.contains(seq));
        return Ok(run.map(numbered).collect());
    }
    let (mut run, mut seq) = (Vec::new(), rows.newest_seq(service_id)?);
    rows.fresh_ticks(service_id, &mut |tick| {
        if seq <= relayed_seq {
            return ControlFlow::Break(());
        }
        if wanted.contains(&seq) {
            run.push(numbered((seq, tick)));
        }
        seq = seq.saturating_sub(1);
        ControlFlow::Continue(())
    })?;
    run.reverse();
    Ok(run)
}
