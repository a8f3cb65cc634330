//! Targets and stores at their worst: each failure has its name, time and memory stay bounded, and it heals.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, prlimit};
use serde_json::json;

use crate::support::{App, Behaviour, Launch, Target, wait_for};

/// Adds a service with a timeout of half a second, and gives it once it has a result.
fn judged(app: &App, behaviour: Behaviour) -> (serde_json::Value, Target) {
    let target = Target::start(behaviour.clone());
    let body = json!({"name": target.url(), "url": target.url(), "timeout_seconds": 0.5});
    let id = app.add_with(&body);
    (app.wait_for_ticks(id, 2), target)
}

fn memory(app: &App) -> f64 {
    app.metric("process_resident_memory_bytes").unwrap()
}

#[test]
fn each_bad_target_gets_its_own_failure_within_its_timeout() {
    let app = Launch::new().start();
    for (behaviour, reason, told) in [
        (Behaviour::Hung, "timeout", "still waiting for the answer"),
        (Behaviour::DrippingHead, "timeout", "still waiting for the answer"),
        (Behaviour::Dripping, "timeout", "still reading the body"),
        (Behaviour::Reset, "reset", ""),
        (Behaviour::RedirectLoop, "redirect_loop", "more than 10 redirects"),
        (
            Behaviour::Raw(
                b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n".to_vec(),
            ),
            "status",
            "404 Not Found",
        ),
        (
            Behaviour::Raw(b"HTTP/1.1 102 Processing\r\n\r\n".to_vec()),
            "protocol",
            "without an answer",
        ),
        (Behaviour::Raw(b"".to_vec()), "protocol", "closed without an answer"),
        (Behaviour::Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()), "protocol", "not HTTP"),
        (Behaviour::Raw(vec![0xff; 4_096]), "protocol", "not HTTP"),
        (Behaviour::EndlessHead, "protocol", "not HTTP"),
        (
            Behaviour::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab".to_vec()),
            "protocol",
            "before the body was complete",
        ),
        (
            Behaviour::Raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec()),
            "protocol",
            "",
        ),
    ] {
        let (service, _target) = judged(&app, behaviour.clone());
        let failure = &service["current_status"]["failure"];
        assert_eq!(failure["reason"], reason, "{behaviour:?}: {failure}");
        assert!(failure["detail"].as_str().unwrap().contains(told), "{behaviour:?}: {failure}");
        let mean = service["metric"]["data"]["average_response_time_ms"].as_f64().unwrap();
        assert!(mean < 700.0, "{behaviour:?} took {mean} ms with a timeout of 500");
    }
    app.db().assert_consistent();
}

#[test]
fn endless_bodies_and_bombs_are_answers_in_bounded_memory() {
    let app = Launch::new().start();
    let before = memory(&app);
    let unfinished = b"HTTP/1.1 200 OK\r\n\r\nuntil the end".to_vec();
    for behaviour in [Behaviour::Endless, Behaviour::GzipBomb, Behaviour::Raw(unfinished)] {
        let targets: Vec<Target> = (0..8).map(|_| Target::start(behaviour.clone())).collect();
        for target in &targets {
            let id = app.add(&target.url(), &target.url());
            let service = app.wait_for_ticks(id, 3);
            assert_eq!(service["state"], "up", "{behaviour:?}: {service}");
        }
    }
    let grown = memory(&app) - before;
    assert!(grown < 48.0 * 1024.0 * 1024.0, "{grown} bytes more");
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
fn running_out_of_descriptors_is_our_fault_and_never_a_downtime() {
    let app = Launch::new().start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_ticks(id, 2);
    let open = app.metric("process_open_fds").unwrap() as u64;
    let tight = Rlimit { current: Some(open / 2), maximum: getrlimit(Resource::Nofile).maximum };
    let before = prlimit(Some(app.pid()), Resource::Nofile, tight).unwrap();
    app.wait_for_log("probe failed by a fault of ours");
    prlimit(Some(app.pid()), Resource::Nofile, before).unwrap();
    app.wait_for_metric(
        "service_healthcheck_probes_total{result=\"ours\",reason=\"local_descriptors\"}",
        1.0,
    );
    let ticks = app.service(id)["metric"]["data"]["tick_count"].as_u64().unwrap();
    let service = app.wait_for_ticks(id, ticks + 3);
    assert_eq!(service["metric"]["data"]["down_count"], 0);
    assert_eq!(app.get(&format!("/v1/services/{id}/events")).list("events").len(), 1);
}

#[test]
fn a_locked_file_is_told_and_heals_and_loses_nothing_it_did_not_count() {
    let app = Launch::new().with("RECORDER_BUFFER_LIMIT", 20).start();
    let target = Target::healthy();
    for name in 0..4 {
        app.add(&name.to_string(), &target.url());
    }
    app.wait_for_ticks(1, 2);
    assert_eq!(app.get("/v1/_internal/ready").status, 200);

    let db = app.db();
    let mut lock = db.connect();
    lock.batch_execute("BEGIN IMMEDIATE").unwrap();
    let not_ready = wait_for("ready to be 503", || {
        Some(app.get("/v1/_internal/ready")).filter(|reply| reply.status == 503)
    });
    assert!(not_ready.errors().starts_with("store: takes no writes"), "{}", not_ready.text);
    assert!(!not_ready.header("retry-after").is_empty());
    let write = app.send("POST", "/v1/services", &json!({"name": "x", "url": "http://a/"}));
    assert_eq!((write.status, write.header("retry-after")), (503, "1"));
    assert_eq!(app.get("/v1/services").status, 200, "reads go on");
    // Probing goes on, the buffer is bounded, and what could not be kept is counted.
    app.wait_for_metric("service_healthcheck_outcomes_total{result=\"dropped\"}", 10.0);
    assert!(app.metric("service_healthcheck_outcomes_buffered").unwrap() <= 20.0);
    app.wait_for_log("the store takes no writes");
    app.wait_for_log("outcomes are dropped");

    lock.batch_execute("ROLLBACK").unwrap();
    app.wait_for_log("the store takes writes again");
    wait_for("ready to be 200", || (app.get("/v1/_internal/ready").status == 200).then_some(()));
    let log = app.stop();
    assert!(log.contains("everything measured is in the store"), "{log}");
    db.assert_consistent();
}

#[test]
fn a_full_disk_is_told_and_heals_and_loses_nothing_it_did_not_count() {
    // A file that may not grow stands for a disk that is full; the signal that comes with it is ignored, as a service
    // manager would.
    let app = Launch::new().through(&["env", "--ignore-signal=XFSZ"]).start();
    let target = Target::healthy();
    for name in 0..4 {
        app.add(&name.to_string(), &target.url());
    }
    app.wait_for_ticks(1, 2);
    let none = Rlimit { current: Some(4_096), maximum: None };
    let before = prlimit(Some(app.pid()), Resource::Fsize, none).unwrap();
    let not_ready = wait_for("ready to be 503", || {
        Some(app.get("/v1/_internal/ready")).filter(|reply| reply.status == 503)
    });
    assert!(not_ready.errors().starts_with("store: takes no writes"), "{}", not_ready.text);
    let hits = target.hits();
    wait_for("probing to go on", || (target.hits() > hits + 20).then_some(()));

    prlimit(Some(app.pid()), Resource::Fsize, before).unwrap();
    wait_for("ready to be 200", || (app.get("/v1/_internal/ready").status == 200).then_some(()));
    let produced = |app: &App| {
        app.metric("service_healthcheck_probes_total{result=\"up\",reason=\"\"}").unwrap()
    };
    let least = produced(&app);
    app.wait_for_metric("service_healthcheck_outcomes_total{result=\"recorded\"}", least);
    let db = app.db();
    app.stop();
    assert!(db.number("SELECT count(*) FROM service_ticks") as f64 >= least, "nothing was lost");
    db.assert_consistent();
}

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
fn one_row_that_contradicts_the_store_takes_nobody_with_it() {
    let app = Launch::new().start();
    let target = Target::healthy();
    for name in 0..3 {
        app.add(&name.to_string(), &target.url());
    }
    app.wait_for_ticks(3, 2);
    let meddle = "PRAGMA foreign_keys = OFF; DELETE FROM service_metrics WHERE service_id = 3; \
                  DELETE FROM services WHERE id = 3";
    app.db().connect().batch_execute(meddle).unwrap();
    let ticks = app.service(1)["metric"]["data"]["tick_count"].as_u64().unwrap();
    let service = app.wait_for_ticks(1, ticks + 5);
    assert_eq!(service["state"], "up");
    assert_eq!(app.get("/v1/_internal/ready").status, 200);
    app.wait_for_metric("service_healthcheck_outcomes_total{result=\"orphaned\"}", 1.0);
}
