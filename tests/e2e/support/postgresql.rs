//! A real PostgreSQL, of Debian's package.

use std::fs::{self, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{Identity, wait_until};

/// A running server with TLS, stopped on drop.
pub struct PostgreSql {
    child: Child,
    port: u16,
    /// The data.
    _folder: TempDir,
}

impl PostgreSql {
    pub fn start(identity: &Identity) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let data = folder.path().join("data");
        let initialized = as_unprivileged(&program("initdb"))
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--pgdata"])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(initialized.unwrap().success(), "initdb failed");
        for (name, pem) in
            [("server.crt", identity.certificate_pem()), ("server.key", identity.key_pem())]
        {
            write_owned(&data, name, &pem);
        }
        // Another process may take the port before the server does; then it ends at once.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = as_unprivileged(&program("postgres"))
            .args(["-c", "ssl=on", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(["-c", "unix_socket_directories=", "-c", &format!("port={port}"), "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut server = Self { child: child.unwrap(), port, _folder: folder };
        wait_until("PostgreSQL to listen", || {
            assert!(server.child.try_wait().unwrap().is_none(), "PostgreSQL ended");
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for PostgreSql {
    fn drop(&mut self) {
        // Fast shutdown: its children end too.
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process(pid, Signal::INT);
        }
        let _ = self.child.wait();
    }
}

/// The program in the newest version that is installed.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin").join(name));
    let found = found.filter(|path| path.exists()).max();
    found.unwrap_or_else(|| panic!("no {name}; install Debian's package postgresql"))
}

/// PostgreSQL refuses to run as root.
fn as_unprivileged(program: &Path) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command.current_dir("/");
    command
}

/// Writes a file of the server's user that only it can read.
fn write_owned(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    let owner = fs::metadata(folder).unwrap();
    let (user, group) =
        (std::os::unix::fs::MetadataExt::uid(&owner), std::os::unix::fs::MetadataExt::gid(&owner));
    std::os::unix::fs::chown(&file, Some(user), Some(group)).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
}
