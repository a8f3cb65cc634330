//! Copies of the database: made while the service runs, put back, and looked through.
//!
//! `service-healthcheck backup FILE` is here; [`restore`] puts one back, [`check`] tells whether one is whole. A copy comes to be
//! under another name ([`unfinished`]), so that nothing is ever there that is half done.

use std::fmt;
use std::path::Path;

use super::staged_file::{self, StagedFile};
use crate::app::startup::Failed;
use crate::storage::connection::beside;
use crate::storage::exchange;
use crate::storage::exchange::Counts;

/// A copy that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackedUp {
    /// Its length.
    pub bytes: u64,
    /// What is in it.
    pub counts: Counts,
}

impl fmt::Display for BackedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { services, ticks } = self.counts;
        write!(f, "{} bytes, {services} services, {ticks} ticks", self.bytes)
    }
}

/// Copies the database, as it is at one moment, to `file`, which must not exist. A service may work on the database meanwhile. A
/// signal ends it and leaves nothing behind.
pub fn backup(db_file: &Path, file: &Path) -> Result<BackedUp, Failed> {
    let (db_file, file) = (db_file.to_owned(), file.to_owned());
    staged_file::until_signal(&file.clone(), move || make(&db_file, &file))
}

fn make(db_file: &Path, file: &Path) -> Result<BackedUp, Failed> {
    let failed = |why: &dyn fmt::Display| Failed::System(format!("{}: {why}", file.display()));
    // SQLite would take a log that lies about for that of the copy.
    for ending in ["", "-wal", "-journal"] {
        let taken = beside(file, ending);
        if taken.symlink_metadata().is_ok() {
            let told = format!("{} exists; it was left as it is", taken.display());
            return Err(Failed::System(told));
        }
    }
    let mut connection = exchange::open(db_file)?;
    let copy = StagedFile::begin(file).map_err(|why| failed(&why))?;
    exchange::copy_to(&mut connection, copy.path()).map_err(|why| failed(&why))?;
    drop(connection);
    let mut copied = exchange::open(copy.path())?;
    let counts = exchange::counts(&mut copied).map_err(|why| failed(&why))?;
    drop(copied);
    let bytes = copy.path().metadata().map_err(|error| failed(&error))?.len();
    copy.look_like(db_file).map_err(|error| failed(&error))?;
    copy.place_new(file).map_err(|error| failed(&error))?;
    Ok(BackedUp { bytes, counts })
}
