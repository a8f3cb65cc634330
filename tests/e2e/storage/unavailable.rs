//! A locked database and a full disk.

use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::json;

use crate::support::{App, Launch, Store, Target, stores, wait_for, wait_until};

stores!(
    a_locked_database_is_reported_recovers_and_loses_only_counted_outcomes,
    a_heartbeat_while_the_store_fails_is_503_and_recorded_at_most_once,
);

fn a_locked_database_is_reported_recovers_and_loses_only_counted_outcomes(store: Store) {
    let app = Launch::on(store).with("RECORDER_BUFFER_LIMIT", 20).start();
    let target = Target::healthy();
    for name in 0..4 {
        app.add(&name.to_string(), &target.url());
    }
    app.wait_for_ticks(1, 2);
    app.wait_until_ready();

    let db = app.db();
    let lock = db.lock();
    let not_ready = wait_for("ready to be 503", || {
        Some(app.get("/v1/_internal/ready")).filter(|reply| reply.status == 503)
    });
    assert!(not_ready.errors().starts_with("store: unavailable"), "{}", not_ready.text);
    assert!(!not_ready.header("retry-after").is_empty());
    let write = app.send("POST", "/v1/services", &json!({"name": "x", "url": "http://a/"}));
    assert_eq!((write.status, write.header("retry-after")), (503, "1"));
    if store == Store::Sqlite {
        assert_eq!(app.get("/v1/services").status, 200, "reads continue");
    }
    // Probing continues, the buffer is bounded, and dropped outcomes are counted.
    app.wait_for_metric("service_healthcheck_outcomes_total{result=\"dropped\"}", 10.0);
    assert!(app.metric("service_healthcheck_outcomes_buffered").unwrap() <= 20.0);
    app.wait_for_log("the store takes no writes");
    app.wait_for_log("outcomes are dropped");

    drop(lock);
    app.wait_for_log("the store takes writes again");
    app.wait_until_ready();
    let log = app.stop();
    assert!(log.contains("every outcome is in the store"), "{log}");
    db.assert_consistent();
}

#[test]
fn a_full_disk_is_reported_recovers_and_loses_only_counted_outcomes() {
    // A limit on the file size has the effect of a full disk; the signal of that limit is ignored,
    // as service managers do.
    let app = Launch::new().wrapped_in(&["env", "--ignore-signal=XFSZ"]).start();
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
    assert!(not_ready.errors().starts_with("store: unavailable"), "{}", not_ready.text);
    let hits = target.request_count();
    wait_until("probing to continue", || target.request_count() > hits + 20);

    prlimit(Some(app.pid()), Resource::Fsize, before).unwrap();
    app.wait_until_ready();
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

fn a_heartbeat_while_the_store_fails_is_503_and_recorded_at_most_once(store: Store) {
    let app = Launch::on(store).start();
    let id = app.add_with(&json!({
        "name": "job", "url": "push://job", "interval_seconds": 600,
        "heartbeat": {"token": "token-of-the-job", "grace_seconds": 0}
    }));
    let beat = || {
        let path = format!("/v1/services/{id}/heartbeat?token=token-of-the-job");
        app.request("POST", &path, &[], "")
    };
    let lock = app.db().lock();
    for _ in 0..2 {
        let refused = beat();
        assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{}", refused.text);
    }
    app.wait_for_log("the store takes no writes");
    drop(lock);
    app.wait_for_log("the store takes writes again");
    app.wait_until_ready();
    assert_eq!(beat().status, 200);
    let recorded = app.service(id)["metric"]["data"]["tick_count"].as_i64().unwrap();
    match store {
        Store::Sqlite => assert_eq!(recorded, 3),
        // Without reads, a heartbeat is refused before it is recorded.
        Store::Postgres => assert!((1..=3).contains(&recorded), "{recorded}"),
    }
}
