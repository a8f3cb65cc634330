//! Loss of the local network, in a network namespace: no downtime, one gap.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::namespace::Hosts;
use crate::support::{App, Behaviour, Launch, Target, wait_until};

/// A monitor and `count` services on two hosts; the targets must be kept alive.
fn watched(hosts: &Hosts, launch: &Launch, count: usize) -> (App, Vec<Target>) {
    hosts.enter_targets();
    let targets: Vec<Target> =
        (0..count).map(|_| Target::start_at("0.0.0.0", Behaviour::Status(200))).collect();
    hosts.enter_monitor();
    let app = launch.start();
    for (nth, target) in targets.iter().enumerate() {
        let url = format!("http://{}:{}/", hosts.target_address(), target.port());
        app.add(&format!("service-{nth}"), &url);
    }
    for id in 1..=count as i64 {
        app.wait_for_state(id, "up");
    }
    (app, targets)
}

fn launch() -> Launch {
    Launch::new()
        .with("SELF_CHECK_TARGETS", "tcp://10.231.8.2:1")
        .with("SELF_CHECK_WINDOW_SECONDS", "1")
        .with("RUNNER_HTTP_TIMEOUT_SECONDS", "3")
}

fn events(app: &App, id: i64) -> Vec<String> {
    let events = app.get(&format!("/v1/services/{id}/events"));
    let words = events.list("events").iter().rev();
    words.map(|event| event["event"].as_str().unwrap().to_owned()).collect()
}

fn assert_one_gap(app: &App, count: i64) {
    for id in 1..=count {
        let service: Value = app.wait_for_state(id, "up");
        assert_eq!(events(app, id), ["uptime", "unknown", "uptime"], "service {id}");
        let metric = &service["metric"]["data"];
        assert_eq!(metric["down_count"], 0, "service {id}");
        assert!(metric["unknown_count"].as_u64().unwrap() > 0, "service {id}");
    }
    assert_eq!(app.log().matches("the local network is down").count(), 1, "{}", app.log());
    app.db().assert_consistent();
}

#[test]
fn a_removed_route_is_one_gap_and_no_downtime() {
    let Some(hosts) = Hosts::new("route") else { return };
    let (app, _targets) = watched(&hosts, &launch(), 5);
    hosts.remove_route();
    for id in 1..=5 {
        app.wait_for_state(id, "unknown");
    }
    assert_eq!(app.metric("service_healthcheck_cut_off"), Some(1.0));
    let unknown = app.get("/v1/services?status=unknown");
    assert_eq!(unknown.list("services").len(), 5);
    hosts.restore_route();
    app.wait_for_log("the local network is up again");
    assert_one_gap(&app, 5);
}

#[test]
fn the_wait_for_a_heartbeat_begins_anew_once_the_network_is_up_again() {
    const PATIENCE: Duration = Duration::from_secs(12);
    let Some(hosts) = Hosts::new("beat") else { return };
    let (app, _targets) = watched(&hosts, &launch(), 3);
    let job = app.add_with(&json!({
        "name": "job", "url": "push://job", "interval_seconds": 3,
        "heartbeat": {"token": "token-of-the-job", "grace_seconds": 9}
    }));
    let last = Instant::now();
    let beat = format!("/v1/services/{job}/heartbeat?token=token-of-the-job");
    assert_eq!(app.request("POST", &beat, &[], "").status, 200);
    hosts.remove_route();
    app.wait_for_log("the local network is down");
    hosts.restore_route();
    app.wait_for_log("the local network is up again");
    // It would be late by now, and a second later its failure would stand.
    wait_until("the old wait to end", || last.elapsed() > PATIENCE + Duration::from_secs(2));
    assert_eq!(app.service(job)["state"], "up", "{}", app.log());
}

#[test]
fn a_network_that_silently_loses_all_packets_is_one_gap_and_no_downtime() {
    let Some(hosts) = Hosts::new("silent") else { return };
    let (app, _targets) = watched(&hosts, &launch(), 5);
    hosts.cut_link();
    for id in 1..=5 {
        app.wait_for_state(id, "unknown");
    }
    hosts.restore_link();
    app.wait_for_log("the local network is up again");
    assert_one_gap(&app, 5);
}

#[test]
fn a_dead_target_is_down_while_a_canary_answers() {
    let Some(hosts) = Hosts::new("target") else { return };
    let (app, _targets) = watched(&hosts, &launch(), 2);
    // No host has this address.
    let id = app.add("gone", "http://10.231.7.77/");
    let service = app.wait_for_state(id, "down");
    let reason = service["current_status"]["failure"]["reason"].as_str().unwrap().to_owned();
    assert!(["connect_timeout", "unreachable"].contains(&reason.as_str()), "{reason}");
    assert!(!app.log().contains("the local network is down"));
}

#[test]
fn without_configured_canaries_the_gateway_is_probed() {
    let Some(hosts) = Hosts::new("gateway") else { return };
    let launch = launch().with("SELF_CHECK_TARGETS", "");
    let (app, _targets) = watched(&hosts, &launch, 3);
    hosts.cut_link();
    for id in 1..=3 {
        app.wait_for_state(id, "unknown");
    }
    hosts.restore_link();
    wait_until("the services to be up", || (1..=3).all(|id| app.service(id)["state"] == "up"));
    assert_one_gap(&app, 3);
}

fn canary(urls: &str) -> Launch {
    Launch::new().with("SELF_CHECK_TARGETS", urls)
}

/// A monitor with these canaries and this window, and `count` services that are up on the other
/// host.
fn far(hosts: &Hosts, urls: &str, window: u32, count: usize) -> (App, Vec<Target>) {
    hosts.enter_targets();
    let start = |_| Target::start_at("0.0.0.0", Behaviour::Status(200));
    let targets: Vec<_> = (0..count).map(start).collect();
    hosts.enter_monitor();
    let launch = canary(urls).with("RUNNER_HTTP_TIMEOUT_SECONDS", "3");
    let app = launch.with("SELF_CHECK_WINDOW_SECONDS", window).start();
    for target in &targets {
        let url = format!("http://{}:{}/", hosts.target_address(), target.port());
        let id = app.add(&format!("on-{}", target.port()), &url);
        app.wait_for_state(id, "up");
    }
    (app, targets)
}

#[test]
fn a_canary_that_never_answers_hides_no_dead_target() {
    let Some(hosts) = Hosts::new("deaf") else { return };
    let (app, _targets) = far(&hosts, "tcp://10.231.7.77:1", 1, 8);
    app.wait_for_state(app.add("dead", "http://10.231.7.78/"), "down");
    assert_eq!(app.metric("service_healthcheck_cut_off"), Some(0.0));
    let success = "probe_success{service_id=\"1\"";
    assert_eq!(app.metric(success), Some(1.0));
    hosts.remove_route();
    app.wait_for_state(1, "unknown");
    wait_until("an unknown service to have no probe_success", || app.metric(success).is_none());
}

#[test]
fn a_network_loss_at_shutdown_is_a_gap_and_no_downtime() {
    let Some(hosts) = Hosts::new("end") else { return };
    let (app, _targets) = far(&hosts, "tcp://10.231.8.2:1", 10, 3);
    hosts.cut_link();
    let failed = "service_healthcheck_probes_total{result=\"down\",reason=\"connect_timeout\"}";
    app.wait_for_metric(failed, 3.0);
    let db = app.db();
    app.stop();
    assert_eq!(db.number("SELECT count(*) FROM service_events WHERE event = 'downtime'"), 0);
    assert_eq!(db.number("SELECT count(*) FROM service_events WHERE event = 'unknown'"), 3);
    db.assert_consistent();
}
