//! What is recorded of each probe.

use std::time::Duration;

use serde_json::json;

use crate::support::{Behaviour, Launch, Store, Target, stores};

stores!(
    a_failed_tick_has_its_reason_and_status,
    a_restart_continues_the_history,
    a_restart_within_an_interval_writes_no_event,
    one_inconsistent_row_does_not_affect_other_services,
);

fn a_failed_tick_has_its_reason_and_status(store: Store) {
    let app = Launch::on(store).start();
    let target = Target::start(Behaviour::Status(503));
    let id = app.add("a", &target.url());
    app.wait_for_ticks(id, 1);
    let db = app.db();
    assert_eq!(db.texts("SELECT failure FROM service_ticks LIMIT 1"), ["status"]);
    assert_eq!(db.number("SELECT http_status FROM service_ticks LIMIT 1"), 503);
    let seconds = db.number("SELECT created_at FROM service_ticks LIMIT 1");
    assert_eq!(seconds, db.number("SELECT created_at_ms / 1000 FROM service_ticks LIMIT 1"));
}

fn a_restart_continues_the_history(store: Store) {
    let launch = Launch::on(store);
    let target = Target::healthy();
    let app = launch.start();
    let id = app.add("a", &target.url());
    let before = app.wait_for_ticks(id, 3);
    app.stop();
    // Longer than the interval of 0.2 s.
    std::thread::sleep(Duration::from_millis(500));
    let app = launch.start();
    let ticks = before["metric"]["data"]["tick_count"].as_u64().unwrap();
    let after = app.wait_for_ticks(id, ticks + 3);
    assert_eq!(after["current_status"]["event"], "uptime");
    assert_ne!(
        after["current_status"]["id"], before["current_status"]["id"],
        "the stop ends the first event"
    );
    app.db().assert_consistent();
}

fn a_restart_within_an_interval_writes_no_event(store: Store) {
    let launch = Launch::on(store);
    let target = Target::healthy();
    let app = launch.start();
    let body = json!({"name": "a", "url": target.url(), "interval_seconds": 600});
    let id = app.add_with(&body);
    app.wait_for_ticks(id, 1);
    let event = app.service(id)["current_status"].clone();
    app.stop();
    let app = launch.start();
    assert_eq!(app.service(id)["current_status"], event, "before the next probe");
    assert_eq!(app.send("POST", &format!("/v1/services/{id}/probe"), &json!({})).status, 200);
    app.wait_for_ticks(id, 2);
    assert_eq!(app.service(id)["current_status"], event);
    assert_eq!(app.db().number("SELECT count(*) FROM service_events"), 1);
    assert!(!app.log().contains("did not run"), "{}", app.log());
    app.db().assert_consistent();
}

fn one_inconsistent_row_does_not_affect_other_services(store: Store) {
    let app = Launch::on(store).start();
    let target = Target::healthy();
    for name in 0..3 {
        app.add(&name.to_string(), &target.url());
    }
    app.wait_for_ticks(3, 2);
    let meddle =
        "DELETE FROM service_metrics WHERE service_id = 3; DELETE FROM services WHERE id = 3";
    let prefix = if store == Store::Sqlite { "PRAGMA foreign_keys = OFF;" } else { "" };
    app.db().execute(&format!("{prefix} {meddle}"));
    let ticks = app.service(1)["metric"]["data"]["tick_count"].as_u64().unwrap();
    let service = app.wait_for_ticks(1, ticks + 5);
    assert_eq!(service["state"], "up");
    app.wait_until_ready();
    app.wait_for_metric("service_healthcheck_outcomes_total{result=\"orphaned\"}", 1.0);
}
