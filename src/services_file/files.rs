//! The files of a folder, and changes of them.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Names of the files with their modification times; a difference shows a change.
pub type Snapshot = Vec<(PathBuf, Option<SystemTime>)>;

/// The current names and modification times.
pub fn snapshot(path: &Path) -> Snapshot {
    let modified = |file: &Path| std::fs::metadata(file).and_then(|metadata| metadata.modified());
    let files = list(path).unwrap_or_default();
    files.into_iter().map(|file| (file.clone(), modified(&file).ok())).collect()
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
