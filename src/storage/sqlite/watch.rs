//! Whether the files of the open store are still those that were opened.

use std::fs::File;
use std::io;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::files::{Identity, beside, identity};
use super::header;
use super::header::Kind;
use crate::storage::error::StorageError;

/// A file that is too short is read again this often: another process may be in the middle of a
/// checkpoint, which writes the new length first.
const SHORT_FILE_READS: usize = 5;
const SHORT_FILE_PAUSE: Duration = Duration::from_millis(200);

/// What another program did to the files of the open store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileChange {
    #[error("{} was removed", .0.display())]
    Removed(PathBuf),
    #[error("{} is another file now", .0.display())]
    Replaced(PathBuf),
    /// The file is the same, and its content is not.
    #[error("{} was overwritten: {found}", file.display())]
    Overwritten { file: PathBuf, found: String },
}

/// The identities of the files when they were opened.
#[derive(Debug)]
pub struct FileWatch {
    /// The name of the database as it was written, the same without symbolic links, the log and the
    /// shared memory.
    files: Vec<(PathBuf, Identity)>,
    /// `user_version` of the database, which is different for each run.
    mark: u32,
    /// Whether the mark is in the file: until the first checkpoint it may be in the log alone.
    has_mark: AtomicBool,
    /// The newest change counter of the file, which never decreases.
    newest: AtomicU32,
    /// The first change that was found; it stays.
    change: OnceLock<FileChange>,
}

impl FileWatch {
    /// Call it while a connection is open, which keeps the log and the shared memory in place.
    pub fn new(file: &Path, path: &Path, mark: u32) -> io::Result<Self> {
        let names = [
            std::path::absolute(file)?,
            path.to_owned(),
            beside(path, "-wal"),
            beside(path, "-shm"),
        ];
        let files = names.map(|name| identity(&name).map(|identity| (name, identity)));
        let files = files.into_iter().collect::<io::Result<_>>()?;
        Ok(Self {
            files,
            mark,
            has_mark: AtomicBool::new(false),
            newest: AtomicU32::new(0),
            change: OnceLock::new(),
        })
    }

    /// The change that a check has found.
    pub fn change(&self) -> Option<&FileChange> {
        self.change.get()
    }

    /// Error when a name leads to another file, or to none.
    pub fn check_names(&self) -> Result<(), StorageError> {
        if self.change.get().is_none() {
            for (name, opened) in &self.files {
                match identity(name) {
                    Ok(found) if found == *opened => {}
                    Ok(_) => self.found(FileChange::Replaced(name.clone())),
                    Err(error) if is_missing(&error) => {
                        self.found(FileChange::Removed(name.clone()));
                    }
                    Err(error) => return Err(unavailable(&format!("{}: {error}", name.display()))),
                }
            }
        }
        self.change.get().map_or(Ok(()), |change| Err(unavailable(&change)))
    }

    /// As [`check_names`](Self::check_names), and checks the head of the `database`. For the thread
    /// that writes, so that no checkpoint of this process runs meanwhile.
    pub fn check(&self, database: Option<&File>) -> Result<(), StorageError> {
        self.check_names()?;
        let Some(database) = database else { return Ok(()) };
        let found = self.inspect(database).map_err(|why| unavailable(&why))?;
        let Some(found) = found else { return Ok(()) };
        let file = self.files.first().map(|(name, _)| name.clone()).unwrap_or_default();
        self.found(FileChange::Overwritten { file, found });
        self.check_names()
    }

    /// Whether the database still has its names, whatever became of the log.
    pub fn has_database(&self) -> bool {
        let names = self.files.iter().take(2);
        !matches!(self.change.get(), Some(FileChange::Overwritten { .. }))
            && names.into_iter().all(|(name, opened)| identity(name).is_ok_and(|it| it == *opened))
    }

    /// The log that was opened, unless its name leads to another file or to none.
    pub fn log(&self) -> Option<&Path> {
        let (name, opened) = self.files.get(2)?;
        identity(name).is_ok_and(|found| found == *opened).then_some(name)
    }

    /// What is wrong with the content.
    fn inspect(&self, database: &File) -> io::Result<Option<String>> {
        let mut found = None;
        for _ in 0..SHORT_FILE_READS {
            let mut head = vec![0; header::HEADER_LENGTH];
            let length = database.read_at(&mut head, 0)?;
            head.truncate(length);
            found = match header::inspect(&head, database.metadata()?.len()) {
                Kind::Own => return Ok(self.inspect_run(&head)),
                Kind::Empty => Some("it is empty".to_owned()),
                Kind::Foreign(found) => Some(format!("it is {found}")),
                Kind::Truncated(found) => Some(found),
            };
            std::thread::sleep(SHORT_FILE_PAUSE);
        }
        Ok(found)
    }

    /// Whether the head was written by this run, and after the head that was read before.
    fn inspect_run(&self, head: &[u8]) -> Option<String> {
        if header::user_version(head) != self.mark {
            let is_other = self.has_mark.load(Ordering::Relaxed);
            return is_other.then(|| "it is another database".to_owned());
        }
        let (found, newest) = (header::change_counter(head), self.newest.load(Ordering::Relaxed));
        if self.has_mark.swap(true, Ordering::Relaxed) && found < newest {
            return Some("it is an older copy".to_owned());
        }
        self.newest.store(found, Ordering::Relaxed);
        None
    }

    fn found(&self, change: FileChange) {
        // The first change stays.
        let _ = self.change.set(change);
    }
}

/// Whether the error means that nothing has this name.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn unavailable(why: &dyn ToString) -> StorageError {
    StorageError::Unavailable(why.to_string())
}
