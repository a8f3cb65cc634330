//! A process that stalls: no verdict, no catching up, one gap.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Behaviour, Launch, Target, wait_for};

#[test]
fn a_process_that_stood_still_blames_nobody() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::After(Duration::from_millis(150)));
    for name in 0..8 {
        let body = json!({"name": name.to_string(), "url": target.url(), "timeout_seconds": 0.8});
        app.add_with(&body);
    }
    app.wait_for_ticks(8, 2);
    for _ in 0..3 {
        app.signal(Signal::STOP);
        std::thread::sleep(Duration::from_secs(1));
        app.signal(Signal::CONT);
        let recorded =
            app.metric("service_healthcheck_outcomes_total{result=\"recorded\"}").unwrap();
        app.wait_for_metric(
            "service_healthcheck_outcomes_total{result=\"recorded\"}",
            recorded + 16.0,
        );
    }
    let down = "service_healthcheck_probes_total{result=\"down\",reason=\"timeout\"}";
    assert_eq!(app.metric(down), Some(0.0), "{}", app.log());
}

#[test]
fn a_process_that_stood_still_catches_up_on_nothing() {
    let app = Launch::new().start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_ticks(id, 2);
    app.signal(Signal::STOP);
    let before = target.hits();
    std::thread::sleep(Duration::from_secs(3));
    app.signal(Signal::CONT);
    app.wait_for_metric("service_healthcheck_probes_missed_total{reason=\"skipped\"}", 10.0);
    assert!(target.hits() - before <= 3, "no storm: {} probes", target.hits() - before);
    assert_eq!(app.service(id)["state"], "up");
}

#[test]
fn a_long_standstill_is_a_gap() {
    let app = Launch::new().with("RUNNER_HTTP_TIMEOUT_SECONDS", "30").start();
    // Of the slow one, a probe is nearly always under way.
    let (quick, slow) =
        (Target::healthy(), Target::start(Behaviour::After(Duration::from_millis(400))));
    let ids = [app.add("quick", &quick.url()), app.add("slow", &slow.url())];
    for id in ids {
        app.wait_for_ticks(id, 2);
    }
    app.signal(Signal::STOP);
    std::thread::sleep(Duration::from_secs(12));
    app.signal(Signal::CONT);
    for id in ids {
        let events = wait_for("the gap to be noted and to end", || {
            let events = app.get(&format!("/v1/services/{id}/events")).list("events").to_vec();
            (events.len() >= 3).then_some(events)
        });
        let words: Vec<&str> = events.iter().map(|it| it["event"].as_str().unwrap()).collect();
        assert_eq!(words, ["uptime", "unknown", "uptime"]);
        let at = |key: &str| events[1][key].as_i64().unwrap();
        assert!((11..=16).contains(&(at("date_ended") - at("date_started"))), "{events:?}");
    }
    app.db().assert_consistent();
}
