//! `service-healthcheck backup FILE`: a consistent copy of the database.

use std::fmt;
use std::path::Path;

use super::output::print_line;
use super::staged_file::{self, StagedFile};
use crate::config::Config;
use crate::error::Error;
use crate::storage::sqlite::files::beside;
use crate::storage::sqlite::offline::{Counts, OfflineStore};

/// Copies the database, as it is at one moment, to `file`, which must not exist and gets the owner
/// of the database and the mode 0600. The service may write to the database meanwhile. A signal
/// ends the copy and removes what is incomplete.
pub(super) fn run(config: &Config, file: &Path) -> Result<(), Error> {
    let (db_file, file) = (config.storage.file.clone(), file.to_owned());
    let summary = staged_file::until_signal(&file.clone(), move || copy(&db_file, &file))?;
    print_line(summary);
    Ok(())
}

fn copy(db_file: &Path, file: &Path) -> Result<String, Error> {
    let failed = |why: &dyn fmt::Display| Error::Failed(format!("{}: {why}", file.display()));
    // SQLite would apply a stray log to the copy.
    for ending in ["", "-wal", "-journal"] {
        let existing = beside(file, ending);
        if existing.symlink_metadata().is_ok() {
            let why = format!("{} exists; it was left unchanged", existing.display());
            return Err(Error::Failed(why));
        }
    }
    let mut source = OfflineStore::open(db_file)?;
    let staged = StagedFile::create(file).map_err(|why| failed(&why))?;
    source.copy_to(staged.path()).map_err(|why| failed(&why))?;
    drop(source);
    let mut copied = OfflineStore::open(staged.path())?;
    let Counts { services, ticks } = copied.counts().map_err(|why| failed(&why))?;
    drop(copied);
    let bytes = staged.path().metadata().map_err(|error| failed(&error))?.len();
    staged.copy_owner(db_file).map_err(|error| failed(&error))?;
    staged.place_new(file).map_err(|error| failed(&error))?;
    Ok(format!("{bytes} bytes, {services} services, {ticks} ticks"))
}
