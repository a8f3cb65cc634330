//! Messages to the writer and the readers. Some arrive at the recorder, which forwards them.

use std::sync::Arc;
use std::time::Duration;

use actix::Message;
use tokio::sync::oneshot;

use crate::domain::alert::Settlement;
use crate::domain::audit::AuditSource;
use crate::domain::live::LiveService;
use crate::domain::time::clock_watch::Moment;
use crate::domain::time::stall::Stall;
use crate::domain::time::step_back::StepBack;
use crate::domain::{Outcome, Retention};
use crate::services_file::{Content, FileApplied, FileError};
use crate::storage::access::{AccessApplied, AccessChange};
use crate::storage::alerting::{AlertingApplied, AlertingChange};
use crate::storage::history::retention::Progress;
use crate::storage::history::rows::Slice;
use crate::storage::ledger::{Committed, Fresh};
use crate::storage::maintenance::{MaintenanceApplied, MaintenanceChange};
use crate::storage::port::Query;
use crate::storage::records::{Applied, Change, Gap, SetBack};
use crate::storage::{Rescued, StorageError, StoreChange};

/// Query from HTTP to the recorder, which forwards it to a reader. A query whose sender has gone
/// may be dropped.
#[derive(Debug)]
pub struct Ask<Q>(pub Q);

impl<Q: Query> Message for Ask<Q> {
    type Result = Result<Q::Answer, StorageError>;
}

/// Command from the recorder to the writer: commit this group.
#[derive(Debug, Message)]
#[rtype(result = "CommitDone")]
pub struct Commit {
    /// An empty group only moves the liveness mark.
    pub group: Vec<Outcome>,
    /// To be noted before the group.
    pub clock: ClockNotes,
    /// The newest heartbeat of the recorder. The commit is dated by the monotonic time since then,
    /// so that a step of the wall clock that the recorder has not found yet changes nothing.
    pub as_of: Moment,
    /// Commit to the store that was opened, or save the group, after a change of the store.
    pub rescues: bool,
}

/// What the clocks did since the last commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClockNotes {
    /// Steps back of the wall clock, in order.
    pub steps: Vec<StepBack>,
    /// A stall to note as a gap, after the steps.
    pub stall: Option<Stall>,
}

/// Result of a [`Commit`].
#[derive(Debug, Default)]
pub struct CommitDone {
    pub committed: Committed,
    /// The part of the group that was not committed.
    pub failed: Option<NotCommitted>,
    /// Nothing is committed after it, except for a rescue.
    pub store_change: Option<StoreChange>,
    /// A rescue ended the group: the number of its outcomes that are lost.
    pub given_up: Option<usize>,
    pub fresh: Fresh,
    /// All services, after others than those of the group have changed.
    pub services: Option<Vec<LiveService>>,
    /// What was noted of the clocks, whether or not the group was committed.
    pub noted: ClockNotes,
    /// The steps that were noted, as one.
    pub set_back: Option<SetBack>,
    /// The gap that was noted for the stall.
    pub gap: Option<Gap>,
}

/// Outcomes to commit again later.
#[derive(Debug)]
pub struct NotCommitted {
    /// Oldest first.
    pub group: Vec<Outcome>,
    /// Why the store is unavailable.
    pub why: String,
}

/// Command from HTTP to the recorder, which forwards it to the writer. The reply means that the
/// change is on the disk, or why none of it is.
#[derive(Debug, Message)]
#[rtype(result = "Result<Applied, StorageError>")]
pub struct MakeChange {
    pub change: Change,
    pub source: AuditSource,
}

/// Command from HTTP to the recorder, which forwards it to the writer: change channels, policies or
/// silences. The reply means that the change is on the disk, or why none of it is.
#[derive(Debug, Message)]
#[rtype(result = "Result<AlertingApplied, StorageError>")]
pub struct ChangeAlerting {
    pub change: AlertingChange,
    pub source: AuditSource,
}

/// Command from the dispatcher to the recorder, which forwards it to the writer: write what was
/// decided about alerts. The reply means that it is on the disk, or why none of it is; after
/// `Unavailable` the same settlement is to be written again.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StorageError>")]
pub struct SettleAlerts(pub Box<Settlement>);

/// Command to the recorder, which forwards it to the writer: from HTTP, change a definition of
/// maintenance; from the span writer, write times that have begun. The reply means that the change
/// is on the disk, or why none of it is.
#[derive(Debug, Message)]
#[rtype(result = "Result<MaintenanceApplied, StorageError>")]
pub struct ChangeMaintenance {
    pub change: MaintenanceChange,
    pub source: AuditSource,
}

/// Command from HTTP to the recorder, which forwards it to the writer: change tokens or sessions.
/// The reply means that the change is on the disk and holds for every request from now on, or why
/// none of it is.
#[derive(Debug, Message)]
#[rtype(result = "Result<AccessApplied, StorageError>")]
pub struct ChangeAccess {
    pub change: AccessChange,
    pub source: AuditSource,
}

/// Command from the app to the recorder, which forwards it to the writer: make what belongs to the
/// services file equal to its content. The reply means that all changes are on the disk, or why
/// none is.
#[derive(Debug, Message)]
#[rtype(result = "Result<FileApplied, FileError>")]
pub struct ApplyFile(pub Arc<Content>);

/// A write of the upkeep: command from the recorder to the writer.
#[derive(Debug, Message)]
#[rtype(result = "Result<UpkeepWritten, StorageError>")]
pub enum UpkeepWrite {
    /// Begins a sealing, or resumes one that was interrupted.
    BeginSealing,
    /// Replaces as many ticks of the slice as one short transaction can by their chunk.
    PublishSlice(Box<Slice>),
    /// Ends the sealing, of which every slice is published.
    FinishSealing,
    /// Takes the next step of a retention round, which has come to `progress`.
    Retain { retention: Retention, progress: Progress },
}

/// What an [`UpkeepWrite`] did.
#[derive(Debug)]
pub enum UpkeepWritten {
    /// `is_sealing` is false when nothing is left to seal.
    SealingBegun(Fresh),
    /// `ticks` were sealed; the slice contains what is left of it.
    SlicePublished {
        slice: Box<Slice>,
        ticks: u64,
        fresh: Fresh,
    },
    /// `strays` are deleted ticks that belonged to no metric.
    SealingFinished {
        strays: u64,
        fresh: Fresh,
    },
    Retained(Progress),
}

/// Command from the upkeep to the recorder, which queues the write behind changes and before
/// outcomes. An error means that the recorder is closing and the write was not tried.
#[derive(Debug, Message)]
#[rtype(result = "Result<UpkeepReply, oneshot::error::RecvError>")]
pub struct QueueUpkeepWrite(pub UpkeepWrite);

/// Reply to a [`QueueUpkeepWrite`].
#[derive(Debug)]
pub struct UpkeepReply {
    pub result: Result<UpkeepWritten, StorageError>,
    /// How long the writer took.
    pub took: Duration,
}

/// Command from the recorder to the writer, the last one: fold the write-ahead log into the file
/// and close it. After a change of the store, the reply says what was saved.
#[derive(Debug, Message)]
#[rtype(result = "Option<Rescued>")]
pub struct Close;
