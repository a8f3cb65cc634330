//! Local faults never make a downtime.

use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

use crate::support::namespace::Hosts;
use crate::support::{Behaviour, Launch, Target};

#[test]
fn running_out_of_descriptors_is_a_local_fault_and_no_downtime() {
    let app = Launch::new().start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_ticks(id, 2);
    let open = app.metric("process_open_fds").unwrap() as u64;
    let tight = Rlimit { current: Some(open / 2), maximum: getrlimit(Resource::Nofile).maximum };
    let before = prlimit(Some(app.pid()), Resource::Nofile, tight).unwrap();
    app.wait_for_log("probe failed by a local fault");
    prlimit(Some(app.pid()), Resource::Nofile, before).unwrap();
    app.wait_for_metric(
        "service_healthcheck_probes_total{result=\"local\",reason=\"local_descriptors\"}",
        1.0,
    );
    let ticks = app.service(id)["metric"]["data"]["tick_count"].as_u64().unwrap();
    let service = app.wait_for_ticks(id, ticks + 3);
    assert_eq!(service["metric"]["data"]["down_count"], 0);
    assert_eq!(app.get(&format!("/v1/services/{id}/events")).list("events").len(), 1);
}

#[test]
fn a_prohibited_local_route_is_no_downtime() {
    let Some(hosts) = Hosts::new("prohibits") else { return };
    hosts.enter_targets();
    let target = Target::start_at("0.0.0.0", Behaviour::Status(200));
    hosts.enter_monitor();
    let url = format!("http://{}:{}/", hosts.target_address(), target.port());
    let app = Launch::new().with("SELF_CHECK_WINDOW_SECONDS", "1").start();
    let id = app.add("behind", &url);
    app.wait_for_state(id, "up");
    hosts.prohibit_route();
    let local = "service_healthcheck_probes_total{result=\"local\",reason=\"local_network\"}";
    // Longer than the window of the self-check; the gateway answers.
    app.wait_for_metric(local, 10.0);
    let service = app.wait_for_state(id, "up");
    assert_eq!(service["metric"]["data"]["down_count"], 0, "{service}");
    Launch::new()
        .probe_command(&url)
        .run()
        .assert_failed("local_network", "connecting to 10.231.8.2:");
}
