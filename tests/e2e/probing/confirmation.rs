//! Failures are confirmed before they count, and services that flip too often are flapping.

use serde_json::json;

use crate::support::{Behaviour, Launch, Store, Target, stores, wait_for, wait_until};

stores!(
    a_failure_is_confirmed_by_quick_probes_and_starts_at_the_first,
    a_streak_survives_a_restart,
    a_service_that_changes_too_often_is_flapping_until_it_is_stable,
);

fn a_failure_is_confirmed_by_quick_probes_and_starts_at_the_first(store: Store) {
    let app = Launch::on(store).start();
    let target = Target::healthy();
    let id = app.add_with(&json!({
        "name": "a", "url": target.url(), "interval_seconds": 5,
        "failure_threshold": 3, "confirm_interval_seconds": 0.2
    }));
    app.wait_for_state(id, "up");
    let before = target.request_count();
    target.set_behaviour(Behaviour::Status(500));
    let down = app.wait_for_state(id, "down");
    assert_eq!(
        target.request_count() - before,
        3,
        "one scheduled probe and two confirmation probes"
    );
    let failed_at = |nth: u32| {
        let failed = "SELECT created_at_ms FROM service_ticks WHERE NOT is_up ORDER BY id";
        app.db().number(&format!("{failed} LIMIT 1 OFFSET {nth}"))
    };
    let (first, last) = (failed_at(0), failed_at(2));
    let began =
        app.db().number("SELECT date_started_ms FROM service_events WHERE event = 'downtime'");
    assert_eq!(began, first);
    // Two confirmation intervals of 0.2 s, and less than one whole interval.
    assert!((350..5_000).contains(&(last - first)), "{} ms", last - first);
    assert_eq!(down["failure_threshold"], 3);
    app.db().assert_consistent();
}

#[test]
fn an_unconfirmed_failure_is_a_tick_and_no_event() {
    let app = Launch::new().start();
    let target = Target::healthy();
    let id = app.add_with(&json!({
        "name": "a", "url": target.url(), "failure_threshold": 2, "confirm_interval_seconds": 30
    }));
    app.wait_for_state(id, "up");
    target.set_behaviour(Behaviour::OnceThen(500));
    let service = wait_for("a failed tick and one after it", || {
        let service = app.service(id);
        let metric = &service["metric"]["data"];
        let ticks = metric["tick_count"].as_u64()?;
        let failed = metric["down_count"] == 1;
        (failed && ticks > 4).then_some(service)
    });
    assert_eq!(service["state"], "up");
    let events = app.get(&format!("/v1/services/{id}/events"));
    assert_eq!(events.list("events").len(), 1, "{}", events.text);
    app.db().assert_consistent();
}

#[test]
fn a_service_is_up_again_after_as_many_successes_as_configured() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::Status(500));
    let body = json!({"name": "a", "url": target.url(), "success_threshold": 4});
    let id = app.add_with(&body);
    app.wait_for_state(id, "down");
    target.set_behaviour(Behaviour::Status(200));
    app.wait_for_state(id, "up");
    let late = "SELECT count(*) FROM service_ticks, (SELECT date_started_ms AS at FROM \
    service_events \
                WHERE event = 'uptime') WHERE is_up AND created_at_ms >= at";
    assert!(app.db().number(late) >= 4);
}

fn a_streak_survives_a_restart(store: Store) {
    let launch = Launch::on(store);
    let app = launch.start();
    let target = Target::healthy();
    let id = app.add_with(&json!({
        "name": "a", "url": target.url(), "interval_seconds": 1, "failure_threshold": 100
    }));
    app.wait_for_state(id, "up");
    target.set_behaviour(Behaviour::Status(500));
    wait_until("a streak", || {
        app.db().number("SELECT coalesce(max(streak_count), 0) FROM service_metrics") > 2
    });
    app.stop();
    let before = launch.db().number("SELECT coalesce(max(streak_count), 0) FROM service_metrics");
    let app = launch.start();
    wait_until("the streak to continue", || {
        app.db().number("SELECT coalesce(max(streak_count), 0) FROM service_metrics") > before
    });
    // Up when the restart took less than an interval, else unknown.
    assert_ne!(app.service(id)["state"], "down", "no failure is confirmed since the stop");
}

fn a_service_that_changes_too_often_is_flapping_until_it_is_stable(store: Store) {
    let app = Launch::on(store).with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1").start();
    let target = Target::start(Behaviour::Alternating(200, 500));
    let id = app.add("a", &target.url());
    wait_until("the service to be flapping", || app.service(id)["flapping"] == true);
    target.set_behaviour(Behaviour::Status(200));
    wait_until("the service to be stable", || app.service(id)["flapping"] == false);
    app.db().assert_consistent();
}
