//! The store of this process, whichever kind it is. Actors and commands use these types alone.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::Outcome;
use crate::storage::error::{OpenError, StorageError, StoreChange};
use crate::storage::port::{StoreRead, StoreWrite};
use crate::storage::sqlite::rescue::{Rescue as FileRescue, SavedFiles};
use crate::storage::sqlite::store::{Store as OpenFile, StoreFile};

/// The open store. For as long as it or one of its [`StoreAccess`] lives, no other process of this
/// program uses the store.
#[derive(Debug)]
pub enum Store {
    File(OpenFile),
}

/// Opens readers and writers of a [`Store`].
#[derive(Debug, Clone)]
pub enum StoreAccess {
    File(StoreFile),
}

/// What an operator should know about an opened store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreWarning {
    /// Others than its owner may read or write the file.
    SharedFile { file: PathBuf, mode: u32 },
    /// The database file has several names (hard links).
    SeveralNames { names: u64 },
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

    pub fn access(&self) -> StoreAccess {
        match self {
            Self::File(file) => StoreAccess::File(file.file().clone()),
        }
    }

    /// The store as the log names it: the absolute path of the file.
    pub fn name(&self) -> String {
        match self {
            Self::File(file) => file.path().to_owned(),
        }
    }

    /// The key of [`name`](Self::name) in the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File(_) => "db_file",
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
        }
    }

    /// Longest time without a write; after it an empty group moves the liveness mark.
    pub fn liveness_interval(&self) -> Duration {
        match self {
            Self::File(_) => Duration::from_secs(5),
        }
    }
}

impl StoreAccess {
    /// A store that may be read only.
    pub fn reader(&self) -> Result<Box<dyn StoreRead>, StorageError> {
        match self {
            Self::File(file) => file.reader(),
        }
    }

    /// The store for writes. There is one at a time.
    pub fn writer(&self) -> Result<Box<dyn StoreWrite>, StorageError> {
        match self {
            Self::File(file) => file.writer(),
        }
    }

    /// Error after a change of the store. Finds a change of SQLite's files; for the thread that
    /// writes.
    pub fn check(&self) -> Result<(), StorageError> {
        match self {
            Self::File(file) => file.check(),
        }
    }

    /// Why this process may not use the store any more. It stays.
    pub fn change(&self) -> Option<StoreChange> {
        match self {
            Self::File(file) => file.change(),
        }
    }

    /// Whether a connection may be closed. After a change of SQLite's files it may not, as that may
    /// remove the log of another database, by name.
    pub fn may_close(&self) -> bool {
        match self {
            Self::File(file) => file.is_in_place(),
        }
    }

    /// Begins to save what the process holds. `None` without a change of the store.
    pub fn rescue(&self, now_ms: i64) -> Option<Rescue> {
        let change = self.change()?;
        let kind = match self {
            Self::File(file) => RescueKind::File(FileRescue::new(file.clone(), now_ms)),
        };
        Some(Rescue { change, kind })
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
        }
    }

    /// Saves outcomes that cannot be committed. After an error they are lost.
    pub fn append(&mut self, outcomes: &[Outcome]) -> io::Result<()> {
        match &mut self.kind {
            RescueKind::File(rescue) => rescue.append(outcomes),
        }
    }

    /// Ends the rescue.
    pub fn finish(&self) -> Rescued {
        let (files, lost) = match &self.kind {
            RescueKind::File(rescue) => (Some(rescue.finish()), rescue.lost()),
        };
        Rescued { change: self.change.clone(), lost, files }
    }
}
