//! Messages to and from the recorder.

use std::sync::Arc;

use actix::{Message, Recipient};
use tokio::sync::oneshot;

use super::alerting::{AlertTimesMoved, AlertingChanged, OwnStateChanged, SignalsCommitted};
use super::instances::{GetProbedShards, LeaveShards};
use super::probing::{
    EndedProbe, HeartbeatReceived, ProbesFinished, RestartHeartbeatWaits, ServiceChanged,
};
use super::relaying::RelayRecipients;
use crate::domain::{EventBegan, FullName, Outcome, Target};
use crate::storage::Rescued;
use crate::storage::ledger::Fresh;

/// Notice from the probers of one arbiter: these probes ended. The recorder passes each on to the
/// pool once its outcome is accepted or dropped, so the slot stays leased until then.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ProbesEnded(pub Vec<(EndedProbe, Option<Outcome>)>);

/// Command from HTTP: record a reported outcome. The reply comes after the commit, or when the
/// store fails.
#[derive(Debug, Message)]
#[rtype(result = "RecordReply")]
pub struct RecordOutcome {
    pub outcome: Outcome,
}

/// What happened to a reported outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordReply {
    /// Committed.
    Recorded,
    /// Not stored: the service was deleted or paused meanwhile.
    Orphaned,
    /// The store fails. The outcome is in memory, and is stored at most once when the store works
    /// again.
    Buffered,
    /// Counted as dropped: the store fails and the buffer is full, the store is being closed, or
    /// the outcome contradicts the store.
    Dropped,
}

/// Query from HTTP and the upkeep: why the store takes no writes; `None` when it does.
#[derive(Debug, Message)]
#[rtype(result = "Option<String>")]
pub struct GetStoreFailure;

/// Query from HTTP: the fault when more than half of the watched services cannot be probed.
#[derive(Debug, Message)]
#[rtype(result = "Option<String>")]
pub struct GetObservationFailure;

/// Command from the app at start: the recipients that were started after the recorder.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Subscribe {
    pub scheduler: Recipient<ServiceChanged>,
    pub heartbeat_waits: Recipient<RestartHeartbeatWaits>,
    pub leave: Recipient<LeaveShards>,
    pub heartbeats: Recipient<HeartbeatReceived>,
    pub pool: Recipient<ProbesFinished>,
    pub probes: Recipient<GetProbedShards>,
    pub canaries: Recipient<AreCanariesDead>,
    pub upkeep: Recipient<TicksCommitted>,
    pub dispatcher: DispatcherRecipients,
    /// `None` without remote write.
    pub relay: Option<RelayRecipients>,
}

/// The dispatcher of alerting, by the messages that the recorder sends.
#[derive(Debug, Clone)]
pub struct DispatcherRecipients {
    pub signals: Recipient<SignalsCommitted>,
    pub changes: Recipient<AlertingChanged>,
    pub own: Recipient<OwnStateChanged>,
    pub clock: Recipient<AlertTimesMoved>,
}

/// Command from the app at the end: write everything and close the store. The reply confirms it;
/// after a change of the store it says what was saved.
#[derive(Debug, Message)]
#[rtype(result = "Result<Option<Rescued>, oneshot::error::RecvError>")]
pub struct Flush;

/// Command from the app to the canaries: these targets are the canaries from now on.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SetCanaries(pub Vec<Target>);

/// Query from the recorder to the canaries: whether none of them answers. False when one answers,
/// and when no canary is known. The recorder takes a lost query as false.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct AreCanariesDead;

/// Notice from the recorder to the upkeep after each commit: what is fresh now.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct TicksCommitted(pub Fresh);

/// Notice from the recorder to its subscribers: the events that began with one commit, in order.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct EventsBegan(pub Arc<[NamedEvent]>);

/// An event that began, with the name and group that its service has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedEvent {
    /// `None` when the service is no longer watched.
    pub name: Option<FullName>,
    pub event: EventBegan,
}
