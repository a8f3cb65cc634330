//! A machine of its own for the program: network and `/etc`, with loopback only.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use super::Launch;

/// The calling thread and what it starts have a loopback network of their own; programs of
/// [`Self::launch`] also have their own `/etc`. Removed on drop.
pub struct Machine {
    namespace: String,
    etc: TempDir,
}

impl Machine {
    /// `None` when the test does not run as root, as creating namespaces requires.
    pub fn enter(name: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not run: only root may make namespaces");
            return None;
        }
        let namespace = format!("shc-{}-{name}", std::process::id());
        for words in
            [&["netns", "add", &namespace][..], &["-n", &namespace, "link", "set", "lo", "up"]]
        {
            assert!(Command::new("ip").args(words).status().unwrap().success(), "ip {words:?}");
        }
        let handle = File::open(format!("/run/netns/{namespace}")).unwrap();
        move_into_link_name_space(handle.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        Some(Self { namespace, etc: tempfile::tempdir().unwrap() })
    }

    /// A program on this machine.
    pub fn launch(&self) -> Launch {
        let etc = self.etc.path().to_str().unwrap();
        let script = format!("mount --bind {etc} /etc && exec \"$@\"");
        Launch::new().wrapped_in(&["unshare", "--mount", "sh", "-c", &script, "sh"])
    }

    /// Writes `/etc/resolv.conf` by a rename.
    pub fn write_resolv_conf(&self, text: &str) {
        self.write("resolv.conf", text);
    }

    /// Writes `/etc/hosts` by a rename.
    pub fn write_hosts(&self, text: &str) {
        self.write("hosts", text);
    }

    fn write(&self, name: &str, text: &str) {
        let new = self.file("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.file(name)).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.etc.path().join(name)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The kernel removes the network when the test's thread has ended.
        let _ = Command::new("ip").args(["netns", "del", &self.namespace]).status();
    }
}
