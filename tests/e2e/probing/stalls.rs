//! A process that stalls: no verdict, no catching up, one gap.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Behaviour, Launch, Store, Target, stores, wait_for};

stores!(a_long_stall_is_a_gap,);

#[test]
fn a_stall_makes_no_target_down() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::After(Duration::from_millis(150)));
    for name in 0..8 {
        let body = json!({"name": name.to_string(), "url": target.url(), "timeout_seconds": 3});
        app.add_with(&body);
    }
    app.wait_for_ticks(8, 2);
    for _ in 0..3 {
        app.signal(Signal::STOP);
        std::thread::sleep(Duration::from_millis(3_500));
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
fn missed_slots_of_a_stall_are_skipped() {
    let app = Launch::new().start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_ticks(id, 2);
    app.signal(Signal::STOP);
    let before = target.request_count();
    std::thread::sleep(Duration::from_secs(3));
    let resumed = Instant::now();
    app.signal(Signal::CONT);
    app.wait_for_metric("service_healthcheck_probes_missed_total{reason=\"skipped\"}", 10.0);
    // One probe for each slot since then, and none for the 15 slots of the stall.
    let count = target.request_count() - before;
    let slots = (resumed.elapsed().as_secs_f64() / 0.2).ceil() as usize;
    assert!(count <= slots + 3, "{count} probes in {slots} slots");
    assert_eq!(app.service(id)["state"], "up");
}

fn a_long_stall_is_a_gap(store: Store) {
    let app = Launch::on(store).with("RUNNER_HTTP_TIMEOUT_SECONDS", "30").start();
    // A probe of the slow target is running nearly all the time.
    let (quick, slow) =
        (Target::healthy(), Target::start(Behaviour::After(Duration::from_millis(400))));
    let ids = [app.add("quick", &quick.url()), app.add("slow", &slow.url())];
    for id in ids {
        app.wait_for_ticks(id, 2);
    }
    let stopped = Instant::now();
    app.signal(Signal::STOP);
    std::thread::sleep(Duration::from_secs(12));
    app.signal(Signal::CONT);
    for id in ids {
        let events = wait_for("the gap to be recorded and to end", || {
            let events = app.get(&format!("/v1/services/{id}/events")).list("events").to_vec();
            (events.len() >= 3).then_some(events)
        });
        let words: Vec<&str> =
            events.iter().map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!(words, ["uptime", "unknown", "uptime"]);
        let at = |key: &str| events[1][key].as_i64().unwrap();
        // From the last liveness mark, at most 5 s before the stall, to the first result after it.
        let longest = stopped.elapsed().as_secs() as i64 + 6;
        assert!((11..=longest).contains(&(at("date_ended") - at("date_started"))), "{events:?}");
    }
    app.db().assert_consistent();
}
