//! Two hosts on one machine, in network namespaces that the test creates.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The monitor's host.
const NEAR: &str = "10.231.7.1";
/// The targets' host, behind a router: the monitor needs a route to it.
const FAR: &str = "10.231.8.2";

/// A host for the monitor and one for its targets, linked by a veth pair; removed on drop.
pub struct Hosts {
    near: String,
    far: String,
}

impl Hosts {
    /// `None` when the test does not run as root, as creating namespaces requires.
    pub fn new(name: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not run: only root may make network namespaces");
            return None;
        }
        let id = format!("shc-{}-{name}", std::process::id());
        let hosts = Self { near: format!("{id}-a"), far: format!("{id}-b") };
        for host in [&hosts.near, &hosts.far] {
            ip(&["netns", "add", host]);
            ip(&["-n", host, "link", "set", "lo", "up"]);
        }
        let (near, far) = (hosts.near.as_str(), hosts.far.as_str());
        ip(&[
            "-n", near, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", far,
        ]);
        ip(&["-n", near, "address", "add", &format!("{NEAR}/24"), "dev", "wire"]);
        ip(&["-n", far, "address", "add", "10.231.7.2/24", "dev", "wire"]);
        ip(&["-n", far, "address", "add", &format!("{FAR}/32"), "dev", "lo"]);
        ip(&["-n", near, "link", "set", "wire", "up"]);
        ip(&["-n", far, "link", "set", "wire", "up"]);
        hosts.restore_route();
        Some(hosts)
    }

    /// The address of the targets' host.
    pub fn target_address(&self) -> &'static str {
        FAR
    }

    /// The address of the monitor's host.
    pub fn monitor_address(&self) -> &'static str {
        NEAR
    }

    /// Moves the calling thread, and what it starts from now on, to the monitor's host.
    pub fn enter_monitor(&self) {
        enter(&self.near);
    }

    /// Moves the calling thread, and what it starts from now on, to the targets' host.
    pub fn enter_targets(&self) {
        enter(&self.far);
    }

    /// Permits ping sockets on the monitor's host, which the calling thread must be on.
    pub fn allow_pings(&self) {
        std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0").unwrap();
    }

    /// Removes the monitor's route to its targets.
    pub fn remove_route(&self) {
        ip(&["-n", &self.near, "route", "del", "default"]);
    }

    pub fn restore_route(&self) {
        ip(&["-n", &self.near, "route", "add", "default", "via", "10.231.7.2"]);
    }

    /// Adds a prohibiting route to the targets on the monitor's host.
    pub fn prohibit_route(&self) {
        ip(&["-n", &self.near, "route", "add", "prohibit", FAR]);
    }

    /// Loses every packet silently, without an ICMP error.
    pub fn cut_link(&self) {
        ip(&["-n", &self.far, "link", "set", "wire", "down"]);
    }

    pub fn restore_link(&self) {
        ip(&["-n", &self.far, "link", "set", "wire", "up"]);
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in [&self.near, &self.far] {
            // Processes in there ended with their test; the kernel removes the rest with the name.
            let _ = Command::new("ip").args(["netns", "del", host]).status();
        }
    }
}

fn enter(host: &str) {
    let handle = File::open(format!("/run/netns/{host}")).unwrap();
    move_into_link_name_space(handle.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

fn ip(words: &[&str]) {
    let done = Command::new("ip").args(words).stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "ip {words:?}: {}", String::from_utf8_lossy(&done.stderr));
}
