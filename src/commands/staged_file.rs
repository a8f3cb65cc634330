//! A file that is written under a temporary name, and gets its name when it is whole and on disk.
//! An incomplete one is removed.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use actix::System;
use tokio::task::spawn_blocking;

use crate::app::shutdown::Signals;
use crate::error::Error;
use crate::storage::sqlite::files::{beside, create_private, sync_folder};

/// Ending of the temporary name.
const ENDING: &str = ".unfinished";

/// Endings of the files that SQLite may create beside a file.
const COMPANIONS: [&str; 3] = ["-journal", "-wal", "-shm"];

/// Dropping it before it is placed removes the file.
#[derive(Debug)]
pub(super) struct StagedFile {
    path: PathBuf,
    /// Locked, so that no other process writes the same temporary file.
    file: File,
}

impl StagedFile {
    /// Creates the temporary file for `target`, empty and readable by its owner alone. Removes what
    /// a killed process left there.
    pub fn create(target: &Path) -> Result<Self, String> {
        let path = beside(target, ENDING);
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        if path.symlink_metadata().is_ok_and(|found| found.is_file()) {
            let left = File::open(&path).map_err(failed)?;
            lock(&left, &path)?;
            remove(&path).map_err(failed)?;
        }
        let file = create_private(&path).map_err(failed)?;
        lock(&file, &path)?;
        Ok(Self { path, file })
    }

    /// The temporary name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it the mode of `other`.
    pub fn copy_mode(&self, other: &Path) -> io::Result<()> {
        self.file.set_permissions(other.metadata()?.permissions())
    }

    /// Gives it the owner of `other`, if this user may.
    pub fn copy_owner(&self, other: &Path) -> io::Result<()> {
        let (own, other) = (self.file.metadata()?, other.metadata()?);
        if (own.uid(), own.gid()) == (other.uid(), other.gid()) {
            return Ok(());
        }
        match fchown(&self.file, Some(other.uid()), Some(other.gid())) {
            Err(error) if error.kind() != ErrorKind::PermissionDenied => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives the file the name `target`; an error when a file of that name exists.
    pub fn place_new(self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        match fs::hard_link(&self.path, target) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
            // The file system has no hard links.
            Err(_) => fs::rename(&self.path, target)?,
            Ok(()) => {}
        }
        // Dropping removes the temporary name.
        drop(self);
        sync_folder(target)
    }

    /// Gives the file the name `target` and replaces what has that name, atomically.
    pub fn replace(self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, target)?;
        sync_folder(target)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // Best effort: the next `create` removes what is left.
        let _ = remove(&self.path);
    }
}

fn lock(file: &File, path: &Path) -> Result<(), String> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => format!("another process is writing {}", path.display()),
        TryLockError::Error(error) => format!("{}: {error}", path.display()),
    })
}

/// Removes a file and what SQLite has created beside it.
fn remove(path: &Path) -> io::Result<()> {
    for ending in COMPANIONS {
        remove_if_there(&beside(path, ending))?;
    }
    remove_if_there(path)
}

/// Removes a file; a missing file is not an error.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Runs `work`, which writes `target`, on its own thread. A signal meanwhile removes the temporary
/// file and ends the process with the exit code of that signal.
pub(super) fn until_signal<T: Send + 'static>(
    target: &Path,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    System::new().block_on(async {
        let mut signals = Signals::new().map_err(Error::failed)?;
        let work = spawn_blocking(work);
        tokio::select! {
            done = work => done.unwrap_or_else(|panic| Err(Error::failed(panic))),
            (_, code) = signals.next() => {
                let _ = remove(&beside(target, ENDING));
                std::process::exit(code)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_file_is_removed_and_so_is_one_that_a_killed_process_left() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.db");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        fs::write(beside(&target, ".unfinished"), "left").unwrap();
        fs::write(beside(&target, ".unfinished-journal"), "left").unwrap();
        let staged = StagedFile::create(&target).unwrap();
        assert_eq!((staged.path().metadata().unwrap().len(), names()), (0, 1));
        let error = StagedFile::create(&target).unwrap_err();
        assert!(error.contains("another process is writing"), "{error}");
        drop(staged);
        assert_eq!(names(), 0);
    }

    #[test]
    fn a_placed_file_stays_and_only_replace_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.db");
        let write = |text: &str| {
            let staged = StagedFile::create(&target).unwrap();
            fs::write(staged.path(), text).unwrap();
            staged
        };
        write("first").place_new(&target).unwrap();
        assert_eq!(
            write("second").place_new(&target).unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
        assert_eq!(fs::read(&target).unwrap(), b"first");
        write("third").replace(&target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"third");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
