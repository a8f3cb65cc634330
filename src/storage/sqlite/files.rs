//! The database file and the files beside it: their names, their heads, and the lock.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::header;
use super::header::Kind;
use crate::storage::error::OpenError;

/// The lock on a database file, whether the file exists or not. No store opens the file until it
/// is dropped.
///
/// SQLite's own locks last one transaction; this one refuses a second process at its start, and
/// names the first.
#[derive(Debug)]
pub struct FileLock {
    path: PathBuf,
    _file: File,
}

impl FileLock {
    /// Error `InUse` names the process that has the lock.
    pub fn acquire(file: &Path) -> Result<Self, OpenError> {
        let path = absolute(file).map_err(|error| unusable(file, error))?;
        let unusable = |error: io::Error| unusable(file, error);
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(beside(&path, ".lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Best effort: the file is in use, with the name or without.
                let _ = lock.read_to_string(&mut holder);
                return Err(OpenError::InUse {
                    file: file.to_owned(),
                    holder: holder.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        lock.set_len(0).map_err(unusable)?;
        lock.rewind().map_err(unusable)?;
        writeln!(lock, "pid {}", std::process::id()).map_err(unusable)?;
        Ok(Self { path, _file: lock })
    }

    /// The absolute path of the database file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The absolute path of a file that need not exist, in a folder that must.
pub fn absolute(file: &Path) -> io::Result<PathBuf> {
    if let Ok(existing) = file.canonicalize() {
        return Ok(existing);
    }
    let name: &OsStr = file
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name"))?;
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    Ok(folder.canonicalize()?.join(name))
}

/// Whether the file is new or empty; an error when it is not a database of this program.
pub fn is_new(file: &Path, path: &Path) -> Result<bool, OpenError> {
    let unusable = |error: io::Error| unusable(file, error);
    let length = match path.metadata() {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(unusable(error)),
    };
    let mut head = Vec::new();
    if length > 0 {
        let opened = File::open(path).map_err(unusable)?;
        opened.take(header::HEADER_LENGTH as u64).read_to_end(&mut head).map_err(unusable)?;
    }
    match header::inspect(&head, length) {
        Kind::Empty => Ok(true),
        Kind::Own => Ok(false),
        Kind::Foreign(found) => {
            Err(OpenError::Foreign { file: file.to_owned(), found: found.into() })
        }
        // An interrupted checkpoint leaves the new length in the first page and the other pages in
        // the log.
        Kind::Truncated(_) if has_log(path) => Ok(false),
        Kind::Truncated(found) => Err(OpenError::Damaged { file: file.to_owned(), found }),
    }
}

/// Whether a log that SQLite would read is beside the database.
fn has_log(path: &Path) -> bool {
    let mut head = Vec::new();
    let opened = File::open(beside(path, "-wal"));
    let read = opened.and_then(|log| log.take(header::LOG_HEAD_LENGTH).read_to_end(&mut head));
    read.is_ok() && header::is_log(&head)
}

/// Whether a file of that ending, which is not empty, is beside the database.
pub fn has_beside(path: &Path, ending: &str) -> bool {
    beside(path, ending).metadata().is_ok_and(|metadata| metadata.len() > 0)
}

/// The path with `ending` appended.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(ending);
    beside.into()
}

pub fn unusable(file: &Path, reason: impl Display) -> OpenError {
    OpenError::Unusable { file: file.to_owned(), reason: reason.to_string() }
}

/// `path` as part of an SQLite URI.
pub fn escaped(path: &str) -> String {
    path.replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

/// `Damaged` for the errors that SQLite reports as `SQLITE_CORRUPT` or `SQLITE_NOTADB`.
pub fn explain(file: &Path, error: &dyn std::error::Error) -> OpenError {
    let (file, message) = (file.to_owned(), error.to_string());
    if message.contains("malformed") || message.contains("not a database") {
        OpenError::Damaged { file, found: message }
    } else {
        OpenError::Unusable { file, reason: message }
    }
}
