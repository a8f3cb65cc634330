//! Plugins of external checks, and a service that they check.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, test_kill_process};
use tempfile::TempDir;

use super::{Launch, wait_until};

/// The plugins of Debian's package monitoring-plugins-basic.
const DEBIAN: &str = "/usr/lib/nagios/plugins";

impl Launch {
    /// With the plugins of Debian.
    pub fn with_debian_plugins(self) -> Self {
        let plugin = Path::new(DEBIAN).join("check_tcp");
        assert!(plugin.exists(), "install Debian's package monitoring-plugins-basic");
        self.with("PLUGINS_DIR", DEBIAN)
    }

    /// With a plugin `name`, a shell script, in a folder of its own.
    pub fn with_plugin(self, name: &str, script: &str) -> Self {
        let folder = self.folder().join("plugins");
        std::fs::create_dir_all(&folder).unwrap();
        write_plugin(&folder.join(name), script);
        self.with("PLUGINS_DIR", folder.display())
    }
}

/// Writes an executable shell script.
pub fn write_plugin(file: &Path, script: &str) {
    std::fs::write(file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Waits until `file` has a line of process ids, and returns them.
pub fn wait_for_pids(file: &Path) -> Vec<i32> {
    let read = || std::fs::read_to_string(file).unwrap_or_default();
    wait_until("the process ids of a plugin", || read().ends_with('\n'));
    read().split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Waits until a process has ended; a zombie has.
#[track_caller]
pub fn wait_until_ended(pid: i32) {
    let is_zombie = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.contains(") Z ")
    };
    let exists = || test_kill_process(Pid::from_raw(pid).unwrap()).is_ok();
    wait_until("a process of a plugin to end", || !exists() || is_zombie());
}

/// A Redis server on a Unix socket, killed on drop.
pub struct Redis {
    server: Child,
    folder: TempDir,
}

impl Redis {
    /// Starts Debian's redis-server and waits until it listens.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let server = Command::new("/usr/bin/redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}; install Debian's package redis-server"));
        wait_until("Redis to listen", || socket.exists());
        Self { server, folder }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Kills the server; its socket stays.
    pub fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // The server may have been killed already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
