//! `service-healthcheck backup FILE`: a consistent copy of the database.

use std::fmt;
use std::path::Path;

use super::output::print_line;
use super::staged_file::{self, StagedFile};
use super::stored::require_database;
use crate::config::{Config, StorageConfig};
use crate::error::Error;
use crate::storage::postgres::settings::Settings;
use crate::storage::sqlite::files::beside;
use crate::storage::sqlite::offline::{Counts, OfflineStore};
use crate::storage::sqlite::target::TargetFile;
use crate::storage::transfer::Copied;

/// Copies the store, as it is at one moment, to `file`, an SQLite file, which must not exist and
/// gets the mode 0600 and the owner of the store's file. The service may write meanwhile. A signal
/// ends the copy and removes what is incomplete.
pub(super) fn run(config: &Config, file: &Path) -> Result<(), Error> {
    let (storage, file) = (config.storage.clone(), file.to_owned());
    let summary = staged_file::until_signal(&file.clone(), move || copy(&storage, &file))?;
    print_line(summary);
    Ok(())
}

fn copy(storage: &StorageConfig, file: &Path) -> Result<String, Error> {
    // SQLite would apply a stray log to the copy.
    for ending in ["", "-wal", "-journal"] {
        let existing = beside(file, ending);
        if existing.symlink_metadata().is_ok() {
            let why = format!("{} exists; it was left unchanged", existing.display());
            return Err(Error::Failed(why));
        }
    }
    match &storage.database {
        Some(database) => copy_database(database, file),
        None => copy_file(&storage.file, file),
    }
}

fn copy_file(db_file: &Path, file: &Path) -> Result<String, Error> {
    let failed = |why: &dyn fmt::Display| failed(file, why);
    let mut source = OfflineStore::open(db_file)?;
    let staged = StagedFile::create(file).map_err(|why| failed(&why))?;
    source.copy_to(staged.path()).map_err(|why| failed(&why))?;
    drop(source);
    let mut copied = OfflineStore::open(staged.path())?;
    let Counts { services, ticks } = copied.counts().map_err(|why| failed(&why))?;
    drop(copied);
    staged.copy_owner(db_file).map_err(|error| failed(&error))?;
    place(staged, file, services.cast_unsigned(), ticks.cast_unsigned())
}

/// Reads one snapshot of the database, which keeps what was deleted meanwhile.
fn copy_database(database: &Settings, file: &Path) -> Result<String, Error> {
    let failed = |why: &dyn fmt::Display| failed(file, why);
    let mut source = require_database(database)?;
    let staged = StagedFile::create(file).map_err(|why| failed(&why))?;
    let mut target = TargetFile::create(staged.path()).map_err(|why| failed(&why))?;
    let copied = source.copy_to(&mut target);
    drop(target);
    let Copied { services, ticks } = copied.map_err(|error| {
        Error::Failed(format!("{} from {}: {error}", file.display(), database.shown()))
    })?;
    place(staged, file, services, ticks)
}

/// Gives the copy its name. Returns what the command prints.
fn place(staged: StagedFile, file: &Path, services: u64, ticks: u64) -> Result<String, Error> {
    let bytes = staged.path().metadata().map_err(|error| failed(file, &error))?.len();
    staged.place_new(file).map_err(|error| failed(file, &error))?;
    Ok(format!("{bytes} bytes, {services} services, {ticks} ticks"))
}

fn failed(file: &Path, why: &dyn fmt::Display) -> Error {
    Error::Failed(format!("{}: {why}", file.display()))
}
