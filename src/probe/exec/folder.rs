//! Which files of `PLUGINS_DIR` may run.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Users and groups that may write a plugin: root's and this process's.
#[derive(Debug, Clone, Copy)]
pub struct Trusted {
    pub user: u32,
    pub group: u32,
}

impl Trusted {
    pub fn of_this_process() -> Self {
        Self {
            user: rustix::process::geteuid().as_raw(),
            group: rustix::process::getegid().as_raw(),
        }
    }

    /// Whether no other user may write the file or folder.
    fn owns(self, metadata: &Metadata) -> bool {
        let mode = metadata.permissions().mode();
        let is_user = [0, self.user].contains(&metadata.uid());
        let is_group = mode & 0o020 == 0 || [0, self.group].contains(&metadata.gid());
        is_user && is_group && mode & 0o002 == 0
    }
}

/// An error when `folder` cannot be a folder of plugins.
pub fn check(folder: &Path, trusted: Trusted) -> Result<(), String> {
    let metadata = fs::metadata(folder).map_err(|error| error.to_string())?;
    if !metadata.is_dir() {
        return Err("not a folder".to_owned());
    }
    if !trusted.owns(&metadata) {
        return Err("other users may write to it".to_owned());
    }
    Ok(())
}

/// The path of the plugin `name` in `folder`. A symbolic link must not leave the folder; it is not
/// resolved, since some plugins behave as the name of the link says. The error says why the plugin
/// must not run.
pub fn find(folder: &Path, name: &str, trusted: Trusted) -> Result<PathBuf, String> {
    let shown = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => "no such plugin".to_owned(),
        _ => error.to_string(),
    };
    check(folder, trusted).map_err(|why| format!("PLUGINS_DIR: {why}"))?;
    let folder = folder.canonicalize().map_err(|error| format!("PLUGINS_DIR: {error}"))?;
    // The name of a plugin has no slash.
    let plugin = folder.join(name);
    let file = plugin.canonicalize().map_err(|error| shown(&error))?;
    if !file.starts_with(&folder) {
        return Err("a symbolic link that leaves PLUGINS_DIR".to_owned());
    }
    let metadata = fs::metadata(&file).map_err(|error| shown(&error))?;
    if !metadata.is_file() {
        return Err("not a file".to_owned());
    }
    if !trusted.owns(&metadata) {
        return Err("other users may write to it".to_owned());
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err("not executable".to_owned());
    }
    Ok(plugin)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    fn write(path: &Path, mode: u32) {
        fs::write(path, "#!/bin/true\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn only_executable_files_of_the_folder_that_others_cannot_write_may_run() {
        let trusted = Trusted::of_this_process();
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("plugins");
        fs::create_dir(&folder).unwrap();
        let found = |name: &str| find(&folder, name, trusted);
        let at = |name: &str| folder.join(name);
        write(&at("good"), 0o755);
        symlink("good", at("inside")).unwrap();
        assert_eq!(found("good").unwrap(), folder.canonicalize().unwrap().join("good"));
        assert_eq!(found("inside").unwrap(), folder.canonicalize().unwrap().join("inside"));

        write(&outside.path().join("other"), 0o755);
        symlink("../other", at("link")).unwrap();
        symlink("nothing", at("dangling")).unwrap();
        write(&at("writable"), 0o757);
        write(&at("plain"), 0o644);
        fs::create_dir(at("sub")).unwrap();
        for (name, why) in [
            ("none", "no such plugin"),
            ("dangling", "no such plugin"),
            ("link", "a symbolic link that leaves PLUGINS_DIR"),
            ("../other", "a symbolic link that leaves PLUGINS_DIR"),
            ("writable", "other users may write to it"),
            ("plain", "not executable"),
            ("sub", "not a file"),
        ] {
            assert_eq!(found(name).unwrap_err(), why, "{name}");
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(found("good").unwrap_err(), "PLUGINS_DIR: other users may write to it");
    }

    #[test]
    fn a_plugin_belongs_to_root_or_to_this_user() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = folder.path().join("plugin");
        write(&plugin, 0o775);
        let own = Trusted::of_this_process();
        assert!(find(folder.path(), "plugin", own).is_ok(), "the group is this process's");
        if own.user == 0 {
            chown(&plugin, Some(0), Some(54_321)).unwrap();
            assert!(find(folder.path(), "plugin", own).is_err(), "a group of others may write");
            chown(&plugin, Some(54_321), Some(0)).unwrap();
            assert!(find(folder.path(), "plugin", own).is_err(), "the owner may write");
            let owner = Trusted { user: 54_321, ..own };
            assert!(find(folder.path(), "plugin", owner).is_ok());
        }
    }
}
