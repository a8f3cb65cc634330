//! What waits in the recorder's queues, and the replies to its senders.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::actors::messages::instances::{ShardsReply, ShardsWrite};
use crate::actors::messages::probing::EndedProbe;
use crate::actors::messages::recording::RecordReply;
use crate::actors::messages::store::{ChangeAccess, ChangeAlerting, ChangeMaintenance, MakeChange};
use crate::domain::alert::Settlement;
use crate::services_file::{Content, FileApplied, FileError};
use crate::storage::StorageError;
use crate::storage::access::AccessApplied;
use crate::storage::alerting::AlertingApplied;
use crate::storage::maintenance::MaintenanceApplied;
use crate::storage::records::Applied;

pub type Reply<T> = oneshot::Sender<T>;

/// A queued change and the reply to its sender.
pub enum Change {
    /// Of one service, from HTTP.
    Service(MakeChange, Reply<Result<Applied, StorageError>>),
    /// What the dispatcher decided.
    Settlement(Box<Settlement>, Reply<Result<(), StorageError>>),
    /// Of channels, policies or silences, from HTTP.
    Alerting(ChangeAlerting, Reply<Result<AlertingApplied, StorageError>>),
    /// Of maintenance, from HTTP and from the span writer.
    Maintenance(ChangeMaintenance, Reply<Result<MaintenanceApplied, StorageError>>),
    /// Of tokens and sessions, from HTTP.
    Access(ChangeAccess, Reply<Result<AccessApplied, StorageError>>),
    /// The cursors of remote write, from the relay.
    Relayed(Reply<Result<(), StorageError>>),
    /// About shards, from the coordinator, and of outcomes for other instances.
    Shards(ShardsWrite, ShardsReply),
    /// Of all that belongs to the services file, from the app.
    File(Arc<Content>, Reply<Result<FileApplied, FileError>>),
}

impl Change {
    pub fn reject(self, why: &StorageError) {
        // The sender may have gone.
        match self {
            Self::Service(_, reply) => drop(reply.send(Err(why.clone()))),
            Self::Settlement(_, reply) => drop(reply.send(Err(why.clone()))),
            Self::Alerting(_, reply) => drop(reply.send(Err(why.clone()))),
            Self::Maintenance(_, reply) => drop(reply.send(Err(why.clone()))),
            Self::Access(_, reply) => drop(reply.send(Err(why.clone()))),
            Self::Shards(_, reply) => drop(reply.send(Err(why.clone()))),
            Self::Relayed(reply) => drop(reply.send(Err(why.clone()))),
            Self::File(_, reply) => drop(reply.send(Err(FileError::Store(why.clone())))),
        }
    }
}

/// Acknowledges an outcome to its sender.
pub enum Ack {
    /// A report over HTTP, which is answered after the commit.
    Client(Reply<RecordReply>),
    /// A probe, whose slot stays leased until the outcome is buffered, held or dropped.
    Slot(EndedProbe),
}

impl Ack {
    /// Adds a slot's probe to `ended`, to be passed to the pool; returns a client, which waits on.
    pub fn taken(self, ended: &mut Vec<EndedProbe>) -> Option<Reply<RecordReply>> {
        match self {
            Self::Slot(probe) => {
                ended.push(probe);
                None
            }
            Self::Client(client) => Some(client),
        }
    }
}
