//! A wall clock that is set while the program runs, or between two runs.

use std::time::{Duration, Instant};

use service_healthcheck::clock::unix_ms;

use crate::support::{App, Behaviour, Launch, Store, Target, stores};

stores!(
    a_clock_that_is_ahead_for_a_while_hides_no_outage,
    an_outage_during_which_the_clock_is_set_right_keeps_its_length,
    a_start_behind_the_store_continues_from_now,
);

const HOUR_MS: i64 = 3_600_000;

/// A program whose wall clock is ahead of that of the machine by as much as this file says.
fn launch(store: Store, ahead_ms: i64) -> Launch {
    let launch = Launch::on(store).with("FAILPOINTS_CLOCK_OFFSET_FILE", "clock");
    set_clock(&launch, ahead_ms);
    launch
}

fn set_clock(launch: &Launch, ahead_ms: i64) {
    launch.write_file("clock", &ahead_ms.to_string());
}

fn assert_nothing_lies_ahead(app: &App) {
    let db = app.db();
    for newest in [
        "max(date_started_ms) FROM service_events",
        "max(date_ended_ms) FROM service_events",
        "max(created_at_ms) FROM fresh_ticks",
        "max(at_ms) FROM liveness",
    ] {
        let newest_ms = db.number(&format!("SELECT coalesce((SELECT {newest}), 0)"));
        let now_ms = unix_ms();
        assert!(newest_ms <= now_ms, "{newest}: {newest_ms}, now {now_ms}");
    }
    db.assert_consistent();
}

/// Length of the only event of this kind, in seconds.
fn length(app: &App, event: &str) -> f64 {
    let query = format!(
        "SELECT date_ended_ms - date_started_ms FROM service_events WHERE event = '{event}'"
    );
    let lengths = app.db().texts(&query);
    assert_eq!(lengths.len(), 1, "{event}: {lengths:?}");
    lengths[0].parse::<f64>().unwrap() / 1e3
}

fn a_clock_that_is_ahead_for_a_while_hides_no_outage(store: Store) {
    let launch = launch(store, 0);
    let app = launch.start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_ticks(id, 2);
    let ahead = Instant::now();
    set_clock(&launch, HOUR_MS);
    app.wait_for_log("the clock was set forward");
    app.wait_for_state(id, "up");
    set_clock(&launch, 0);
    let ahead = ahead.elapsed().as_secs_f64();
    app.wait_for_log("the wall clock was set back");
    target.set_behaviour(Behaviour::Status(500));
    app.wait_for_state(id, "down");
    assert_nothing_lies_ahead(&app);
    let events = app.get(&format!("/v1/services/{id}/events"));
    let events: Vec<_> = events.list("events").iter().map(|event| event["event"].clone()).collect();
    assert_eq!(events, ["downtime", "uptime", "unknown", "uptime"]);
    assert!(length(&app, "unknown") <= ahead + 0.1, "{} s in {ahead} s", length(&app, "unknown"));
}

fn an_outage_during_which_the_clock_is_set_right_keeps_its_length(store: Store) {
    let launch = launch(store, HOUR_MS);
    let app = launch.start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_state(id, "up");
    let longest = Instant::now();
    target.set_behaviour(Behaviour::Status(500));
    app.wait_for_state(id, "down");
    let shortest = Instant::now();
    std::thread::sleep(Duration::from_secs(1));
    set_clock(&launch, 0);
    app.wait_for_log("the wall clock was set back");
    assert_nothing_lies_ahead(&app);
    target.set_behaviour(Behaviour::Status(200));
    let shortest = shortest.elapsed().as_secs_f64();
    app.wait_for_state(id, "up");
    let longest = longest.elapsed().as_secs_f64();
    let outage = length(&app, "downtime");
    assert!((shortest - 0.1..longest + 0.1).contains(&outage), "{shortest} {outage} {longest}");
    assert_nothing_lies_ahead(&app);
}

fn a_start_behind_the_store_continues_from_now(store: Store) {
    let launch = launch(store, HOUR_MS);
    let app = launch.start();
    let target = Target::start(Behaviour::Status(500));
    let id = app.add("a", &target.url());
    app.wait_for_state(id, "down");
    app.stop();
    set_clock(&launch, 0);
    let app = launch.start();
    app.wait_for_log("the wall clock is behind the store");
    assert_nothing_lies_ahead(&app);
    app.wait_for_state(id, "down");
    target.set_behaviour(Behaviour::Status(200));
    app.wait_for_state(id, "up");
    let events = app.get(&format!("/v1/services/{id}/events"));
    let events: Vec<_> = events.list("events").iter().map(|event| event["event"].clone()).collect();
    assert_eq!(events, ["uptime", "downtime", "unknown", "downtime"], "it tells of the gap");
    assert_nothing_lies_ahead(&app);
}
