//! ICMP targets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::support::Launch;
use crate::support::namespace::Hosts;

/// Takes from the program what raw sockets require.
const WITHOUT_RAW_SOCKETS: [&str; 3] = ["setpriv", "--bounding-set", "-net_raw"];

#[test]
fn a_host_is_up_only_when_it_answers_an_echo_request() {
    let Some(hosts) = Hosts::new("icmp") else { return };
    hosts.enter_monitor();
    // A new namespace permits no ping sockets.
    let raw = Launch::new();
    let unprivileged = Launch::new().wrapped_in(&WITHOUT_RAW_SOCKETS);
    let refused = unprivileged.probe_command("icmp://127.0.0.1").run();
    refused.assert_failed("local_config", "CAP_NET_RAW");
    let targets = [hosts.target_address(), "127.0.0.1", "[::1]", "::1"];
    for host in targets {
        let probed = raw.probe_command(&format!("icmp://{host}")).run();
        probed.assert_up();
        assert_eq!(probed.outcome["address"], host.trim_matches(['[', ']']));
    }
    hosts.allow_pings();
    for host in targets {
        unprivileged.probe_command(&format!("icmp://{host}")).run().assert_up();
    }
    for launch in [&raw, &unprivileged] {
        let nobody = launch.probe_command("icmp://10.231.7.77").timeout(1.5).run();
        nobody.assert_failed("timeout", "still waiting for the response");
    }
    hosts.remove_route();
    for launch in [&raw, &unprivileged] {
        let cut_off = launch.probe_command(&format!("icmp://{}", hosts.target_address())).run();
        cut_off.assert_failed("local_network", "probing 10.231.8.2: ");
    }
}

#[test]
fn replies_to_other_processes_do_not_count_on_a_raw_socket() {
    let Some(hosts) = Hosts::new("echoes") else { return };
    hosts.enter_targets();
    std::fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1").unwrap();
    // The socket stays on the host that it was opened on.
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
    let address = |ip: &str| SockAddr::from(SocketAddr::new(ip.parse().unwrap(), 0));
    socket.bind(&address(hosts.target_address())).unwrap();
    let monitor = address(hosts.monitor_address());
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    let flood = std::thread::spawn(move || {
        // An echo reply with identifier, sequence number and payload of another process.
        let reply = [&[0, 0, 0xf7, 0xfd, 8, 1, 0, 1][..], &[0; 32]].concat();
        while !stopping.load(Ordering::SeqCst) {
            let _ = socket.send_to(&reply, &monitor);
            std::thread::sleep(Duration::from_micros(200));
        }
    });
    hosts.enter_monitor();
    let url = format!("icmp://{}", hosts.target_address());
    let probed = Launch::new().probe_command(&url).timeout(2.5).run();
    stop.store(true, Ordering::SeqCst);
    flood.join().unwrap();
    probed.assert_failed("timeout", "still waiting for the response");
}
