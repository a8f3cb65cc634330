//! The lock that keeps a second process away from a database file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::files::{Identity, absolute, beside, create_private, identity, unusable};
use crate::storage::error::OpenError;

/// The byte of the database that is locked. SQLite locks the bytes from 2^30 to 2^30 + 511.
const LOCKED_BYTE: i64 = (1 << 30) + 1_024;

/// Attempts to lock a file that keeps its name meanwhile.
const ATTEMPTS: usize = 10;

/// The lock on a database, whether the file exists or not. No store opens the file until it is
/// dropped.
///
/// SQLite's own locks last one transaction; this one refuses a second process at its start. It has
/// two parts: `DB_FILE.lock`, which names the first process, and the database itself, which is the
/// same file under every name (hard link, symbolic link, bind mount).
///
/// Dropping it closes the database, and so ends the locks of every SQLite connection of this
/// process: connections must be closed before.
#[derive(Debug)]
pub struct FileLock {
    /// As it was written.
    file: PathBuf,
    path: PathBuf,
    database: Option<File>,
    _lock_file: File,
}

impl FileLock {
    /// Locks `file`, and the database if there is one. Error `InUse` names the process that has the
    /// lock.
    pub fn acquire(file: &Path) -> Result<Self, OpenError> {
        let path = absolute(file).map_err(|error| unusable(file, error))?;
        let unusable = |error: io::Error| unusable(file, error);
        let mut lock_file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(beside(&path, ".lock"))
            .map_err(unusable)?;
        match lock_file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Best effort: the file is in use, with the name or without.
                let _ = lock_file.read_to_string(&mut holder);
                return Err(in_use(file, holder.trim()));
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let database = lock_database(file, &path)?;
        lock_file.set_len(0).map_err(unusable)?;
        lock_file.rewind().map_err(unusable)?;
        writeln!(lock_file, "pid {}", std::process::id()).map_err(unusable)?;
        Ok(Self { file: file.to_owned(), path, database, _lock_file: lock_file })
    }

    /// The absolute path of the database, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The locked database; `None` when there was none.
    pub fn database(&self) -> Option<&File> {
        self.database.as_ref()
    }

    /// Creates an empty database when there is none, and locks it.
    pub fn create_database(&mut self) -> Result<(), OpenError> {
        if self.database.is_none() {
            match create_private(&self.path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(unusable(&self.file, error));
                }
                _ => self.database = lock_database(&self.file, &self.path)?,
            }
        }
        self.database.as_ref().map(|_| ()).ok_or_else(|| unusable(&self.file, "it was removed"))
    }
}

/// Opens and locks the database; `None` when there is none.
fn lock_database(file: &Path, path: &Path) -> Result<Option<File>, OpenError> {
    for _ in 0..ATTEMPTS {
        let database = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(database) => database,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(file, error)),
        };
        match lock(&database) {
            Ok(()) => {}
            Err(Errno::EAGAIN | Errno::EACCES) => {
                return Err(in_use(file, "its lock file was removed, or it has another name"));
            }
            Err(error) => return Err(unusable(file, error)),
        }
        let locked = database.metadata().map_err(|error| unusable(file, error))?;
        if identity(path).is_ok_and(|named| named == Identity::from(&locked)) {
            return Ok(Some(database));
        }
        // Another file has the name by now.
    }
    Err(unusable(file, "it is being replaced"))
}

/// Locks one byte for the open file description. Unlike a lock of the process (`F_SETLK`), it does
/// not end when the process closes another descriptor of the file.
fn lock(database: &File) -> Result<(), Errno> {
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: LOCKED_BYTE,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(database, FcntlArg::F_OFD_SETLK(&lock)).map(|_| ())
}

fn in_use(file: &Path, holder: &str) -> OpenError {
    OpenError::InUse { file: file.to_owned(), holder: holder.to_owned() }
}
