//! Saves what a process holds after the files of its store were removed or replaced.
//!
//! The files that were opened can still be read and written without their names. What is only in
//! memory is committed to them, and a copy of them is written beside the database.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use diesel::sqlite::SqliteConnection;
use serde_json::json;

use super::files::{Identity, create_private, identity, sync_folder};
use super::offline::vacuum_into;
use super::store::StoreFile;
use super::watch::FileChange;
use crate::domain::{Outcome, Verdict};
use crate::storage::error::StorageError;
use crate::storage::port::StoreWrite;

/// What was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedFiles {
    /// The copy of the database, or why there is none.
    pub copy: Result<PathBuf, String>,
    /// Outcomes that the copy lacks, as JSON lines.
    pub outcomes: Option<PathBuf>,
    /// The new name of the old log, which SQLite would have applied to the new database.
    pub log: Option<PathBuf>,
}

/// A rescue under way.
#[derive(Debug)]
pub struct Rescue {
    file: StoreFile,
    /// Unix seconds; part of the names.
    started_s: i64,
    outcomes: Option<(PathBuf, File)>,
    lost: usize,
}

impl Rescue {
    pub fn new(file: StoreFile, now_ms: i64) -> Self {
        Self { file, started_s: now_ms.div_euclid(1_000), outcomes: None, lost: 0 }
    }

    /// Runs `work` on the files that were opened.
    pub fn run<T>(
        &self,
        work: impl FnOnce(&mut (dyn StoreWrite + 'static)) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let done = self.with_connection(|connection| work(connection));
        done.map_err(StorageError::Unavailable).flatten()
    }

    /// Appends outcomes that cannot be committed to a file of their own. They are lost when that
    /// fails, too.
    pub fn append(&mut self, outcomes: &[Outcome]) -> io::Result<()> {
        let written = self.write_outcomes(outcomes);
        if written.is_err() {
            self.lost += outcomes.len();
        }
        written
    }

    fn write_outcomes(&mut self, outcomes: &[Outcome]) -> io::Result<()> {
        let (path, mut file) = match self.outcomes.take() {
            Some(open) => open,
            None => self.create(&self.name(".jsonl"))?,
        };
        let current = outcomes.iter().filter(|outcome| !outcome.is_outdated);
        let lines: String = current.map(|outcome| line(outcome) + "\n").collect();
        let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_all());
        self.outcomes = Some((path, file));
        written
    }

    /// Number of outcomes that could not be saved.
    pub fn lost(&self) -> usize {
        self.lost
    }

    /// Writes the copy, and sets the old log aside when another database has the name.
    pub fn finish(&self) -> SavedFiles {
        let copy = self.copy();
        if copy.is_ok() {
            self.complete_database();
        }
        SavedFiles {
            copy,
            outcomes: self.outcomes.as_ref().map(|(path, _)| path.clone()),
            log: self.set_log_aside(),
        }
    }

    fn copy(&self) -> Result<PathBuf, String> {
        let name = self.name("");
        let (unfinished, file) = self
            .create(&format!("{name}.unfinished"))
            .map_err(|error| format!("{name}: {error}"))?;
        let copied = self.with_connection(|connection| vacuum_into(connection, &unfinished));
        let placed = copied.flatten().and_then(|()| {
            let path = unfinished.with_file_name(&name);
            let placed = file.sync_all().and_then(|()| fs::rename(&unfinished, &path));
            let synced = placed.and_then(|()| sync_folder(&path));
            synced.map(|()| path).map_err(|error| error.to_string())
        });
        // Best effort: its name says that it is not complete.
        let _ = fs::remove_file(&unfinished);
        placed
    }

    /// A database without its log may lack commits, and may be inconsistent.
    fn complete_database(&self) {
        let watch = &self.file.open.watch;
        let is_log_gone = matches!(watch.change(), Some(FileChange::Removed(_)));
        if is_log_gone && watch.has_database() {
            // Best effort: the copy has everything.
            let _ = self.with_connection(StoreWrite::checkpoint);
        }
    }

    fn set_log_aside(&self) -> Option<PathBuf> {
        let watch = &self.file.open.watch;
        let log = watch.log().filter(|_| !watch.has_database())?;
        let aside = log.with_file_name(self.name(".log"));
        fs::rename(log, &aside).and_then(|()| sync_folder(&aside)).ok()?;
        Some(aside)
    }

    fn with_connection<T>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> T,
    ) -> Result<T, String> {
        if let Some(change @ FileChange::Overwritten { .. }) = self.file.open.watch.change() {
            return Err(change.to_string());
        }
        let connection = self.file.open.connection.lock();
        let mut connection = connection.unwrap_or_else(|poisoned| poisoned.into_inner());
        connection.as_mut().map(work).ok_or_else(|| "the connection is closed".to_owned())
    }

    fn name(&self, ending: &str) -> String {
        let database = self.file.open.path.file_name().unwrap_or_default().to_string_lossy();
        format!("{database}.rescued-{}{ending}", self.started_s)
    }

    /// Creates a file in the folder of the database: the one that was opened, wherever it is now,
    /// or the one that has its name.
    fn create(&self, name: &str) -> io::Result<(PathBuf, File)> {
        let open = &self.file.open;
        let mut result = Err(io::ErrorKind::NotFound.into());
        for folder in path_of(&open.folder).iter().map(PathBuf::as_path).chain(open.path.parent()) {
            let path = folder.join(name);
            result = create_private(&path).map(|file| (path, file));
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

/// The path that an open folder has now.
fn path_of(folder: &File) -> Option<PathBuf> {
    let path =
        fs::read_link(Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string())).ok()?;
    let opened = Identity::from(&folder.metadata().ok()?);
    identity(&path).is_ok_and(|found| found == opened).then_some(path)
}

/// An outcome as a JSON object.
fn line(outcome: &Outcome) -> String {
    let failure = outcome.failure.as_ref();
    json!({
        "service_id": outcome.service_id.get(),
        "time_ms": outcome.started_at_ms,
        "state": match outcome.verdict() {
            Verdict::Up => "up",
            Verdict::Down => "down",
            _ => "unknown",
        },
        "response_time_ms": outcome.response_time.as_secs_f64() * 1e3,
        "http_status": outcome.http_status,
        "reason": failure.map(|failure| failure.reason.as_str()),
        "detail": failure.map(|failure| failure.detail.as_str()),
    })
    .to_string()
}
