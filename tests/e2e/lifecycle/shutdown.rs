//! Shutdown by signals: in order, and at once.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::{
    Behaviour, Launch, Store, Target, ensure, retry_while_busy, stores, wait_for, wait_until,
};

stores!(
    a_signal_lets_running_probes_finish_and_commits_all_results,
    a_probe_beyond_the_grace_period_is_aborted_and_no_downtime,
    outcomes_lost_at_shutdown_are_logged_and_the_exit_code_is_1,
);

fn a_signal_lets_running_probes_finish_and_commits_all_results(store: Store) {
    for signal in [Signal::TERM, Signal::INT] {
        let mut app = Launch::on(store).with("SHUTDOWN_GRACE_SECONDS", 60).start();
        // Longer than it takes to add eight services, and much shorter than the grace period.
        let target = Target::start(Behaviour::After(Duration::from_secs(4)));
        for name in 0..8 {
            app.add(&name.to_string(), &target.url());
        }
        wait_until("eight running probes", || target.request_count() == 8);
        app.signal(signal);
        assert_eq!(app.exit_code(), Some(0), "{}", app.log());
        let db = app.db();
        assert_eq!(
            db.number("SELECT count(*) FROM service_ticks WHERE is_up"),
            8,
            "all eight results"
        );
        assert_eq!(db.number("SELECT count(*) FROM service_ticks WHERE NOT is_up"), 0);
        assert_eq!(target.request_count(), 8, "no new probe started");
        db.assert_consistent();
    }
}

fn a_probe_beyond_the_grace_period_is_aborted_and_no_downtime(store: Store) {
    const GRACE: Duration = Duration::from_secs(2);
    let (hung, healthy) = (Target::start(Behaviour::Hung), Target::healthy());
    retry_while_busy(|| {
        let mut app = Launch::on(store).with("SHUTDOWN_GRACE_SECONDS", GRACE.as_secs()).start();
        let before = hung.request_count();
        app.add_with(&json!({"name": "hung", "url": hung.url(), "timeout_seconds": 600}));
        let id = app.add("healthy", &healthy.url());
        app.wait_for_ticks(id, 2);
        wait_until("the hung probe to run", || hung.request_count() > before);
        let started = Instant::now();
        app.signal(Signal::TERM);
        assert_eq!(app.exit_code(), Some(0), "{}", app.log());
        let took = started.elapsed();
        app.wait_for_log("cancelled at the end of the grace period");
        let db = app.db();
        assert_eq!(db.number("SELECT count(*) FROM service_ticks WHERE NOT is_up"), 0);
        assert_eq!(db.number("SELECT count(*) FROM service_events WHERE event = 'downtime'"), 0);
        db.assert_consistent();
        ensure(took < GRACE, || format!("{took:?} of {GRACE:?}"))
    });
}

#[test]
fn a_second_signal_exits_at_once() {
    let mut app = Launch::new().with("SHUTDOWN_GRACE_SECONDS", 60).start();
    let hung = Target::start(Behaviour::Hung);
    app.add_with(&json!({"name": "hung", "url": hung.url(), "timeout_seconds": 600}));
    wait_until("the hung probe to run", || hung.request_count() == 1);
    app.signal(Signal::TERM);
    app.wait_for_log("stopping, signal: SIGTERM");
    let started = Instant::now();
    app.signal(Signal::INT);
    assert_eq!(app.exit_code(), Some(130), "{}", app.log());
    // Half of the grace period, which waiting for the hung probe would use up.
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

#[test]
fn an_idle_client_does_not_delay_the_shutdown() {
    const GRACE: Duration = Duration::from_secs(4);
    retry_while_busy(|| {
        let mut app = Launch::new().with("SHUTDOWN_GRACE_SECONDS", GRACE.as_secs()).start();
        let _idle = std::net::TcpStream::connect(app.address()).unwrap();
        let started = Instant::now();
        app.signal(Signal::TERM);
        assert_eq!(app.exit_code(), Some(0), "{}", app.log());
        let took = started.elapsed();
        ensure(took <= GRACE, || format!("{took:?} of {GRACE:?}"))
    });
}

fn outcomes_lost_at_shutdown_are_logged_and_the_exit_code_is_1(store: Store) {
    let mut app = Launch::on(store).with("SHUTDOWN_GRACE_SECONDS", 1).start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_ticks(id, 1);
    let db = app.db();
    let lock = db.lock();
    app.wait_for_log("the store takes no writes");
    app.signal(Signal::TERM);
    assert_eq!(app.exit_code(), Some(1), "{}", app.log());
    app.wait_for_log("outcomes are lost");
    drop(lock);
    db.assert_consistent();
}

#[test]
fn an_unread_log_delays_neither_probes_nor_the_shutdown() {
    let launch = Launch::new().with("DEBUG", "true").with("API_PORT", free_port());
    let mut command = launch.command(&["run"]);
    // This pipe is never read, and full after 64 KiB.
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let target = Target::healthy();
    let api = format!("http://127.0.0.1:{}", launch.variable("API_PORT"));
    wait_for("the API to respond", || ureq::get(&format!("{api}/v1/_internal/health")).call().ok());
    for name in 0..16 {
        let body = json!({"name": name.to_string(), "url": target.url(), "interval_seconds": 0.1});
        ureq::post(&format!("{api}/v1/services")).send_json(body).unwrap();
    }
    wait_until("far more lines than the pipe holds", || target.request_count() > 2_000);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ended = wait_for("the process to exit", || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn a_signal_during_a_long_start_stops_in_order_and_a_second_one_at_once() {
    let launch = Launch::new().with("SERVICES_FILE", "services.yaml").with("API_PORT", free_port());
    let mut text = String::from("endpoints:\n");
    for nth in 0..60_000 {
        text.push_str(&format!("  - {{name: s{nth}, url: http://127.0.0.1:1/, interval: 24h}}\n"));
    }
    std::fs::write(launch.folder().join("services.yaml"), text).unwrap();
    // Two different signals, as two equal ones can be merged into one. When both are pending,
    // either may be handled as the second.
    for (signals, codes) in
        [(&[Signal::TERM][..], &[0][..]), (&[Signal::TERM, Signal::INT], &[130, 143])]
    {
        let db = format!("{}.db", signals.len());
        let launch = launch.clone().with("DB_FILE", &db);
        let mut child =
            launch.command(&["run"]).stderr(std::process::Stdio::null()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let takes_signals = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t"))?;
            // SIGTERM and SIGINT.
            let both = (1 << 14) | (1 << 1);
            (u64::from_str_radix(caught, 16).ok()? & both == both).then_some(())
        };
        wait_for("the signal handlers to be installed", takes_signals);
        if signals.len() > 1 {
            // A signal does not wait for the services file, but for the store.
            wait_until("the store to be opened", || launch.folder().join(&db).exists());
        }
        for signal in signals {
            kill_process(pid, *signal).unwrap();
        }
        let ended = wait_for("the process to exit", || child.try_wait().unwrap());
        assert!(codes.contains(&ended.code().unwrap()), "{ended}: {signals:?}");
    }
    assert_eq!(launch.with("SERVICES_FILE", "").run(&["health"]).0, Some(1), "no process is left");
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
