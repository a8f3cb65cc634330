//! The pool of probers: how many probes run at once, in which order, and that queueing is not measured.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Behaviour, Launch, Target, wait_for};

#[test]
fn never_more_probes_at_once_than_the_pool_has_slots() {
    let app = Launch::new().with("RUNNER_POOL_SIZE", 3).start();
    let target = Target::start(Behaviour::After(Duration::from_millis(100)));
    for name in 0..12 {
        app.add(&name.to_string(), &target.url());
    }
    // Twelve services at 0.2 s ask for 60 probes a second; three slots of 0.1 s give 30.
    app.wait_for_metric("service_healthcheck_probes_missed_total{reason=\"late\"}", 5.0);
    app.wait_for_metric("service_healthcheck_outcomes_total{result=\"recorded\"}", 30.0);
    assert_eq!(target.most_at_once(), 3);
    let list = app.get("/v1/services?status=down");
    assert!(list.list("services").is_empty(), "a missed slot is never down: {}", list.text);
}

#[test]
fn a_service_is_never_probed_twice_at_once() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::After(Duration::from_millis(700)));
    let id = app.add("slow", &target.url());
    let service = app.wait_for_ticks(id, 3);
    assert_eq!(target.most_at_once(), 1);
    assert_eq!(service["state"], "up");
    assert!(app.metric("service_healthcheck_probes_missed_total{reason=\"busy\"}").unwrap() >= 3.0);
}

#[test]
fn hung_targets_do_not_hold_up_healthy_ones() {
    let app = Launch::new().with("RUNNER_POOL_SIZE", 64).start();
    let (hung, healthy) = (Target::start(Behaviour::Hung), Target::healthy());
    for nth in 0..50 {
        let name = format!("hung-{nth}");
        app.add_with(&json!({"name": name, "url": hung.url(), "timeout_seconds": 30}));
    }
    let id = app.add("healthy", &healthy.url());
    let started = Instant::now();
    let service = app.wait_for_ticks(id, 10);
    assert!(started.elapsed() < Duration::from_secs(10), "ten slots of 0.2 s");
    assert_eq!(service["metric"]["data"]["down_count"], 0);
}

#[test]
fn hung_targets_starve_nobody_and_are_told_as_down_in_their_own_time() {
    let app = Launch::new()
        .with("RUNNER_POOL_SIZE", 4)
        .with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.5")
        .with("RUNNER_HTTP_TIMEOUT_SECONDS", "3")
        .start();
    let (healthy, hung) = (Target::healthy(), Target::start(Behaviour::Hung));
    let hanging: Vec<i64> =
        (0..40).map(|nth| app.add(&format!("hung-{nth}"), &hung.url())).collect();
    let id = app.add("healthy", &healthy.url());
    app.wait_for_metric("service_healthcheck_probes_missed_total{reason=\"gave_way\"}", 10.0);
    wait_for("a hung service to be down", || {
        hanging.iter().find(|id| app.service(**id)["state"] == "down").copied()
    });
    let service = app.wait_for_ticks(id, 1);
    let before = service["metric"]["data"]["tick_count"].as_u64().unwrap();
    let started = Instant::now();
    let service = app.wait_for_ticks(id, before + 10);
    // Five seconds; in one line with the others, each tick would take half a minute.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(service["state"], "up");
    let down = app.get("/v1/services?status=down&reason=timeout");
    assert!(!down.list("services").is_empty(), "{}", down.text);
}

#[test]
fn the_response_time_is_the_targets_and_not_ours() {
    // 32 services of 50 ms at 0.2 s want 8 slots; with 6 the pool is always busy and jobs wait in line.
    let app = Launch::new().with("RUNNER_POOL_SIZE", 6).start();
    let target = Target::start(Behaviour::After(Duration::from_millis(50)));
    for name in 0..32 {
        app.add(&name.to_string(), &target.url());
    }
    app.wait_for_metric("service_healthcheck_outcomes_total{result=\"recorded\"}", 300.0);
    assert!(app.metric("service_healthcheck_slots_waiting").is_some());
    let db = app.db();
    let median = "SELECT 1000 * response_time_ms FROM service_ticks ORDER BY response_time_ms \
                  LIMIT 1 OFFSET (SELECT count(*) / 2 FROM service_ticks)";
    let median_us = db.number(median);
    assert!((50_000..52_000).contains(&median_us), "{median_us} µs for a target of 50 ms");
}
