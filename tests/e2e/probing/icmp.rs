//! ICMP targets.

use crate::support::Launch;
use crate::support::namespace::Hosts;

/// Whether the kernel permits ping sockets for this group.
fn may_ping() -> bool {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap_or_default();
    let bounds: Vec<u32> = range.split_whitespace().filter_map(|gid| gid.parse().ok()).collect();
    let own = rustix::process::getegid().as_raw();
    matches!(bounds[..], [least, most] if (least..=most).contains(&own))
}

#[test]
fn a_local_host_is_up_or_pings_are_not_permitted() {
    let probed = Launch::new().probe_command("icmp://127.0.0.1").run();
    if may_ping() {
        probed.assert_up();
        assert!(probed.outcome["address"].as_str().unwrap().starts_with("127.0.0.1"), "{probed:?}");
    } else {
        probed.assert_failed("local_config", "net.ipv4.ping_group_range");
    }
}

#[test]
fn a_host_is_up_only_when_it_answers_an_echo_request() {
    let Some(hosts) = Hosts::new("icmp") else { return };
    hosts.enter_monitor();
    hosts.allow_pings();
    let launch = Launch::new();
    for host in [hosts.target_address(), "127.0.0.1", "[::1]"] {
        let probed = launch.probe_command(&format!("icmp://{host}")).run();
        probed.assert_up();
        assert_eq!(probed.outcome["address"], host.trim_matches(['[', ']']));
    }
    let nobody = launch.probe_command("icmp://10.231.7.77").timeout(1.5).run();
    nobody.assert_failed("timeout", "still waiting for the response");
    hosts.remove_route();
    let cut_off = launch.probe_command(&format!("icmp://{}", hosts.target_address())).run();
    cut_off.assert_failed("local_network", "probing 10.231.8.2: ");
}
