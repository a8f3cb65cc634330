//! The database file and the files beside it: their names, their heads and their modes.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::header;
use super::header::Kind;
use crate::storage::error::OpenError;

/// Mode of every file that this program creates: it may hold secrets.
const OWN_MODE: u32 = 0o600;

/// Device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The identity of the file that has this name, through symbolic links.
pub fn identity(path: &Path) -> io::Result<Identity> {
    path.metadata().map(|metadata| Identity::from(&metadata))
}

/// Creates a file that only its owner may read and write, whatever the umask is. Error
/// `AlreadyExists` when the name is taken.
pub fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(OWN_MODE).open(path)?;
    file.set_permissions(Permissions::from_mode(OWN_MODE))?;
    Ok(file)
}

/// The permission bits of a file that others than its owner may read or write; `None` for another
/// file and for a missing one.
pub fn shared_mode(path: &Path) -> Option<u32> {
    let mode = path.metadata().ok()?.mode() & 0o777;
    (mode & !OWN_MODE & 0o077 != 0).then_some(mode)
}

/// Syncs the folder of `path`, so that changed names survive a power failure.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Most symbolic links that are followed to a missing file, as the kernel does.
const LINKS_MOST: usize = 40;

/// The absolute path, without symbolic links, of a file that need not exist, in a folder that must.
pub fn absolute(file: &Path) -> io::Result<PathBuf> {
    let mut file = file.to_owned();
    for _ in 0..LINKS_MOST {
        if let Ok(existing) = file.canonicalize() {
            return Ok(existing);
        }
        let name: &OsStr = file.file_name().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name")
        })?;
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let path = folder.canonicalize()?.join(name);
        match path.read_link() {
            Ok(target) => file = folder.canonicalize()?.join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "too many symbolic links"))
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
        // the log. An interrupted commit of a move leaves the old pages in the journal.
        Kind::Truncated(_) if has_log(path) || has_journal(path) => Ok(false),
        Kind::Truncated(found) => Err(OpenError::Damaged { file: file.to_owned(), found }),
    }
}

/// Whether a log that SQLite would read is beside the database.
fn has_log(path: &Path) -> bool {
    header::is_log(&head_beside(path, "-wal"))
}

/// Whether a journal that SQLite would roll back is beside the database.
fn has_journal(path: &Path) -> bool {
    header::is_journal(&head_beside(path, "-journal"))
}

/// The first bytes of a file beside the database; none without the file.
fn head_beside(path: &Path, ending: &str) -> Vec<u8> {
    let mut head = Vec::new();
    let opened = File::open(beside(path, ending));
    let read = opened.and_then(|log| log.take(header::LOG_HEAD_LENGTH).read_to_end(&mut head));
    if read.is_ok() { head } else { Vec::new() }
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
