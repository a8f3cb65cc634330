//! The pool of probers: how many probes run at once, in which order, and that time in the queue is
//! not measured.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Behaviour, Launch, Target, ensure, retry_while_busy, wait_for, wait_until};

#[test]
fn no_more_probes_run_at_once_than_the_pool_has_slots() {
    let app = Launch::new().with("RUNNER_POOL_SIZE", 3).start();
    let target = Target::start(Behaviour::After(Duration::from_millis(100)));
    for name in 0..12 {
        app.add(&name.to_string(), &target.url());
    }
    // Twelve services at 0.2 s ask for 60 probes a second; three slots of 0.1 s give 30.
    app.wait_for_metric("service_healthcheck_probes_missed_total{reason=\"late\"}", 5.0);
    app.wait_for_metric("service_healthcheck_outcomes_total{result=\"recorded\"}", 30.0);
    wait_until("all slots to be busy", || target.max_concurrent() >= 3);
    assert_eq!(target.max_concurrent(), 3);
    let list = app.get("/v1/services?status=down");
    assert!(list.list("services").is_empty(), "a missed slot is never down: {}", list.text);
}

#[test]
fn a_service_is_never_probed_twice_at_once() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::After(Duration::from_millis(700)));
    let id = app.add("slow", &target.url());
    let service = app.wait_for_ticks(id, 3);
    assert_eq!(target.max_concurrent(), 1);
    assert_eq!(service["state"], "up");
    app.wait_for_metric("service_healthcheck_probes_missed_total{reason=\"busy\"}", 3.0);
}

#[test]
fn hung_targets_do_not_delay_healthy_ones() {
    let app = Launch::new().with("RUNNER_POOL_SIZE", 64).start();
    let (hung, healthy) = (Target::start(Behaviour::Hung), Target::healthy());
    for nth in 0..50 {
        let name = format!("hung-{nth}");
        app.add_with(&json!({"name": name, "url": hung.url(), "timeout_seconds": 1_000}));
    }
    let id = app.add("healthy", &healthy.url());
    // Long before the first of the hung probes ends.
    let service = app.wait_for_ticks(id, 10);
    assert_eq!(service["metric"]["data"]["down_count"], 0);
}

#[test]
fn hung_targets_starve_no_other_service_and_become_down_themselves() {
    let app = Launch::new()
        .with("RUNNER_POOL_SIZE", 4)
        .with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.5")
        .start();
    let (healthy, hung) = (Target::healthy(), Target::start(Behaviour::Hung));
    let add_hung = |nth| {
        let name = format!("hung-{nth}");
        app.add_with(&json!({"name": name, "url": hung.url(), "timeout_seconds": 3}))
    };
    let hanging: Vec<i64> = (0..40).map(add_hung).collect();
    let id = app.add("healthy", &healthy.url());
    app.wait_for_metric("service_healthcheck_probes_missed_total{reason=\"preempted\"}", 10.0);
    wait_for("a hung service to be down", || {
        hanging.iter().find(|id| app.service(**id)["state"] == "down").copied()
    });
    let service = app.wait_for_ticks(id, 1);
    let before = service["metric"]["data"]["tick_count"].as_u64().unwrap();
    let started = Instant::now();
    let service = app.wait_for_ticks(id, before + 10);
    // Five seconds. In one queue with the hung services, each tick would wait for 40 timeouts in 4
    // slots: 300 s in all.
    assert!(started.elapsed() < Duration::from_secs(100), "{:?}", started.elapsed());
    assert_eq!(service["state"], "up");
    let down = app.get("/v1/services?status=down&reason=timeout");
    assert!(!down.list("services").is_empty(), "{}", down.text);
}

#[test]
fn time_in_the_queue_is_not_part_of_the_response_time() {
    const DELAY: Duration = Duration::from_millis(50);
    // 32 services at 0.2 s and 50 ms each need 8 slots; with 6 of them, a probe waits 150 ms and
    // more in the queue.
    let app = Launch::new().with("RUNNER_POOL_SIZE", 6).start();
    let target = Target::start(Behaviour::After(DELAY));
    for name in 0..32 {
        app.add(&name.to_string(), &target.url());
    }
    app.wait_for_metric("service_healthcheck_slots_waiting", 10.0);
    let db = app.db();
    let newest = || db.number("SELECT coalesce(max(id), 0) FROM service_ticks");
    retry_while_busy(|| {
        let since = newest();
        // The control: the same request from this process, beside the same load.
        let mut control_us: Vec<u128> = (0..30)
            .map(|_| {
                let started = Instant::now();
                ureq::get(target.url()).call().unwrap();
                started.elapsed().as_micros()
            })
            .collect();
        control_us.sort_unstable();
        let ticks = format!("FROM service_ticks WHERE id > {since}");
        wait_until("ticks beside the control", || {
            db.number(&format!("SELECT count(*) {ticks}")) >= 100
        });
        let quartile_us = db.number(&format!(
            "SELECT 1000 * response_time_ms {ticks} ORDER BY response_time_ms \
             LIMIT 1 OFFSET (SELECT count(*) / 4 {ticks})"
        ));
        let least_us = db.number(&format!("SELECT min(1000 * response_time_ms) {ticks}"));
        assert!(least_us >= DELAY.as_micros() as i64, "{least_us} µs for a delay of {DELAY:?}");
        let control_us = control_us[control_us.len() / 4] as i64;
        ensure(quartile_us < control_us + 25_000, || {
            format!("{quartile_us} µs, control {control_us} µs")
        })
    });
}

#[test]
fn four_hung_services_leave_a_pool_of_one_to_a_healthy_service() {
    let app = Launch::new().with("RUNNER_POOL_SIZE", 1).start();
    let (hung, healthy) = (Target::start(Behaviour::Hung), Target::healthy());
    for nth in 0..4 {
        // Longer than this test waits.
        let name = format!("hung-{nth}");
        app.add_with(&json!({"name": name, "url": hung.url(), "timeout_seconds": 600}));
    }
    let id = app.add("healthy", &healthy.url());
    let service = app.wait_for_ticks(id, 10);
    assert_eq!(service["metric"]["data"]["down_count"], 0);
    let preempted = "service_healthcheck_probes_missed_total{reason=\"preempted\"}";
    assert!(app.metric(preempted) > Some(3.0));
}

#[test]
fn a_result_of_a_probe_that_began_before_a_change_is_neither_tick_nor_event() {
    let app = Launch::new().start();
    let (hung, healthy) = (Target::start(Behaviour::Hung), Target::healthy());
    let id = app.add_with(&json!({"name": "a", "url": hung.url(), "timeout_seconds": 3}));
    wait_until("the probe to hang", || hung.request_count() > 0);
    app.change(id, &json!({"url": healthy.url()}));
    let service = app.wait_for_state(id, "up");
    assert_eq!(service["metric"]["data"]["down_count"], 0, "{service}");
    assert_eq!(app.get(&format!("/v1/services/{id}/events")).list("events").len(), 1);
    let outdated = "service_healthcheck_outcomes_total{result=\"outdated\"}";
    assert_eq!(app.metric(outdated), Some(1.0));

    // A new name makes no result outdated.
    app.change(id, &json!({"name": "b"}));
    let ticks = app.service(id)["metric"]["data"]["tick_count"].as_u64().unwrap();
    app.wait_for_ticks(id, ticks + 5);
    assert_eq!(app.metric(outdated), Some(1.0));
}
