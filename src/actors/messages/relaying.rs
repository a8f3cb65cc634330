//! Messages to and from the relay, which exists only with remote write.

use actix::{Message, Recipient};

use crate::domain::ServiceId;
use crate::storage::StorageError;
use crate::storage::batch::NewTick;

/// Notice from the recorder: the ticks of a commit, in order.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct TicksStored(pub Vec<NewTick>);

/// Notice from the recorder: the service may have another name or other labels.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct LabelsChanged(pub ServiceId);

/// Notice from the recorder: services were taken over, and others may have stored ticks of them.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct CatchUp;

/// The relay, by the messages that the recorder sends.
#[derive(Debug, Clone)]
pub struct RelayRecipients {
    pub ticks: Recipient<TicksStored>,
    pub labels: Recipient<LabelsChanged>,
    pub behind: Recipient<CatchUp>,
}

/// Command from the relay to the recorder, which forwards it to the writer: store the cursors that
/// no commit has stored yet. The reply means that they are on the disk.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), StorageError>")]
pub struct SaveRelayed;

/// Command from the app: send nothing more. The reply comes when the request under way has ended,
/// or after 2 s, and the cursors are stored.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct StopRelay;
