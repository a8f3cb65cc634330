//! `service-healthcheck restore FILE`: replaces the database by a backup.
//!
//! The backup is copied to a file beside the database. That copy is migrated and checked, and one
//! rename then gives it the database's name. Until the rename the old database is in place, whole;
//! after it the new one is. The old one keeps a second name.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde_json::Map;

use super::check_db::{check_history, check_pages};
use super::output::print_line;
use super::staged_file::{self, StagedFile, remove_if_there};
use crate::clock::unix_ms;
use crate::config::Config;
use crate::domain::audit::{Action, AuditEntry, AuditSource, Differences, Object, ObjectKind};
use crate::error::Error;
use crate::storage::OpenError;
use crate::storage::history::check::Checked;
use crate::storage::sqlite::files::{beside, create_private, sync_folder};
use crate::storage::sqlite::lock::FileLock;
use crate::storage::sqlite::offline::{ClosedFile, OfflineStore};

/// Endings of the files in which SQLite keeps committed data beside a database.
const LOGS: [&str; 2] = ["-wal", "-journal"];

/// Replaces `DB_FILE`, which no service may use, by a copy of `file`; `file` stays unchanged. A
/// signal ends the command before anything is replaced, or comes too late.
pub(super) fn run(config: &Config, file: &Path) -> Result<(), Error> {
    if let Some(database) = &config.storage.database {
        return Err(Error::Failed(format!(
            "restore replaces an SQLite file, and the store is DATABASE_URL {}; restore a dump of \
             the database with pg_restore or psql. A copy that backup has written is an SQLite \
             file: unset DATABASE_URL to restore it to DB_FILE, or to move it to an empty database \
             with move",
            database.shown()
        )));
    }
    let (db_file, file) = (config.storage.file.clone(), file.to_owned());
    let now_ms = unix_ms();
    // DB_FILE may be a symbolic link.
    let target = db_file.canonicalize().unwrap_or_else(|_| db_file.clone());
    let restored = staged_file::until_signal(&target, move || restore(&db_file, &file, now_ms))?;
    print_line(restored);
    Ok(())
}

struct Restored {
    /// Services, deleted ones included.
    services: u64,
    ticks: u64,
    /// The old database, if there was one.
    old: Option<PathBuf>,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "restored {} services, {} ticks", self.services, self.ticks)?;
        match &self.old {
            Some(old) => write!(f, "; the old database is kept as {}", old.display()),
            None => Ok(()),
        }
    }
}

fn restore(db_file: &Path, file: &Path, now_ms: i64) -> Result<Restored, Error> {
    let failed = |why: &dyn fmt::Display| {
        Error::Failed(format!("DB_FILE {}: {why}; it was left unchanged", db_file.display()))
    };
    let mut backup = open_backup(file, db_file)?;
    // Before the lock, so that no lock file is made beside a foreign file; and again under it.
    OldDatabase::find(db_file)?;
    let lock = FileLock::acquire(db_file)?;
    let old = OldDatabase::find(db_file)?.check_pages(db_file)?;
    check_pages(&mut backup).map_err(|problems| rejected(file, &problems))?;

    let path = lock.path();
    let staged = StagedFile::create(path).map_err(|why| failed(&why))?;
    backup.copy_to(staged.path()).map_err(|why| failed(&why))?;
    drop(backup);
    let Checked { services, ticks, .. } = migrate_and_check(staged.path(), &audited(file, now_ms))
        .map_err(|problems| rejected(file, &problems))?;
    if path.exists() {
        staged.copy_mode(path).map_err(|error| failed(&error))?;
        staged.copy_owner(path).map_err(|error| failed(&error))?;
    } else {
        staged.copy_owner(file).map_err(|error| failed(&error))?;
    }
    let old = old.replace_by(staged, path, now_ms / 1_000).map_err(|why| failed(&why))?;
    Ok(Restored { services, ticks, old })
}

fn open_backup(file: &Path, db_file: &Path) -> Result<OfflineStore, Error> {
    if let (Ok(file), Ok(db_file)) = (file.canonicalize(), db_file.canonicalize())
        && file == db_file
    {
        return Err(rejected(&file, "it is DB_FILE itself"));
    }
    OfflineStore::open(file).map_err(|error| match error {
        OpenError::Damaged { found, .. } => rejected(file, &found),
        other => Error::Open(other),
    })
}

/// `problems` has one line per problem.
fn rejected(file: &Path, problems: &str) -> Error {
    let problems = problems.replace('\n', "\n  ");
    Error::Failed(format!("{} cannot be restored:\n  {problems}", file.display()))
}

/// Migrates the copy, checks it, and writes the restore into its audit.
fn migrate_and_check(copy: &Path, audited: &AuditEntry) -> Result<Checked, String> {
    let mut store = OfflineStore::migrate(copy)?;
    let checked = check_history(store.rows())?;
    store.record_audit(audited)?;
    Ok(checked)
}

/// The row of the audit.
fn audited(file: &Path, now_ms: i64) -> AuditEntry {
    let after = Map::from_iter([("file".to_owned(), file.display().to_string().into())]);
    AuditEntry {
        at_ms: now_ms,
        source: AuditSource::COMMAND,
        action: Action::Restore,
        object: Object { kind: ObjectKind::Store, id: None, name: None },
        differences: Differences { before: None, after: Some(after) },
    }
}

/// The database before the restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OldDatabase {
    /// There is none, though a log may be left of one.
    None,
    Whole,
    /// The reason for a restore. Its log must not be applied to it.
    Damaged,
}

impl OldDatabase {
    /// Reads its header. An error when another program wrote it, or when it cannot be read now.
    fn find(db_file: &Path) -> Result<Self, OpenError> {
        if db_file.metadata().map_or(0, |found| found.len()) == 0 {
            return Ok(Self::None);
        }
        match OfflineStore::open(db_file) {
            Ok(_) => Ok(Self::Whole),
            Err(OpenError::Damaged { .. }) => Ok(Self::Damaged),
            Err(error) => Err(error),
        }
    }

    fn check_pages(self, db_file: &Path) -> Result<Self, OpenError> {
        let is_damaged = self == Self::Whole && !OfflineStore::open(db_file)?.damage().is_empty();
        Ok(if is_damaged { Self::Damaged } else { self })
    }

    /// Sets it aside and gives its name to `staged`. Returns its new name.
    fn replace_by(
        self,
        staged: StagedFile,
        path: &Path,
        now_s: i64,
    ) -> Result<Option<PathBuf>, String> {
        let (second_name, exclusive) = self.set_aside(path, now_s)?;
        staged.replace(path).map_err(|error| {
            if let (Self::Whole, Some(second_name)) = (self, &second_name) {
                // The old database still has its first name.
                let _ = remove_if_there(second_name);
            }
            error.to_string()
        })?;
        // The lock on the old database lasts until its first name is gone.
        drop(exclusive);
        Ok(second_name)
    }

    /// Gives it a second name and removes the files beside its first name, which SQLite would
    /// apply to the new database. Returns the second name, and a lock on the old database.
    fn set_aside(
        self,
        path: &Path,
        now_s: i64,
    ) -> Result<(Option<PathBuf>, Option<ClosedFile>), String> {
        let second_name = beside(path, &format!(".before-restore-{now_s}"));
        let failed = |error: io::Error| format!("{}: {error}", second_name.display());
        let mut exclusive = None;
        let mut has_old = self != Self::None;
        match self {
            Self::None => {}
            Self::Whole => {
                let in_use = |why| format!("another process has it open ({why})");
                exclusive = Some(ClosedFile::close(path).map_err(in_use)?);
                link(path, &second_name).map_err(failed)?;
            }
            Self::Damaged => link(path, &second_name).map_err(failed)?,
        }
        // A whole database has no logs any more: closing it applied them.
        for ending in LOGS {
            let log = beside(path, ending);
            if log.metadata().is_ok_and(|found| found.len() > 0) {
                link(&log, &beside(&second_name, ending)).map_err(failed)?;
                has_old = true;
            }
        }
        sync_folder(path).map_err(failed)?;
        for ending in ["-wal", "-journal", "-shm"] {
            remove_if_there(&beside(path, ending)).map_err(failed)?;
        }
        Ok((has_old.then_some(second_name), exclusive))
    }
}

/// Gives a file a second name; copies it where the file system has no hard links.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            let mut source = fs::File::open(from)?;
            let mut copy = create_private(to)?;
            io::copy(&mut source, &mut copy)?;
            copy.set_permissions(source.metadata()?.permissions())?;
            copy.sync_all()
        }
        linked => linked,
    }
}
