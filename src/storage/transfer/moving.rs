//! A move: a copy that can be interrupted at any moment and goes on, and that is compared with its
//! source before anybody uses it.

use std::collections::BTreeMap;

use crate::storage::error::StorageError;
use crate::storage::port::Result;
use crate::storage::transfer::checksum::{Checksum, of_others, of_services};
use crate::storage::transfer::tables::NUMBERED;
use crate::storage::transfer::{
    Copied, MoveTarget, PORTION, Progress, StoreCopy, StoreState, TransferSource, copy,
};

/// Differences that are reported one by one.
const MAX_DIFFERENCES: usize = 20;

/// What is moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveSource {
    pub state: StoreState,
    /// As messages name it, without a password.
    pub name: String,
}

/// Where a move to a store begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// In an empty store.
    New,
    /// An earlier move was interrupted.
    GoesOn(Progress),
    /// An earlier move was interrupted, or its target was never used, and a service has used the
    /// source since. What that move has written is deleted.
    Anew,
    /// The store has everything.
    Finished,
}

impl Begun {
    pub fn progress(self) -> Progress {
        match self {
            Self::New | Self::Anew => Progress::START,
            Self::GoesOn(progress) => progress,
            Self::Finished => Progress { behind_service_id: i64::MAX, is_copied: true },
        }
    }
}

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Copied by this process.
    Copied(Copied),
    /// Number of services whose rows were compared.
    Compared(u64),
}

/// Number of rows that were compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Deleted ones included.
    pub services: u64,
    /// Fresh and sealed.
    pub ticks: u64,
    pub rollups: u64,
    pub events: u64,
    /// Rows of the tables that do not belong to services.
    pub others: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("a service has used the source meanwhile")]
    Used,
    /// One sentence a difference.
    #[error("{}", .0.join("\n"))]
    Differs(Vec<String>),
}

/// Copies what is behind `progress`, and compares both stores. Afterwards the target may be
/// [finished](MoveTarget::finish).
pub fn run(
    source: &mut dyn TransferSource,
    target: &mut dyn MoveTarget,
    progress: Progress,
    report: &mut dyn FnMut(Step),
) -> std::result::Result<Moved, MoveError> {
    copy(source, target, progress, &mut |copied| report(Step::Copied(copied)))?;
    let mut comparison = Comparison::default();
    comparison.services(source, target, report)?;
    if comparison.differences.is_empty() {
        comparison.others(source, target)?;
    }
    if comparison.differences.is_empty() {
        return Ok(comparison.moved);
    }
    target.forget()?;
    Err(MoveError::Differs(comparison.differences))
}

#[derive(Default)]
struct Comparison {
    moved: Moved,
    differences: Vec<String>,
}

impl Comparison {
    /// Ends after the first portion with a difference.
    fn services(
        &mut self,
        source: &mut dyn TransferSource,
        target: &mut dyn TransferSource,
        report: &mut dyn FnMut(Step),
    ) -> Result<()> {
        let mut after = i64::MIN;
        while self.differences.is_empty() {
            let (here, last) =
                of_services(source, after, PORTION)?.unwrap_or((BTreeMap::new(), i64::MAX));
            let (there, there_last) =
                of_services(target, after, PORTION)?.unwrap_or((BTreeMap::new(), i64::MAX));
            self.compare(&here, &there);
            for checksum in here.values() {
                let count = |table: &str| checksum.counts.get(table).copied().unwrap_or_default();
                self.moved.services += count("services");
                self.moved.events += count("service_events");
                self.moved.rollups += count("service_rollups");
                self.moved.ticks += checksum.ticks;
            }
            report(Step::Compared(self.moved.services));
            if last == i64::MAX && there_last == i64::MAX {
                break;
            }
            after = last;
        }
        Ok(())
    }

    fn compare(&mut self, here: &BTreeMap<i64, Checksum>, there: &BTreeMap<i64, Checksum>) {
        let ids = here.keys().chain(there.keys().filter(|id| !here.contains_key(id)));
        for id in ids {
            let (here, there) = (here.get(id), there.get(id));
            if here != there && self.differences.len() < MAX_DIFFERENCES {
                let difference = match (here, there) {
                    (Some(here), Some(there)) => difference(here, there),
                    (Some(_), None) => "it is missing in the target".to_owned(),
                    (None, _) => "the target has it and the source has not".to_owned(),
                };
                self.differences.push(format!("service {id}: {difference}"));
            }
        }
    }

    fn others(
        &mut self,
        source: &mut dyn TransferSource,
        target: &mut dyn TransferSource,
    ) -> Result<()> {
        let (here, there) = (of_others(source)?, of_others(target)?);
        self.moved.others = here.counts.values().sum();
        if here != there {
            self.differences.push(format!("other tables: {}", difference(&here, &there)));
        }
        self.differences.extend(store_differences(&source.store()?, &target.store()?));
        Ok(())
    }
}

/// Without the mark of all services, the least of their own, which not every store has.
fn store_differences(here: &StoreCopy, there: &StoreCopy) -> Vec<String> {
    let parts = |store: &StoreCopy| {
        let StoreCopy { liveness_ms, sealed_at_ms, sealed_event_id: _, marks, last_ids, alerting } =
            store;
        let ids = NUMBERED.iter().zip(last_ids);
        let once = [
            ("the liveness mark".to_owned(), format!("{liveness_ms:?}")),
            ("the time of the newest sealing".to_owned(), sealed_at_ms.to_string()),
            ("what retention has deleted".to_owned(), format!("{marks:?}")),
            ("what alerting has once".to_owned(), format!("{alerting:?}")),
        ];
        let ids = ids.map(|(table, id)| (format!("the greatest id of {table}"), id.to_string()));
        once.into_iter().chain(ids).collect::<Vec<_>>()
    };
    // In SQLite, the start of a later tick takes the place of the mark.
    let liveness_ms = there.liveness_ms.min(here.liveness_ms);
    let there = StoreCopy { liveness_ms, ..there.clone() };
    let pairs = parts(here).into_iter().zip(parts(&there));
    let different = pairs.filter(|((_, here), (_, there))| here != there);
    different
        .map(|((what, here), (_, there))| {
            format!("{what} is {here} in the source and {there} in the target")
        })
        .collect()
}

fn difference(here: &Checksum, there: &Checksum) -> String {
    let count = |checksum: &Checksum, table: &str| checksum.counts.get(table).copied().unwrap_or(0);
    let tables = here.counts.keys().chain(there.counts.keys());
    let different = tables.copied().find(|table| count(here, table) != count(there, table));
    match different {
        Some(table) => {
            let (here, there) = (count(here, table), count(there, table));
            format!("the source has {here} rows of {table}, and the target has {there}")
        }
        None => format!(
            "the checksum of its rows is {:016x} in the source and {:016x} in the target",
            here.sum, there.sum
        ),
    }
}
