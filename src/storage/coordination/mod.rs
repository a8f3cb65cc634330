//! Several instances on one store: what one sees of the others, and which services are its own.
//!
//! A store in a file has one instance, which owns everything.

pub mod command;
pub mod owned;
pub mod port;

use crate::domain::live::LiveService;
use crate::domain::{Role, ServiceId, ShardSet};
use crate::storage::records::{Gap, LoadedService};

/// A living instance, as one look found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub id: i64,
    pub name: String,
    pub role: Role,
    /// Of the program.
    pub version: String,
    /// Number of its write transactions so far.
    pub commit_no: i64,
    /// Its liveness mark, in unix milliseconds; `None` before its first commit.
    pub committed_at_ms: Option<i64>,
    /// Number of its shards.
    pub shards: usize,
}

/// The instances and what they share, as one look found them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    /// Those that have not ended, by id.
    pub instances: Vec<Seen>,
    /// The id of this instance.
    pub own_id: i64,
    /// Shards without an owner.
    pub orphans: usize,
    /// Shards of this instance that it has not taken over: an answer was lost.
    pub unadopted: usize,
    /// Number of the newest change of definitions of any kind.
    pub revision: i64,
    /// The duties of this instance.
    pub duties: Vec<Duty>,
    /// The wall clock of the database, in unix milliseconds.
    pub now_ms: i64,
    /// How far the clock of this process is behind it, in milliseconds.
    pub clock_behind_ms: i64,
    /// This instance was ended by one of another name, and may register anew.
    pub may_rejoin: bool,
}

impl Roster {
    /// This instance; `None` when it was ended.
    pub fn own(&self) -> Option<&Seen> {
        self.instances.iter().find(|instance| instance.id == self.own_id)
    }

    pub fn is_alone(&self) -> bool {
        self.instances.iter().all(|instance| instance.id == self.own_id)
    }
}

/// What one instance does for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Decides and sends alerts, and writes the times of maintenance.
    Alerts,
    /// Applies its services file.
    ServicesFile,
}

impl Duty {
    pub const ALL: [Self; 2] = [Self::Alerts, Self::ServicesFile];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::ServicesFile => "services_file",
        }
    }
}

/// What a claim brought.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claimed {
    pub shards: ShardSet,
    /// The living services of the shards, by id.
    pub services: Vec<LoadedService>,
    /// Their states.
    pub live: Vec<LiveService>,
    /// Time of the newest result of each service that has one, in unix milliseconds.
    pub newest_ms: Vec<(ServiceId, i64)>,
    /// The time that nobody watched; `None` when no service missed more than one interval.
    pub gap: Option<Gap>,
}
