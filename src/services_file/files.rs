//! The files of a folder, and changes of them.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use twox_hash::XxHash3_128;

use crate::bounded_file;

/// Largest file, in bytes; a file of 100,000 entries has about 20 MB.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The result of stat(2) for each file, by name; `None` for a missing file. A difference hints at a
/// change: the time of the last status change cannot be set, unlike that of the content.
pub type Stats = Vec<(PathBuf, Option<FileStat>)>;

/// The values of stat(2) that a change of the content changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A hash of the names and contents of all files; those that cannot be read have one of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(u128);

/// The state of the files at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub stats: Stats,
    /// `None` when it is not known.
    pub digest: Option<Digest>,
}

/// The current state. Reads the files.
#[cfg(test)]
pub fn snapshot(path: &Path) -> Snapshot {
    Snapshot { stats: stats(path), digest: Some(digest(path)) }
}

/// The state before and after the files were read: the content is not known if they differ.
pub fn snapshot_since(before: Stats, path: &Path) -> Snapshot {
    let digest = digest(path);
    let digest = (stats(path) == before).then_some(digest);
    Snapshot { stats: before, digest }
}

pub fn stats(path: &Path) -> Stats {
    let stat = |file: &Path| {
        let metadata = std::fs::metadata(file).ok()?;
        Some(FileStat {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    };
    let files = list(path).unwrap_or_default();
    files.into_iter().map(|file| (file.clone(), stat(&file))).collect()
}

/// Reads the files. Blocks this thread, for each file at most for the deadline of
/// [`bounded_file`].
pub fn digest(path: &Path) -> Digest {
    let mut all = XxHash3_128::new();
    for file in list(path).unwrap_or_default() {
        all.write(file.as_os_str().as_bytes());
        // Ends the name, which cannot have it.
        all.write(&[0]);
        let empty = XxHash3_128::new();
        let content = bounded_file::fold(&file, MAX_BYTES, empty, XxHash3_128::write);
        match content {
            Ok(content) => {
                all.write(b"content ");
                all.write(&content.finish_128().to_le_bytes());
            }
            Err(error) => all.write(format!("error {}", error.kind()).as_bytes()),
        }
        all.write(&[0]);
    }
    Digest(all.finish_128())
}

/// The file itself, or the `.yaml` and `.yml` files of a folder and its subfolders, sorted by name.
/// Names that begin with a dot are skipped: a mounted ConfigMap keeps its bookkeeping there.
pub fn list(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let inner = entry?.path();
        let name = inner.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_yaml = inner.extension().is_some_and(|end| end == "yaml" || end == "yml");
        let is_folder = || std::fs::metadata(&inner).is_ok_and(|metadata| metadata.is_dir());
        if name.starts_with('.') {
            continue;
        } else if is_folder() {
            found.extend(list(&inner)?);
        } else if is_yaml {
            found.push(inner);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::fs::{File, FileTimes};
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn content_and_names_of_every_file_count_and_times_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let mut seen = vec![digest(path)];
        let mut expect = |is_new: bool, what: &str| {
            let found = digest(path);
            assert_eq!(!seen.contains(&found), is_new, "{what}");
            seen.push(found);
        };
        fs::write(path.join("a.yaml"), "one").unwrap();
        expect(true, "a file");
        fs::write(path.join("a.yaml"), "two").unwrap();
        expect(true, "another content of the same size");
        fs::write(path.join("a.yaml"), "two").unwrap();
        expect(false, "the same content again");
        fs::write(path.join("notes.txt"), "x").unwrap();
        expect(false, "a file that is not read");
        fs::create_dir(path.join("more")).unwrap();
        fs::write(path.join("more/b.yml"), "three").unwrap();
        expect(true, "a file of a subfolder");
        fs::rename(path.join("a.yaml"), path.join("c.yaml")).unwrap();
        expect(true, "another name");
        fs::remove_file(path.join("c.yaml")).unwrap();
        expect(true, "a removed file");
    }

    #[test]
    fn a_change_that_keeps_size_and_time_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.yaml");
        fs::write(&path, "one").unwrap();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let before = (stats(&path), digest(&path));
        fs::write(&path, "two").unwrap();
        let times = FileTimes::new().set_modified(modified);
        File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified);
        assert_ne!(digest(&path), before.1);
        let unknown = snapshot_since(Stats::new(), &path);
        assert_eq!(unknown.digest, None, "it changed while it was read");
    }

    #[test]
    fn a_mounted_config_map_changes_with_its_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for (name, text) in [("..one", "1"), ("..two", "2")] {
            fs::create_dir(path.join(name)).unwrap();
            fs::write(path.join(name).join("s.yaml"), text).unwrap();
        }
        symlink("..one", path.join("..data")).unwrap();
        symlink("..data/s.yaml", path.join("s.yaml")).unwrap();
        let before = (stats(path), digest(path));
        symlink("..two", path.join("..new")).unwrap();
        fs::rename(path.join("..new"), path.join("..data")).unwrap();
        assert_ne!((stats(path), digest(path)), before);
        assert!(stats(path) != before.0 && digest(path) != before.1);
    }
}
