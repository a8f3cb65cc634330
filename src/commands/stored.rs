//! The configured store, read whether a service uses it or not.

use std::fmt::Display;

use crate::config::StorageConfig;
use crate::error::Error;
use crate::storage::OpenError;
use crate::storage::port::StoreRead;
use crate::storage::postgres::offline;
use crate::storage::postgres::settings::Settings;
use crate::storage::postgres::start_error::StartError;
use crate::storage::postgres::store::PostgresStore;
use crate::storage::sqlite::offline::OfflineStore;

/// A store with the tables of this version.
pub(super) struct Stored {
    /// For errors: the setting and its value.
    name: String,
    kind: Kind,
}

enum Kind {
    File(OfflineStore),
    Database(Box<PostgresStore>),
}

impl Stored {
    pub fn open(storage: &StorageConfig) -> Result<Self, Error> {
        match &storage.database {
            Some(database) => Ok(Self::of(database, require_database(database)?)),
            None => Self::current(storage, OfflineStore::open(&storage.file)?),
        }
    }

    /// `None` for an empty file, for an empty schema of a database, and without a file.
    pub fn open_if_any(storage: &StorageConfig) -> Result<Option<Self>, Error> {
        if let Some(database) = &storage.database {
            return Ok(offline::open(database)?.map(|store| Self::of(database, store)));
        }
        if storage.file.metadata().map_or(0, |metadata| metadata.len()) == 0 {
            return Ok(None);
        }
        Self::current(storage, OfflineStore::open_unchecked(&storage.file)?).map(Some)
    }

    fn of(database: &Settings, store: PostgresStore) -> Self {
        let name = format!("DATABASE_URL {}", database.shown());
        Self { name, kind: Kind::Database(Box::new(store)) }
    }

    fn current(storage: &StorageConfig, mut file: OfflineStore) -> Result<Self, Error> {
        let current = file.require_current();
        let name = format!("DB_FILE {}", storage.file.display());
        let stored = Self { name, kind: Kind::File(file) };
        current.map_err(|why| stored.failed(&why)).map(|()| stored)
    }

    pub fn rows(&mut self) -> &mut dyn StoreRead {
        match &mut self.kind {
            Kind::File(file) => file.rows(),
            Kind::Database(store) => &mut **store,
        }
    }

    /// The error of a command that could not read the store.
    pub fn failed(&self, why: &dyn Display) -> Error {
        Error::Failed(format!("{}: {why}", self.name))
    }
}

/// The store in `database`; an error when it has none.
pub(super) fn require_database(database: &Settings) -> Result<PostgresStore, OpenError> {
    let none = || OpenError::Database { database: database.shown(), why: StartError::NoStore };
    offline::open(database)?.ok_or_else(none)
}
