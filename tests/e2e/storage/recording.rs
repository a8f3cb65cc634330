//! What is recorded stays consistent, whatever happens to the process or the file.

use std::time::Duration;

use crate::support::{Behaviour, Launch, Target, go_database};

#[test]
fn after_kill_9_at_any_moment_counts_means_and_events_agree_with_the_ticks() {
    let launch = Launch::new().with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.1");
    let (steady, flapping) = (Target::healthy(), Target::healthy());
    let mut app = launch.start();
    for name in 0..20 {
        app.add(&format!("steady-{name}"), &steady.url());
        app.add(&format!("flapping-{name}"), &flapping.url());
    }
    let mut ticks = 0;
    for cycle in 0..8u32 {
        let behaviour = if cycle % 2 == 0 { 503 } else { 200 };
        flapping.becomes(Behaviour::Status(behaviour));
        let least = 40.0 + 13.0 * f64::from(cycle);
        app.wait_for_metric("service_healthcheck_outcomes_total{result=\"recorded\"}", least);
        // Not in step with the commits, so that each cycle kills at another moment of one.
        std::thread::sleep(Duration::from_millis(u64::from(37 * cycle % 190)));
        let db = app.db();
        app.kill();
        app = launch.start();
        db.assert_consistent();
        let now = db.number("SELECT count(*) FROM service_ticks");
        assert!(now > ticks, "committed ticks stay: {now} after {ticks}");
        ticks = now;
    }
    app.stop();
}

#[test]
fn a_restart_goes_on_where_the_last_run_ended() {
    let launch = Launch::new();
    let target = Target::healthy();
    let app = launch.start();
    let id = app.add("a", &target.url());
    let before = app.wait_for_ticks(id, 3);
    app.stop();
    let app = launch.start();
    let ticks = before["metric"]["data"]["tick_count"].as_u64().unwrap();
    let after = app.wait_for_ticks(id, ticks + 3);
    assert_eq!(after["current_status"]["event"], "uptime");
    assert_ne!(
        after["current_status"]["id"], before["current_status"]["id"],
        "the stop lies between"
    );
    app.db().assert_consistent();
}

#[test]
fn a_failed_tick_keeps_its_reason_and_status() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::Status(503));
    let id = app.add("a", &target.url());
    app.wait_for_ticks(id, 1);
    let db = app.db();
    assert_eq!(db.words("SELECT failure FROM service_ticks LIMIT 1"), ["status"]);
    assert_eq!(db.number("SELECT http_status FROM service_ticks LIMIT 1"), 503);
    let seconds = db.number("SELECT created_at FROM service_ticks LIMIT 1");
    assert_eq!(seconds, db.number("SELECT created_at_ms / 1000 FROM service_ticks LIMIT 1"));
}

#[test]
fn a_second_process_on_the_same_file_is_refused_by_name() {
    let launch = Launch::new();
    let app = launch.start();
    let (code, said) = launch.run_to_end();
    assert_eq!(code, Some(1));
    let holder =
        format!("in use by another service-healthcheck (pid {})", app.pid().as_raw_nonzero());
    assert!(said.contains("db.db") && said.contains(&holder), "{said}");
    assert_eq!(app.get("/v1/_internal/ready").status, 200, "the first goes on");
}

#[test]
fn a_damaged_or_foreign_file_is_refused_and_left_as_it_is() {
    let launch = Launch::new();
    let file = launch.folder().join("db.db");
    launch.start().stop();
    let good = std::fs::read(&file).unwrap();
    let go_db = std::fs::read(go_database()).unwrap();
    let mut torn = good.clone();
    torn[8_192..12_288].fill(0xa5);
    for (what, bytes, told) in [
        ("torn", torn, "is damaged"),
        ("cut off", good[..good.len() / 2].to_vec(), "is damaged"),
        ("a text", b"dear diary".to_vec(), "not an SQLite file"),
        ("the seed's", go_db, "import go-db"),
    ] {
        std::fs::write(&file, &bytes).unwrap();
        let (code, said) = launch.run_to_end();
        assert_eq!(code, Some(1), "{what}: {said}");
        assert!(said.contains(told) && said.contains("db.db"), "{what}: {said}");
        assert!(std::fs::read(&file).unwrap() == bytes, "{what}: the file was changed");
    }
    std::fs::write(&file, good).unwrap();
    launch.start().stop();
}
