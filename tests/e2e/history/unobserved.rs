//! Services that cannot be probed or recorded by a fault of the monitor are unknown, not up.

use std::fs;

use serde_json::Value;

use crate::support::{
    App, Authority, Behaviour, Launch, Store, Target, stores, wait_for, wait_until,
};

stores!(
    a_service_that_cannot_be_probed_is_unknown_from_its_last_result_on,
    dropped_results_are_unknown_and_hide_no_downtime,
    probes_that_are_never_made_are_unknown,
);

/// The events of a service, oldest first.
fn events(app: &App, id: i64) -> Vec<Value> {
    let mut events =
        app.get(&format!("/v1/services/{id}/events?limit=1000")).list("events").to_vec();
    events.reverse();
    events
}

fn has_gauge(app: &App) -> bool {
    app.metric("probe_success{").is_some()
}

fn a_service_that_cannot_be_probed_is_unknown_from_its_last_result_on(store: Store) {
    let authority = Authority::new();
    let file = "endpoints:\n\
        \x20 - name: secure\n\
        \x20   url: https://127.0.0.1:PORT/\n\
        \x20   client: {timeout: 1s, tls: {ca-file: ca.pem}}\n";
    let port = authority.serve("127.0.0.1", false);
    let launch = Launch::on(store).with_services_file(&file.replace("PORT", &port.to_string()));
    let pem = fs::read_to_string(authority.file()).unwrap();
    let ca_file = launch.write_file("ca.pem", &pem);
    let app = launch.start();
    app.wait_for_state(1, "up");
    app.wait_until_ready();
    assert!(has_gauge(&app));

    fs::remove_file(&ca_file).unwrap();
    let unknown = app.wait_for_state(1, "unknown");
    assert_eq!(unknown["current_status"]["failure"]["reason"], "local_config", "{unknown}");
    let not_ready = wait_for("ready to be 503", || {
        Some(app.get("/v1/_internal/ready")).filter(|reply| reply.status == 503)
    });
    assert_eq!(not_ready.errors(), "probes: 1 of 1 services cannot be probed: local_config");
    wait_until("the gauge to disappear", || !has_gauge(&app));
    let gauge = "service_healthcheck_services_unobserved{reason=\"local_config\"}";
    app.wait_for_metric(gauge, 1.0);
    assert_eq!(app.service(1)["metric"]["data"]["down_count"], 0);

    launch.write_file("ca.pem", &pem);
    app.wait_for_state(1, "up");
    app.wait_until_ready();
    wait_until("the service to be observed", || app.metric(gauge) == Some(0.0));
    assert!(has_gauge(&app));
    let events = events(&app, 1);
    let states: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(states, ["uptime", "unknown", "uptime"]);
    app.wait_for_log("service is probed again");
    let db = app.db();
    let log = app.stop();
    let lines = log.matches("service cannot be probed and is unknown").count();
    assert_eq!(lines, 1, "logged once:\n{log}");
    // The hole begins with the last result.
    let from_ms = db.number("SELECT date_started_ms FROM service_events WHERE event = 'unknown'");
    let before =
        format!("SELECT max(created_at_ms) FROM service_ticks WHERE created_at_ms <= {from_ms}");
    assert_eq!(db.number(&before), from_ms);
    db.assert_consistent();
}

#[test]
fn a_service_that_could_never_be_probed_is_unknown_with_its_reason() {
    let app = Launch::new()
        .with("RUNNER_HTTP_TIMEOUT_SECONDS", "0.5")
        .with("FAILPOINTS", "probe=panic(injected)")
        .start();
    let id = app.add("a", "http://127.0.0.1:1/");
    let service = app.wait_for_state(id, "unknown");
    assert_eq!(service["current_status"]["failure"]["reason"], "local_fault", "{service}");
    assert_eq!(service["metric"], Value::Null, "no result so far");
    app.stop();
}

fn dropped_results_are_unknown_and_hide_no_downtime(store: Store) {
    let launch = Launch::on(store)
        .with("RECORDER_BUFFER_LIMIT", 2)
        .with("RUNNER_HTTP_TIMEOUT_SECONDS", "0.5");
    let app = launch.start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_ticks(id, 2);

    let db = app.db();
    let lock = db.lock();
    let dropped = "service_healthcheck_outcomes_total{result=\"dropped\"}";
    app.wait_for_metric(dropped, 1.0);
    target.set_behaviour(Behaviour::Status(500));
    let down = "service_healthcheck_probes_total{result=\"down\",reason=\"status\"}";
    app.wait_for_metric(down, 10.0);
    target.set_behaviour(Behaviour::Status(200));
    let probes = target.request_count();
    wait_until("probes after the outage", || target.request_count() > probes + 10);
    drop(lock);
    let hole = wait_for("an unknown event that has ended", || {
        let of_reason = |event: &Value| {
            event["failure"]["reason"] == "dropped" && !event["date_ended"].is_null()
        };
        events(&app, id).into_iter().find(of_reason)
    });
    assert_eq!(hole["event"], "unknown");
    app.wait_for_state(id, "up");
    app.stop();
    let span = "FROM service_events WHERE failure = 'dropped'";
    let hole_ms = db.number(&format!("SELECT date_ended_ms - date_started_ms {span}"));
    assert!(hole_ms > 2_000, "20 probes 0.2 s apart were dropped: {hole_ms} ms");
    let ticks_inside = db.number(&format!(
        "SELECT count(*) FROM service_ticks, (SELECT date_started_ms b, date_ended_ms e {span}) h \
         WHERE created_at_ms >= b AND created_at_ms < e"
    ));
    assert_eq!(ticks_inside, 0, "no result is within the hole");
    db.assert_consistent();
}

fn probes_that_are_never_made_are_unknown(store: Store) {
    let target = Target::healthy();
    for (fault, reason) in [
        ("prober=3*off->panic(injected)", "missed"),
        ("probe=3*off->panic(injected)", "local_fault"),
    ] {
        let app = Launch::on(store)
            .with("RUNNER_HTTP_TIMEOUT_SECONDS", "0.5")
            .with("FAILPOINTS", fault)
            .start();
        let id = app.add("a", &target.url());
        let service = app.wait_for_state(id, "unknown");
        assert_eq!(service["current_status"]["failure"]["reason"], reason, "{service}");
        assert_eq!(service["metric"]["data"]["down_count"], 0);
        app.stop();
    }
}
