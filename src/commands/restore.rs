//! `service-healthcheck restore`: puts a copy in the place of the database.
//!
//! The copy is copied once more, beside the database, and it is that one which is migrated, checked and given the database's name,
//! at one moment. Until then the database is the old one, whole, and from then on the new one. The old one keeps a second name.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use diesel::sqlite::SqliteConnection;

use super::check_db;
use super::staged_file;
use crate::app::startup::Failed;
use crate::commands::check_db::Found;
use crate::commands::staged_file::{StagedFile, remove_if_there, sync_folder};
use crate::storage::OpenError;
use crate::storage::connection::Hold;
use crate::storage::connection::beside;
use crate::storage::exchange;
use crate::storage::history::check::Checked;
use crate::storage::migrations::Standing;

/// What lies beside a database and belongs to it.
const LOGS: [&str; 2] = ["-wal", "-journal"];

/// A copy that was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Services, deleted ones included.
    pub services: u64,
    /// Ticks.
    pub ticks: u64,
    /// Where the database is that was there, if there was one.
    pub kept: Option<PathBuf>,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "restored {} services, {} ticks", self.services, self.ticks)?;
        match &self.kept {
            Some(kept) => write!(f, "; what was there is kept as {}", kept.display()),
            None => Ok(()),
        }
    }
}

/// Puts a copy of `file` in the place of `db_file`, which no service may use. `file` stays as it is. A signal ends it before
/// anything is replaced, or comes too late.
pub fn restore(db_file: &Path, file: &Path, now_s: i64) -> Result<Restored, Failed> {
    let (db_file, file) = (db_file.to_owned(), file.to_owned());
    // The database may be known by a link.
    let target = db_file.canonicalize().unwrap_or_else(|_| db_file.clone());
    staged_file::until_signal(&target, move || put_back(&db_file, &file, now_s))
}

fn put_back(db_file: &Path, file: &Path, now_s: i64) -> Result<Restored, Failed> {
    let refused = |problems: Vec<String>| {
        let told = problems.join("\n  ");
        Failed::System(format!("{} cannot be restored:\n  {told}", file.display()))
    };
    let failed = |why: &dyn fmt::Display| {
        Failed::System(format!("DB_FILE {}: {why}; it was left as it is", db_file.display()))
    };
    if let (Ok(one), Ok(other)) = (file.canonicalize(), db_file.canonicalize())
        && one == other
    {
        return Err(refused(vec!["it is DB_FILE itself".to_owned()]));
    }
    let mut source = exchange::open(file).map_err(|error| match error {
        OpenError::Damaged { what, .. } => refused(vec![what]),
        other => Failed::Open(other),
    })?;
    // Before the lock, so that nothing is put beside a file that is not ours; and again under it.
    Old::find(db_file)?;
    let hold = Hold::take(db_file)?;
    let old = Old::find(db_file)?.examined(db_file)?;
    match check_db::pages(&mut source) {
        Ok(Standing::Current | Standing::Older) => {}
        Ok(Standing::Newer(migration)) => return Err(refused(vec![check_db::newer(&migration)])),
        Err(problems) => return Err(refused(problems)),
    }

    let path = hold.path();
    let copy = StagedFile::begin(path).map_err(|why| failed(&why))?;
    exchange::copy_to(&mut source, copy.path()).map_err(|why| failed(&why))?;
    drop(source);
    let mut copied = exchange::migrate(copy.path()).map_err(|why| refused(vec![why]))?;
    let Checked { services, ticks, .. } = match check_db::history(&mut copied) {
        Found::Whole(checked) => checked,
        Found::Broken(problems) => return Err(refused(problems)),
        Found::Older => return Err(refused(vec!["it cannot be migrated".to_owned()])),
    };
    drop(copied);
    let like = if path.exists() { path } else { file };
    copy.look_like(like).map_err(|error| failed(&error))?;

    let (kept, closed) = old.set_aside(path, now_s).map_err(|why| failed(&why))?;
    copy.replace(path).map_err(|error| {
        if let (Old::Whole, Some(kept)) = (old, &kept) {
            // It still has its first name.
            let _ = remove_if_there(kept);
        }
        failed(&error)
    })?;
    // Nobody else has had it until its name was gone.
    drop(closed);
    Ok(Restored { services, ticks, kept })
}

/// What is there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Old {
    /// No database, though a log of one may be left.
    None,
    /// A whole one.
    Whole,
    /// A damaged one, which is why somebody restores; its log is not to be folded into it.
    Damaged,
}

impl Old {
    /// Looks at its head; an error when it is not one of ours, or cannot be looked at now.
    fn find(db_file: &Path) -> Result<Self, OpenError> {
        if db_file.metadata().map_or(0, |found| found.len()) == 0 {
            return Ok(Self::None);
        }
        match exchange::open(db_file) {
            Ok(_) => Ok(Self::Whole),
            Err(OpenError::Damaged { .. }) => Ok(Self::Damaged),
            Err(error) => Err(error),
        }
    }

    /// Looks through all of it.
    fn examined(self, db_file: &Path) -> Result<Self, OpenError> {
        let is_damaged =
            self == Self::Whole && !exchange::damage(&mut exchange::open(db_file)?).is_empty();
        Ok(if is_damaged { Self::Damaged } else { self })
    }

    /// Gives it a second name and sees to it that nothing beside its first one would be taken for the new one's. Gives the second
    /// name, and the connection that keeps others out until the first is gone.
    fn set_aside(
        self,
        path: &Path,
        now_s: i64,
    ) -> Result<(Option<PathBuf>, Option<SqliteConnection>), String> {
        let kept = beside(path, &format!(".before-restore-{now_s}"));
        let told = |error: io::Error| format!("{}: {error}", kept.display());
        let mut closed = None;
        let mut is_kept = self != Self::None;
        match self {
            Self::None => {}
            Self::Whole => {
                let in_use = |why| format!("somebody has it open ({why})");
                closed = Some(exchange::close_down(path).map_err(in_use)?);
                link(path, &kept).map_err(told)?;
            }
            Self::Damaged => link(path, &kept).map_err(told)?,
        }
        // Of a whole one they are gone by now.
        for ending in LOGS {
            let log = beside(path, ending);
            if log.metadata().is_ok_and(|found| found.len() > 0) {
                link(&log, &beside(&kept, ending)).map_err(told)?;
                is_kept = true;
            }
        }
        sync_folder(path).map_err(told)?;
        for ending in ["-wal", "-journal", "-shm"] {
            remove_if_there(&beside(path, ending)).map_err(told)?;
        }
        Ok((is_kept.then_some(kept), closed))
    }
}

/// Gives a file a second name; where that cannot be, a copy has it.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            let mut source = fs::File::open(from)?;
            let mut copy = fs::File::create_new(to)?;
            io::copy(&mut source, &mut copy)?;
            copy.set_permissions(source.metadata()?.permissions())?;
            copy.sync_all()
        }
        linked => linked,
    }
}
