//! Messages about several instances on one store: to and from the coordinator.

use actix::Message;
use tokio::sync::oneshot;

use crate::domain::access::{Session, Token};
use crate::domain::alert::open_counts::OpenAlertCounts;
use crate::domain::live::{LiveService, ServiceUpdate};
use crate::domain::maintenance::Windows;
use crate::domain::{Definition, Outcome, ServiceId, ShardSet};
use crate::storage::StorageError;
use crate::storage::coordination::command::AlertCommand;
use crate::storage::coordination::{Claimed, Duty, Roster, Seen};
use crate::storage::records::LoadedService;

/// Command from the coordinator to its store's thread: look at all instances and at what they have
/// changed.
#[derive(Debug, Message)]
#[rtype(result = "Result<Looked, StorageError>")]
pub struct Look {
    /// The shards that are being given back.
    pub leaving: ShardSet,
    /// The newest change of definitions that is taken over.
    pub since: i64,
    /// Also what this instance has changed since.
    pub reads_own: bool,
    /// Duties that this instance takes if nobody has them.
    pub wanted: Vec<Duty>,
    /// Results of services of other owners are read that were stored since then, in unix seconds;
    /// `None` for none.
    pub results_since_s: Option<i64>,
}

/// What a look found.
#[derive(Debug, Default)]
pub struct Looked {
    pub roster: Roster,
    /// Services whose definitions others have changed.
    pub changed: Vec<LoadedService>,
    /// Services that others have deleted.
    pub deleted: Vec<ServiceId>,
    /// `None` when nobody has changed them.
    pub settings: Option<SettingsFound>,
    /// The states of services of other owners that may have changed, and of those of `changed`.
    pub states: Vec<LiveService>,
    /// The newest results of services of other owners.
    pub results: Vec<(ServiceId, ServiceUpdate)>,
    /// Outcomes for services of this instance, oldest first.
    pub inbox: Vec<(i64, Outcome)>,
    /// Numbers of open alerts; `None` where this instance decides about them.
    pub open_alerts: Option<OpenAlertCounts>,
    /// Commands about alerts, for the instance that decides about them.
    pub commands: Vec<(i64, AlertCommand)>,
}

/// What is kept in memory of definitions other than services.
#[derive(Debug)]
pub struct SettingsFound {
    pub tokens: Vec<Token>,
    pub sessions: Vec<Session>,
    pub windows: Windows,
}

/// Command from the coordinator to its store's thread: end this instance if it has written nothing
/// since it was seen. Whether it was ended.
#[derive(Debug, Message)]
#[rtype(result = "Result<bool, StorageError>")]
pub struct EndInstance(pub Seen);

/// Command from the coordinator to its store's thread: these commands about alerts are carried out.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StorageError>")]
pub struct CommandsDone(pub Vec<i64>);

/// Command from the dispatcher to the recorder, which forwards it to the writer: leave a command to
/// the instance that decides about alerts. The reply means that it is on the disk.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StorageError>")]
pub struct PostCommand(pub AlertCommand);

/// Command from the coordinator to the dispatcher: carry out what another instance has received.
/// The reply means that it is settled, or refused for good; `Busy` and `Unavailable` that it is to
/// be sent again.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StorageError>")]
pub struct CarryOut(pub AlertCommand);

/// Command from the coordinator to its store's thread: register this instance anew.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StorageError>")]
pub struct Rejoin;

/// Command from the app to the coordinator at the end: take no more shards.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct StopCoordinator;

/// Command from the coordinator to the recorder: take at most so many shards over. Their services
/// are probed from now on.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StorageError>")]
pub struct ClaimShards(pub usize);

/// Command from the coordinator to the recorder: probe the services of these shards no longer, and
/// give them back when their last results are committed.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StorageError>")]
pub struct GiveBackShards(pub ShardSet);

/// Command from the coordinator to the recorder: this instance was ended, and owns nothing. What is
/// not committed is discarded and counted.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct DropShards;

/// Command from the coordinator to the recorder: take over what others have changed. After an error
/// it is to be sent again.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), StorageError>")]
pub struct ChangesFound {
    pub changed: Vec<LoadedService>,
    pub deleted: Vec<ServiceId>,
    pub settings: Option<SettingsFound>,
    pub states: Vec<LiveService>,
    pub results: Vec<(ServiceId, ServiceUpdate)>,
}

/// Command from the coordinator to the recorder: record what is in the inbox. The number of those
/// that were accepted; the others come again.
#[derive(Debug, Message)]
#[rtype(result = "usize")]
pub struct RecordInbox(pub Vec<Outcome>);

/// Command from the recorder to the writer.
#[derive(Debug, Message)]
#[rtype(result = "Result<ShardsWritten, StorageError>")]
pub enum ShardsWrite {
    /// At most so many, and none of these, which are being given back.
    Claim(usize, ShardSet),
    /// They were watched until this time, in unix milliseconds.
    GiveBack(ShardSet, i64),
    /// Others have changed these services; `None` for deleted ones.
    Settle(Vec<(ServiceId, Option<Definition>)>),
    /// Policies may have changed.
    ReloadPolicies,
    Post(Vec<Outcome>),
    PostCommand(AlertCommand),
    /// Forget what is known of the store.
    Forget,
}

/// What a [`ShardsWrite`] did.
#[derive(Debug)]
pub enum ShardsWritten {
    Claimed(Box<Claimed>),
    Done,
}

/// Command from the recorder to the scheduler: watch no service of these shards any more. After the
/// reply, none of them is dispatched.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct LeaveShards(pub ShardSet);

/// Query from the recorder to the pool: those of these shards with a service whose probe runs or is
/// queued.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "ShardSet")]
pub struct GetProbedShards(pub ShardSet);

/// Reply to a command whose sender may have gone.
pub type ShardsReply = oneshot::Sender<Result<ShardsWritten, StorageError>>;
