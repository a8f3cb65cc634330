//! Debian's OpenSSH server.

use std::fs;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use super::Peer;

/// A server that runs one sshd for each connection.
pub fn sshd() -> Peer {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let made = Command::new("/usr/bin/ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .unwrap_or_else(|error| panic!("{error}; install Debian's package openssh-server"));
    assert!(made.success(), "{made}");
    if rustix::process::geteuid().is_root() {
        // Its init script makes it, and sshd requires it of root.
        fs::create_dir_all("/run/sshd").unwrap();
    }
    Peer::start(move |stream| {
        let _holds_the_key = &folder;
        let output = OwnedFd::from(stream.try_clone()?);
        Command::new("/usr/sbin/sshd")
            .args(["-i", "-f", "/dev/null", "-h"])
            .arg(&key)
            .stdin(OwnedFd::from(stream))
            .stdout(output)
            .stderr(Stdio::null())
            .status()?;
        Ok(())
    })
}
