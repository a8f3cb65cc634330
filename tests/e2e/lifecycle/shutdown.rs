//! Signals: stopping in order, and at once.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::{Behaviour, Launch, Target, wait_for};

#[test]
fn a_signal_lets_probes_under_way_finish_and_commits_everything() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut app = Launch::new().with("SHUTDOWN_GRACE_SECONDS", 10).start();
        let target = Target::start(Behaviour::After(Duration::from_millis(600)));
        for name in 0..8 {
            app.add(&name.to_string(), &target.url());
        }
        wait_for("eight probes under way", || (target.hits() == 8).then_some(()));
        app.signal(signal);
        assert_eq!(app.ended(), Some(0), "{}", app.log());
        let db = app.db();
        assert_eq!(db.number("SELECT count(*) FROM service_ticks WHERE is_up"), 8, "all eight");
        assert_eq!(db.number("SELECT count(*) FROM service_ticks WHERE NOT is_up"), 0);
        assert_eq!(target.hits(), 8, "no new probe started");
        db.assert_consistent();
    }
}

#[test]
fn a_probe_that_outlasts_the_grace_period_is_given_up_and_not_made_down() {
    let mut app = Launch::new().with("SHUTDOWN_GRACE_SECONDS", 2).start();
    let (hung, healthy) = (Target::start(Behaviour::Hung), Target::healthy());
    app.add_with(&json!({"name": "hung", "url": hung.url(), "timeout_seconds": 60}));
    let id = app.add("healthy", &healthy.url());
    app.wait_for_ticks(id, 2);
    wait_for("the hung probe to be under way", || (hung.hits() == 1).then_some(()));
    let started = Instant::now();
    app.signal(Signal::TERM);
    assert_eq!(app.ended(), Some(0), "{}", app.log());
    assert!(started.elapsed() < Duration::from_secs(2), "{:?} of 2 s", started.elapsed());
    app.wait_for_log("given up at the end of the grace period");
    let db = app.db();
    assert_eq!(db.number("SELECT count(*) FROM service_ticks WHERE NOT is_up"), 0);
    assert_eq!(db.number("SELECT count(*) FROM service_events WHERE event = 'downtime'"), 0);
    db.assert_consistent();
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut app = Launch::new().with("SHUTDOWN_GRACE_SECONDS", 60).start();
    let hung = Target::start(Behaviour::Hung);
    app.add_with(&json!({"name": "hung", "url": hung.url(), "timeout_seconds": 60}));
    wait_for("the hung probe to be under way", || (hung.hits() == 1).then_some(()));
    app.signal(Signal::TERM);
    app.wait_for_log("stopping, signal: SIGTERM");
    let started = Instant::now();
    app.signal(Signal::INT);
    assert_eq!(app.ended(), Some(130), "{}", app.log());
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn an_idle_client_does_not_hold_up_the_end() {
    let mut app = Launch::new().with("SHUTDOWN_GRACE_SECONDS", 4).start();
    let _idle = std::net::TcpStream::connect(app.address()).unwrap();
    let started = Instant::now();
    app.signal(Signal::TERM);
    assert_eq!(app.ended(), Some(0), "{}", app.log());
    assert!(started.elapsed() <= Duration::from_secs(4), "{:?}", started.elapsed());
}

#[test]
fn what_a_locked_store_would_not_take_to_the_end_is_told_and_is_no_success() {
    let mut app = Launch::new().with("SHUTDOWN_GRACE_SECONDS", 1).start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_ticks(id, 1);
    let db = app.db();
    let mut lock = db.connect();
    lock.batch_execute("BEGIN IMMEDIATE").unwrap();
    app.wait_for_log("the store takes no writes");
    app.signal(Signal::TERM);
    assert_eq!(app.ended(), Some(1), "{}", app.log());
    app.wait_for_log("outcomes are lost");
    lock.batch_execute("ROLLBACK").unwrap();
    db.assert_consistent();
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_probes_nor_the_end() {
    let launch = Launch::new().with("DEBUG", "true").with("API_PORT", free_port());
    let mut command = launch.command(&["run"]);
    // Nothing is ever read from this pipe; it is full after 64 KiB.
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let target = Target::healthy();
    let api = format!("http://127.0.0.1:{}", launch.variable("API_PORT"));
    wait_for("the API to answer", || ureq::get(&format!("{api}/v1/_internal/health")).call().ok());
    for name in 0..16 {
        let body = json!({"name": name.to_string(), "url": target.url(), "interval_seconds": 0.1});
        ureq::post(&format!("{api}/v1/services")).send_json(body).unwrap();
    }
    wait_for("far more lines than the pipe holds", || (target.hits() > 2_000).then_some(()));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ended = wait_for("the end", || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn a_signal_during_a_long_start_ends_it_in_order_and_a_second_one_at_once() {
    let launch = Launch::new().with("SERVICES_FILE", "services.yaml").with("API_PORT", free_port());
    let mut text = String::from("endpoints:\n");
    for nth in 0..60_000 {
        text.push_str(&format!("  - {{name: s{nth}, url: http://127.0.0.1:1/, interval: 24h}}\n"));
    }
    std::fs::write(launch.folder().join("services.yaml"), text).unwrap();
    for (signals, code) in [(1, 0), (2, 143)] {
        let mut child =
            launch.command(&["run"]).stderr(std::process::Stdio::null()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let takes_signals = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t"))?;
            (u64::from_str_radix(caught, 16).ok()? & (1 << 14) != 0).then_some(())
        };
        wait_for("the signals to be taken over", takes_signals);
        for _ in 0..signals {
            kill_process(pid, Signal::TERM).unwrap();
            // Two signals that wait at once would be one.
            std::thread::sleep(Duration::from_millis(50));
        }
        let ended = wait_for("the end", || child.try_wait().unwrap());
        assert_eq!(ended.code(), Some(code), "{signals} signals");
    }
    assert_eq!(
        launch.with("SERVICES_FILE", "").run(&["health"]).0,
        Some(1),
        "nothing was left running"
    );
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
