//! The audit: each change and its row are stored together, whatever ends the process.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::run_ok;
use crate::support::{App, Db, Launch, Store, go_database, stores, wait_until};

stores!(
    kill_9_between_a_change_and_its_row_leaves_both_or_none,
    an_import_is_a_row,
    a_services_file_is_a_row_a_service,
);

const CYCLES: u64 = 12;

/// Services that differ from the rows of the audit: without exactly one creation, deleted without a
/// row or with one alive, or with another number than the newest change says.
const DIFFERENCES: &str = "\
    SELECT count(*) FROM services s WHERE 1 <> (SELECT count(*) FROM audit a \
            WHERE a.object = 'service' AND a.object_id = s.id AND a.action = 'service.create') \
        OR CASE WHEN s.deleted_at IS NULL THEN 0 ELSE 1 END <> (SELECT count(*) FROM audit a \
            WHERE a.object = 'service' AND a.object_id = s.id AND a.action = 'service.delete') \
        OR (s.deleted_at IS NULL AND EXISTS (SELECT 1 FROM audit a WHERE a.id = \
            (SELECT max(id) FROM audit b WHERE b.object = 'service' AND b.object_id = s.id \
                AND b.action = 'service.update') \
            AND a.after NOT LIKE '%\"interval_seconds\":' || \
                CAST(CAST(s.interval_seconds AS INTEGER) AS TEXT) || '.0%'))";

/// Rows of services that do not exist.
const STRAYS: &str = "\
    SELECT count(*) FROM audit a WHERE a.object = 'service' \
        AND NOT EXISTS (SELECT 1 FROM services s WHERE s.id = a.object_id)";

/// Adds services, changes each several times, and deletes every other one, until the process dies.
fn change_until_killed(address: &str, cycle: u64, made: &AtomicU64) {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let base = format!("http://{address}/v1/services");
    for nth in 0.. {
        let name = format!("{cycle}-{nth}");
        let body = json!({"name": name, "url": "http://127.0.0.1:9/", "enabled": false});
        let Ok(mut reply) = agent.post(&base).send_json(&body) else { return };
        let Ok(created) = reply.body_mut().read_json::<Value>() else { return };
        let id = &created["data"]["service"]["data"]["id"];
        for seconds in 2..5 {
            let body = json!({"interval_seconds": seconds}).to_string();
            let patch = agent.patch(format!("{base}/{id}"));
            if patch.content_type("application/json").send(body).is_err() {
                return;
            }
            made.fetch_add(1, Ordering::Relaxed);
        }
        if nth % 2 == 1 && agent.delete(format!("{base}/{id}")).call().is_err() {
            return;
        }
    }
}

fn kill_9_between_a_change_and_its_row_leaves_both_or_none(store: Store) {
    // Between the change and its row the process spends most of its time, so that most kills hit
    // that moment.
    let launch = Launch::on(store).with("FAILPOINTS", "audit=sleep(15)");
    let db = launch.db();
    for cycle in 0..CYCLES {
        let app = launch.start();
        let made = AtomicU64::new(0);
        let is_killed = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let address = app.address().to_owned();
            let (made, is_killed) = (&made, &is_killed);
            scope.spawn(move || {
                change_until_killed(&address, cycle, made);
                assert!(is_killed.load(Ordering::Relaxed), "a change failed");
            });
            wait_until("changes to be made", || made.load(Ordering::Relaxed) > cycle % 5);
            std::thread::sleep(Duration::from_millis(7 * cycle));
            is_killed.store(true, Ordering::Relaxed);
            app.kill();
        });
        assert_eq!(differences(&db), (0, 0), "cycle {cycle}");
    }
    let app = launch.start();
    assert_eq!(differences(&db), (0, 0), "at the end");
    assert!(db.number("SELECT count(*) FROM audit") >= CYCLES.cast_signed());
    app.stop();
    assert!(run_ok(&launch, &["check-db"]).starts_with("whole: "));
}

fn differences(db: &Db) -> (i64, i64) {
    (db.number(DIFFERENCES), db.number(STRAYS))
}

/// The newest change.
fn newest(app: &App) -> Value {
    app.data("audit", "/v1/audit?limit=1")[0].clone()
}

fn an_import_is_a_row(store: Store) {
    let launch = Launch::on(store);
    let source = go_database();
    run_ok(&launch, &["import", "go-db", source.to_str().unwrap()]);
    let app = launch.start();
    let import = newest(&app);
    assert_eq!((&import["action"], &import["actor"]), (&json!("import"), &json!("command")));
    let services = app.get("/v1/_internal/storage").body["data"]["storage"]["data"].clone();
    assert!(import["after"]["services"].as_i64() > Some(0), "{import} {services}");
    assert_eq!((&import["address"], &import["before"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_restore_is_a_row_in_the_restored_database() {
    let launch = Launch::new();
    let app = launch.start();
    app.add("a", "http://127.0.0.1:9/");
    run_ok(&launch, &["backup", "copy.db"]);
    app.add("b", "http://127.0.0.1:9/");
    app.stop();
    run_ok(&launch, &["restore", "copy.db"]);
    let app = launch.start();
    let changes = app.data("audit", "/v1/audit");
    let actions = changes.as_array().unwrap().iter().map(|change| change["action"].clone());
    assert_eq!(actions.collect::<Vec<_>>(), ["restore", "service.create"]);
    assert_eq!(changes[0]["actor"], "command");
    assert!(changes[0]["after"]["file"].as_str().unwrap().ends_with("copy.db"), "{changes}");
}

fn a_services_file_is_a_row_a_service(store: Store) {
    let endpoints = |names: &[&str]| {
        let entry = |name: &&str| format!("{{name: {name}, url: 'http://127.0.0.1:9/'}}");
        let entries: Vec<String> = names.iter().map(entry).collect();
        format!("endpoints: [{}]\n", entries.join(", "))
    };
    let launch = Launch::on(store).with_services_file(&endpoints(&["a", "b"]));
    let app = launch.start();
    launch.write_file("services.yaml", &endpoints(&["a"]));
    wait_until("the file to be applied", || app.names() == ["a"]);
    let changes = app.data("audit", "/v1/audit?action=file.apply&actor=file");
    let changes: Vec<(&str, bool, bool)> = changes
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            let name = change["object"]["name"].as_str().unwrap();
            (name, change["before"].is_null(), change["after"].is_null())
        })
        .collect();
    assert_eq!(changes, [("b", false, true), ("b", true, false), ("a", true, false)]);
    assert_eq!(newest(&app)["action"], "file.apply");
}
