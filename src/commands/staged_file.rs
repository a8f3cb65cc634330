//! A file that comes to be: under a name of its own until it is whole and on the disk, and taken away when it never is.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use actix::System;
use tokio::task::spawn_blocking;

use crate::app::shutdown::Signals;
use crate::app::startup::Failed;
use crate::storage::connection::beside;

/// What its name ends with until then.
const ENDING: &str = ".unfinished";

/// What SQLite may put beside a file while it works on it.
const COMPANIONS: [&str; 3] = ["-journal", "-wal", "-shm"];

/// A file that is not there yet under its name. Dropped before it is placed, it is taken away.
#[derive(Debug)]
pub(super) struct StagedFile {
    path: PathBuf,
    /// Locked as long as somebody works on it.
    file: File,
}

impl StagedFile {
    /// Begins what is to become `target`, as an empty file that is for our eyes only. What a copy left that was killed is taken
    /// away first.
    pub fn begin(target: &Path) -> Result<Self, String> {
        let path = beside(target, ENDING);
        let told = |error: io::Error| format!("{}: {error}", path.display());
        if path.symlink_metadata().is_ok_and(|found| found.is_file()) {
            let left = File::open(&path).map_err(told)?;
            lock(&left, &path)?;
            remove(&path).map_err(told)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(told)?;
        lock(&file, &path)?;
        Ok(Self { path, file })
    }

    /// Where it is for now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it the mode and the owner of `other`; the mode alone when the owner cannot be given away by this user.
    pub fn look_like(&self, other: &Path) -> io::Result<()> {
        let other = other.metadata()?;
        self.file.set_permissions(other.permissions())?;
        let own = self.file.metadata()?;
        if (own.uid(), own.gid()) == (other.uid(), other.gid()) {
            return Ok(());
        }
        match fchown(&self.file, Some(other.uid()), Some(other.gid())) {
            Err(error) if error.kind() != ErrorKind::PermissionDenied => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives it its name, under which there must be nothing.
    pub fn place_new(self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        match fs::hard_link(&self.path, target) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
            // A file system without links.
            Err(_) => fs::rename(&self.path, target)?,
            Ok(()) => {}
        }
        // Its second name goes with it.
        drop(self);
        sync_folder(target)
    }

    /// Gives it its name, in place of what is there, at one moment.
    pub fn replace(self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, target)?;
        sync_folder(target)
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        // Best effort: it is told by its name, and the next one takes it away.
        let _ = remove(&self.path);
    }
}

fn lock(file: &File, path: &Path) -> Result<(), String> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => format!("{} is being written by another one", path.display()),
        TryLockError::Error(error) => format!("{}: {error}", path.display()),
    })
}

/// Takes a file away, with what SQLite has put beside it.
fn remove(path: &Path) -> io::Result<()> {
    for ending in COMPANIONS {
        remove_if_there(&beside(path, ending))?;
    }
    remove_if_there(path)
}

/// Takes a file away; none is fine.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes sure that names which have changed in the folder of `path` are on the disk.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Does `work`, which makes `target`, on a thread of its own. A signal meanwhile takes away what is unfinished and ends the
/// process, as it would have ended by itself.
pub(super) fn until_signal<T: Send + 'static>(
    target: &Path,
    work: impl FnOnce() -> Result<T, Failed> + Send + 'static,
) -> Result<T, Failed> {
    System::new().block_on(async {
        let mut signals = Signals::new().map_err(|error| Failed::System(error.to_string()))?;
        let working = spawn_blocking(work);
        tokio::select! {
            done = working => done.unwrap_or_else(|died| Err(Failed::System(died.to_string()))),
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
    fn what_is_not_placed_is_taken_away_and_what_a_kill_left_too() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.db");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        fs::write(beside(&target, ".unfinished"), "left").unwrap();
        fs::write(beside(&target, ".unfinished-journal"), "left").unwrap();
        let one = StagedFile::begin(&target).unwrap();
        assert_eq!((one.path().metadata().unwrap().len(), names()), (0, 1));
        let told = StagedFile::begin(&target).unwrap_err();
        assert!(told.contains("is being written by another one"), "{told}");
        drop(one);
        assert_eq!(names(), 0);
    }

    #[test]
    fn what_is_placed_stays_and_nothing_is_overwritten_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.db");
        let write = |text: &str| {
            let one = StagedFile::begin(&target).unwrap();
            fs::write(one.path(), text).unwrap();
            one
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
