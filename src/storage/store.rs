//! The store of this process, whichever kind it is. Actors and commands use these types alone.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::Outcome;
use crate::storage::coordination::owned::{Duties, OwnedShards};
use crate::storage::error::{OpenError, StorageError, StoreChange};
use crate::storage::port::{Coordinate, StoreRead, StoreWrite};
use crate::storage::postgres::server::{Awaiting, Joiner, Newcomer, Server};
use crate::storage::postgres::settings::Settings;
use crate::storage::sqlite::rescue::{Rescue as FileRescue, SavedFiles};
use crate::storage::sqlite::store::{Store as OpenFile, StoreFile};

/// A call of the store takes at most as long.
const READ_DEADLINE: Duration = Duration::from_secs(10);

/// The open store. For as long as it or one of its [`StoreAccess`] lives, no other process of this
/// program uses the store.
#[derive(Debug)]
pub enum Store {
    File(OpenFile),
    Server(Server),
}

/// Opens readers and writers of a [`Store`].
#[derive(Debug, Clone)]
pub enum StoreAccess {
    File(StoreFile),
    Server(Server),
}

/// Opens the store of a coordinator.
#[derive(Debug, Clone)]
pub struct CoordinatorAccess(Server);

impl CoordinatorAccess {
    pub fn open(&self) -> Result<Box<dyn Coordinate>, StorageError> {
        self.0.coordinator()
    }

    /// Whether this instance made the change of definitions with this revision. `false` when that
    /// is unknown.
    pub fn made(&self, revision: i64) -> bool {
        self.0.made(revision)
    }
}

/// What an operator should know about an opened store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreWarning {
    /// Others than its owner may read or write the file.
    SharedFile { file: PathBuf, mode: u32 },
    /// The database file has several names (hard links).
    SeveralNames { names: u64 },
    /// About the database, as a sentence.
    Database(String),
}

/// Saves what the process holds after a [`StoreChange`].
#[derive(Debug)]
pub struct Rescue {
    change: StoreChange,
    kind: RescueKind,
}

#[derive(Debug)]
enum RescueKind {
    File(FileRescue),
    /// Nothing can be saved; the number of outcomes that were given up.
    Server {
        lost: usize,
    },
}

/// What became of the outcomes that were not committed before a [`StoreChange`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rescued {
    pub change: StoreChange,
    /// Number of outcomes that are lost.
    pub lost: usize,
    /// The files that were saved; `None` for a store without files.
    pub files: Option<SavedFiles>,
}

impl Store {
    /// Opens an SQLite file, creating it when missing, and migrates it.
    pub fn open_file(file: &Path) -> Result<Self, OpenError> {
        OpenFile::open(file).map(Self::File)
    }

    /// Opens the store in a database, creating it in an empty schema, and migrates it.
    pub fn open_server(
        settings: &Settings,
        newcomer: &Newcomer<'_>,
        awaiting: &Awaiting<'_>,
    ) -> Result<Self, OpenError> {
        Server::open(settings, newcomer, awaiting).map(Self::Server)
    }

    /// Opens the store in a database beside the instances that use it, creating it in an empty
    /// schema, and migrates it.
    pub fn join_server(
        settings: &Settings,
        joiner: &Joiner<'_>,
        awaiting: &Awaiting<'_>,
    ) -> Result<Self, OpenError> {
        Server::join(settings, joiner, awaiting).map(Self::Server)
    }

    /// Whether no other instance used the store when it was opened.
    pub fn was_alone(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Server(server) => server.was_alone(),
        }
    }

    pub fn access(&self) -> StoreAccess {
        match self {
            Self::File(file) => StoreAccess::File(file.file().clone()),
            Self::Server(server) => StoreAccess::Server(server.clone()),
        }
    }

    /// The key of [`name`](Self::name) in the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "db_file",
            Self::Server(_) => "database",
        }
    }

    /// The store as the log names it: the absolute path of the file, or the URL of the database
    /// without its password.
    pub fn name(&self) -> String {
        match self {
            Self::File(file) => file.path().to_owned(),
            Self::Server(server) => server.shown(),
        }
    }

    pub fn warnings(&self) -> Vec<StoreWarning> {
        match self {
            Self::File(file) => {
                let shared = file.shared_files().into_iter();
                let shared = shared.map(|(file, mode)| StoreWarning::SharedFile { file, mode });
                let names = file.names();
                let several = (names > 1).then_some(StoreWarning::SeveralNames { names });
                shared.chain(several).collect()
            }
            Self::Server(server) => {
                server.warnings().iter().cloned().map(StoreWarning::Database).collect()
            }
        }
    }

    /// Longest time without a write; after it an empty group moves the liveness mark. The recorder
    /// checks once a second, so that the next write may come a second later. An empty group would
    /// end a longer `commit_window`.
    pub fn liveness_interval(&self, commit_window: Duration) -> Duration {
        match self {
            Self::File(_) => commit_window.max(Duration::from_secs(5)),
            // A write every two seconds: an instance that writes nothing for INSTANCE_TTL_SECONDS,
            // which are at least three, is taken for dead.
            Self::Server(_) => Duration::from_millis(1_500),
        }
    }

    /// Longest time that a query of HTTP may take, with the wait for its turn.
    pub fn read_deadline(&self) -> Option<Duration> {
        match self {
            Self::File(_) => None,
            Self::Server(_) => Some(READ_DEADLINE),
        }
    }
}

impl StoreAccess {
    /// A store that may be read only.
    pub fn reader(&self) -> Result<Box<dyn StoreRead>, StorageError> {
        match self {
            Self::File(file) => file.reader(),
            Self::Server(server) => server.reader(),
        }
    }

    /// The store for writes. There is one at a time.
    pub fn writer(&self) -> Result<Box<dyn StoreWrite>, StorageError> {
        match self {
            Self::File(file) => file.writer(),
            Self::Server(server) => server.writer(),
        }
    }

    /// A store beside the writer and the readers, for what several instances share. `None` for a
    /// file.
    pub fn coordinator(&self) -> Option<CoordinatorAccess> {
        match self {
            Self::File(_) => None,
            Self::Server(server) => Some(CoordinatorAccess(server.clone())),
        }
    }

    /// The shards that this instance owns.
    pub fn owned(&self) -> OwnedShards {
        match self {
            Self::File(_) => OwnedShards::default(),
            Self::Server(server) => server.owned().clone(),
        }
    }

    /// The duties that this instance has.
    pub fn duties(&self) -> Duties {
        match self {
            Self::File(_) => Duties::default(),
            Self::Server(server) => server.duties().clone(),
        }
    }

    /// Error after a change of the store. Finds a change of SQLite's files; for the thread that
    /// writes.
    pub fn check(&self) -> Result<(), StorageError> {
        match self {
            Self::File(file) => file.check(),
            Self::Server(server) => server.check(),
        }
    }

    /// Why this process may not use the store any more. It stays.
    pub fn change(&self) -> Option<StoreChange> {
        match self {
            Self::File(file) => file.change(),
            Self::Server(server) => server.change(),
        }
    }

    /// Whether a connection may be closed. After a change of SQLite's files it may not, as that may
    /// remove the log of another database, by name.
    pub fn may_close(&self) -> bool {
        match self {
            Self::File(file) => file.is_in_place(),
            Self::Server(_) => true,
        }
    }

    /// Whether another machine may have to be reached to open the store.
    pub fn is_remote(&self) -> bool {
        match self {
            Self::File(_) => false,
            Self::Server(_) => true,
        }
    }

    /// Begins to save what the process holds. `None` without a change of the store.
    pub fn rescue(&self, now_ms: i64) -> Option<Rescue> {
        let change = self.change()?;
        let kind = match self {
            Self::File(file) => RescueKind::File(FileRescue::new(file.clone(), now_ms)),
            Self::Server(_) => RescueKind::Server { lost: 0 },
        };
        Some(Rescue { change, kind })
    }

    /// Gives the store up, when its last write is done: the next process need not wait.
    pub fn leave(&self) {
        match self {
            // The end of the process releases its lock.
            Self::File(_) => {}
            Self::Server(server) => server.leave(),
        }
    }
}

impl Rescue {
    /// Runs `work` on the store that was opened, if it can still be reached.
    pub fn run<T>(
        &self,
        work: impl FnOnce(&mut (dyn StoreWrite + 'static)) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        match &self.kind {
            RescueKind::File(rescue) => rescue.run(work),
            RescueKind::Server { .. } => Err(StorageError::Unavailable(self.change.detail.clone())),
        }
    }

    /// Saves outcomes that cannot be committed, or gives them up. Returns the number of those that
    /// were given up. After an error they are lost.
    pub fn append(&mut self, outcomes: &[Outcome]) -> io::Result<usize> {
        match &mut self.kind {
            RescueKind::File(rescue) => rescue.append(outcomes).map(|()| 0),
            RescueKind::Server { lost } => {
                let current = outcomes.iter().filter(|outcome| !outcome.is_outdated).count();
                *lost += current;
                Ok(current)
            }
        }
    }

    /// Ends the rescue.
    pub fn finish(&self) -> Rescued {
        let (files, lost) = match &self.kind {
            RescueKind::File(rescue) => (Some(rescue.finish()), rescue.lost()),
            RescueKind::Server { lost } => (None, *lost),
        };
        Rescued { change: self.change.clone(), lost, files }
    }
}
