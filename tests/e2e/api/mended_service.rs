//! Bugs of the service that reviews found, each mended: none of them comes back.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use diesel::connection::SimpleConnection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::namespace::Hosts;
use crate::support::{App, Behaviour, Launch, Target, basic, has_line, wait_for};

fn path(id: i64) -> String {
    format!("/v1/services/{id}")
}

fn patch(app: &App, id: i64, change: Value) -> Value {
    let reply = app.send("PATCH", &path(id), &change);
    assert_eq!(reply.status, 200, "{change}: {}", reply.text);
    reply.service().clone()
}

fn refused(app: &App, method: &str, path: &str, body: Value) -> String {
    let reply = app.send(method, path, &body);
    assert_eq!(reply.status, 422, "{body}: {}", reply.text);
    reply.errors()
}

fn write(launch: &Launch, text: &str) {
    fs::write(launch.folder().join("services.yaml"), text).unwrap();
}

fn with_file(launch: Launch, text: &str) -> Launch {
    write(&launch, text);
    launch.with("SERVICES_FILE", "services.yaml")
}

fn canary(urls: &str) -> Launch {
    Launch::new().with("SELF_CHECK_TARGETS", urls)
}

/// A launch whose canary answers at once, so that lateness is told without delay.
fn online() -> Launch {
    canary("tcp://127.0.0.1:1").with("SELF_CHECK_WINDOW_SECONDS", "0.1")
}

/// A watched job with an interval of 2 s and a grace of 0.5 s.
fn job(app: &App, failure_threshold: u32) -> i64 {
    app.add_with(&json!({
        "name": "job", "url": "push://job", "interval_seconds": 2, "confirm_interval_seconds": 0.2,
        "failure_threshold": failure_threshold, "heartbeat": {"token": "beat", "grace_seconds": 0.5}
    }))
}

fn beat(app: &App, id: i64, query: &str) {
    let path = format!("/v1/services/{id}/heartbeat?token=beat{query}");
    let reply = app.request("POST", &path, &[], "");
    assert_eq!(reply.status, 200, "{}", reply.text);
}

#[test]
fn the_url_of_a_client_stands_for_itself_and_never_for_a_variable() {
    let launch = Launch::new().with("SECRET", "s3cret-env");
    let target = Target::healthy();
    let app = launch.start();
    let id = app.add("literal", &target.at("/x?t=${SECRET}"));
    let open = app.add("open", "http://127.0.0.1:1/${");
    let assert_literal = |app: &App| {
        let hits = target.hits();
        wait_for("a request", || (target.hits() > hits).then_some(()));
        let (head, list) = (target.last_head(), app.get("/v1/services").text);
        assert!(head.contains("t=${SECRET}") || head.contains("t=$%7BSECRET%7D"), "{head}");
        assert!(!head.contains("s3cret-env") && !list.contains("s3cret-env"), "{head} {list}");
    };
    assert_literal(&app);
    app.stop();
    let app = launch.start();
    assert_literal(&app);
    assert!([open, id].iter().all(|id| patch(&app, *id, json!({"group": "g"}))["group"] == "g"));
    assert_literal(&app);
}

#[test]
fn a_password_from_a_variable_reaches_the_target_whatever_is_in_it() {
    let target = Target::healthy();
    let url = target.at("/in").replace("http://", "http://ann:${PASS}@");
    let text = format!("endpoints:\n  - name: a\n    url: {url}\n");
    let app = with_file(Launch::new().with("PASS", "p@ss/w0rd"), &text).start();
    app.wait_for_state(1, "up");
    let head = target.last_head();
    assert!(has_line(&head, &basic("ann:p@ss/w0rd")) && head.starts_with("GET /in "), "{head}");
}

#[test]
fn credentials_are_masked_and_a_search_does_not_find_parts_of_them() {
    let app = Launch::new().start();
    let headers = json!({"X-Auth": "hunter2", "X-Credentials": "hunter2", "X-Jwt": "hunter2"});
    let url = "http://bob:hunter2@127.0.0.1:1/";
    let id = app.add_with(&json!({"name": "zed", "url": url, "headers": headers}));
    let shown = json!({"X-Auth": "***", "X-Credentials": "***", "X-Jwt": "***"});
    assert_eq!(app.service(id)["headers"], shown);
    for (word, count) in [("hunter", 0), ("hunter2", 0), ("zed", 1), ("127.0.0.1", 0)] {
        let found = app.get(&format!("/v1/services?q={word}"));
        assert_eq!(found.list("services").len(), count, "{word}: {}", found.text);
        assert!(!found.text.contains("hunter2"), "{}", found.text);
    }
}

#[test]
fn a_restart_does_not_forgive_the_silence_of_a_watched_job() {
    let launch = online();
    let app = launch.start();
    let id = job(&app, 1);
    beat(&app, id, "");
    let last = Instant::now();
    app.wait_for_state(id, "up");
    app.stop();
    wait_for("its time to be over", || (last.elapsed() > Duration::from_secs(3)).then_some(()));
    assert_eq!(launch.db().number("SELECT count(*) FROM service_ticks WHERE NOT is_up"), 0);
    let app = launch.start();
    let started = Instant::now();
    app.wait_for_state(id, "down");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn every_lateness_is_told_as_fast_as_the_first() {
    let app = online().start();
    let id = job(&app, 2);
    let told_after = || {
        beat(&app, id, "");
        app.wait_for_state(id, "up");
        let last = Instant::now();
        app.wait_for_state(id, "down");
        last.elapsed()
    };
    let (first, second) = (told_after(), told_after());
    assert!(second < first + Duration::from_secs(1), "{second:?} after {first:?}");
}

#[test]
fn a_change_that_is_no_good_is_refused_by_name_and_the_service_goes_on() {
    let app = Launch::new().start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    let ca = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (change, told) in [
        (json!({"tls": {"ca": ca}}), "tls.ca: "),
        (json!({"tls.min_version": "1.3"}), "tls.min_version: unknown or read-only field"),
        (json!({"basic_auth.username": "ann"}), "basic_auth.username: unknown or read-only field"),
    ] {
        assert!(refused(&app, "PATCH", &path(id), change).contains(told), "{told}");
    }
    assert!(app.service(id).get("tls").is_none_or(Value::is_null), "nothing was changed");
    let ticks = app.wait_for_ticks(id, 1)["metric"]["data"]["tick_count"].as_u64().unwrap();
    assert_eq!(app.wait_for_ticks(id, ticks + 2)["state"], "up");
}

#[test]
fn a_change_of_the_file_that_a_locked_store_did_not_take_is_applied_later() {
    let target = Target::healthy();
    let entry = |name: &str| format!("  - {{name: {name}, url: '{}'}}\n", target.url());
    let launch = with_file(Launch::new(), &format!("endpoints:\n{}", entry("old")));
    let app = launch.start();
    let mut lock = app.db().connect();
    lock.batch_execute("BEGIN IMMEDIATE").unwrap();
    write(&launch, &format!("endpoints:\n{}{}", entry("old"), entry("new")));
    app.wait_for_log("services file not applied");
    lock.batch_execute("ROLLBACK").unwrap();
    app.wait_for_log("entries: 2, added: 1, changed: 0, removed: 0");
    app.wait_for_state(2, "up");
}

#[test]
fn sighup_during_a_long_start_does_not_end_it() {
    let entry = |nth| format!("  - {{name: s{nth}, url: http://127.0.0.1:1/, interval: 24h}}\n");
    let text: Vec<String> = (0..30_000).map(entry).collect();
    let launch = with_file(Launch::new(), &format!("endpoints:\n{}", text.concat()));
    let lock = launch.folder().join("db.db.lock");
    let hangup = std::thread::spawn(move || {
        // Written once the signals are taken over, and long before the entries are applied.
        let pid = wait_for("the start to be under way", || {
            let text = fs::read_to_string(&lock).ok()?;
            Pid::from_raw(text.strip_prefix("pid ")?.strip_suffix('\n')?.parse().ok()?)
        });
        kill_process(pid, Signal::HUP).unwrap();
        Instant::now()
    });
    let (app, listens) = (launch.start(), Instant::now());
    assert!(hangup.join().unwrap() < listens, "the signal came during the start");
    assert_eq!(app.get("/v1/_internal/health").status, 200);
}

#[test]
fn a_change_takes_effect_and_leaves_what_it_does_not_name() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::Hops);
    let id = app.add_with(&json!({
        "name": "a", "url": target.at("/hops/3"), "max_redirects": 0, "headers": {"X-Key": "1"}
    }));
    assert_eq!(patch(&app, id, json!({"max_redirects": 5}))["max_redirects"], 5);
    wait_for("redirects to be followed", || {
        target.last_head().starts_with("GET /hops/0 ").then_some(())
    });
    patch(&app, id, json!({"max_redirects": 3}));
    patch(&app, id, json!({"follow_redirects": false}));
    assert_eq!(patch(&app, id, json!({"follow_redirects": true}))["max_redirects"], 3);
    let changed = patch(&app, id, json!({"headers": {"x-key": null}}));
    assert!(changed.get("headers").is_none_or(Value::is_null), "{changed}");
    let dns = json!({"query_name": "a.example", "query_type": "A"});
    let id = app.add_with(&json!({"name": "dns", "url": "127.0.0.1", "dns": dns}));
    assert_eq!(patch(&app, id, json!({"url": "127.0.0.2"}))["url"], "dns://127.0.0.2");
}

#[test]
fn a_heartbeat_cannot_forge_lines_of_the_log() {
    let app = online().start();
    let id = job(&app, 1);
    beat(&app, id, "&success=false&error=x%0aCRIT%20forged%1b%5B31m");
    let escaped = r"x\nCRIT forged\u{1b}[31m";
    let down = app.wait_for_state(id, "down");
    assert_eq!(down["current_status"]["failure"]["detail"], escaped);
    app.wait_for_log(escaped);
    assert!(!app.log().contains('\u{1b}') && !app.log().contains("\nCRIT forged"));
}

#[test]
fn what_is_refused_is_named_and_prints_no_secret() {
    let app = Launch::new().start();
    for (field, value) in
        [("basic_auth", json!(["bob", "s3cret1"])), ("url", json!("http//u:s3cret2@h/"))]
    {
        let mut body = json!({"name": "a", "url": "http://a/"});
        body[field] = value;
        let told = refused(&app, "POST", "/v1/services", body);
        assert!(told.starts_with(&format!("{field}: ")) && !told.contains("s3cret"), "{told}");
    }
    assert!(!app.stop().contains("s3cret"));
    let text = "endpoints:\n  - {name: a, url: 'http//u:s3cret2@h/'}\n  \
                - {name: b, url: 'http://b/', basic-auth: [bob, s3cret1]}\n  \
                - {name: c, url: 'http://c/', client: {timeout: 0.5ms}}\n";
    let blocked = canary("tcp://10.1.2.3:53").with("PROBE_DENY_NETWORKS", "10.0.0.0/8");
    let file = with_file(Launch::new(), text);
    for (launch, told) in [
        (&file, "services.yaml:2: endpoint 1 (a): url: "),
        (&file, "services.yaml:3: endpoint 2 (b): basic-auth: "),
        (&file, "services.yaml:4: endpoint 3 (c): client: timeout: "),
        (&canary("http//u:s3cret3@h/,tcp://a"), "SELF_CHECK_TARGETS: the value is not accepted"),
        (&canary("http://${NOBODY_SET}/"), "the variable NOBODY_SET is not set"),
        (&blocked, "SELF_CHECK_TARGETS: tcp://10.1.2.3:53 is not accepted"),
    ] {
        let (code, said) = launch.run_to_end();
        assert!(code == Some(2) && said.contains(told), "{told} in {said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

/// What a look at the store must leave as it is: bytes and time of change of the file and its log.
fn state_of(launch: &Launch) -> [(Vec<u8>, SystemTime); 2] {
    ["db.db", "db.db-wal"].map(|name| {
        let file = launch.folder().join(name);
        (fs::read(&file).unwrap(), file.metadata().unwrap().modified().unwrap())
    })
}

fn check_file(launch: &Launch, code: i32, told: &str) {
    write(launch, "endpoints:\n  - {name: new, url: 'http://127.0.0.1:1/'}\n");
    let (ended, said) = launch.run(&["check-file", "services.yaml"]);
    assert!(ended == Some(code) && said.contains(told), "{said}");
}

#[test]
fn check_file_leaves_what_a_kill_left_as_it_is() {
    let launch = Launch::new();
    let target = Target::healthy();
    let app = launch.start();
    let id = app.add("old", &target.url());
    app.wait_for_ticks(id, 3);
    app.kill();
    let before = state_of(&launch);
    assert!(!before[1].0.is_empty(), "there is a log");
    check_file(&launch, 0, "1 added, 0 changed, 0 removed");
    assert!(state_of(&launch) == before, "check-file changed the store");
}

#[test]
fn check_file_takes_an_empty_store_for_new_and_an_old_one_for_one_to_start_on() {
    let empty = Launch::new();
    fs::write(empty.folder().join("db.db"), "").unwrap();
    check_file(&empty, 0, "1 added, 0 changed, 0 removed");
    let old = Launch::new();
    let mut store = old.db().connect();
    let applied = "CREATE TABLE __diesel_schema_migrations (version TEXT PRIMARY KEY)";
    store.batch_execute(applied).unwrap();
    let all = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite")).unwrap();
    let mut folders: Vec<_> = all.map(|folder| folder.unwrap().path()).collect();
    folders.sort();
    for folder in &folders[..3] {
        store.batch_execute(&fs::read_to_string(folder.join("up.sql")).unwrap()).unwrap();
        let name = folder.file_name().unwrap().to_str().unwrap().replace('-', "");
        let version = name.split('_').next().unwrap();
        let add = format!("INSERT INTO __diesel_schema_migrations VALUES ('{version}')");
        store.batch_execute(&add).unwrap();
    }
    check_file(&old, 1, "start this version on it once");
}

/// A monitor with these canaries and that window, and `count` services that are up on the other host.
fn far(hosts: &Hosts, urls: &str, window: u32, count: usize) -> (App, Vec<Target>) {
    hosts.go_far();
    let start = |_| Target::start_at("0.0.0.0", Behaviour::Status(200));
    let targets: Vec<_> = (0..count).map(start).collect();
    hosts.go_near();
    let launch = canary(urls).with("RUNNER_HTTP_TIMEOUT_SECONDS", "1");
    let app = launch.with("SELF_CHECK_WINDOW_SECONDS", window).start();
    for target in &targets {
        let url = format!("http://{}:{}/", hosts.far_address(), target.port());
        let id = app.add(&format!("on-{}", target.port()), &url);
        app.wait_for_state(id, "up");
    }
    (app, targets)
}

#[test]
fn a_canary_that_never_answers_hides_no_dead_target_and_an_outage_no_success() {
    let Some(hosts) = Hosts::new("deaf") else { return };
    let (app, _targets) = far(&hosts, "tcp://10.231.7.77:1", 1, 8);
    app.wait_for_state(app.add("dead", "http://10.231.7.78/"), "down");
    assert_eq!(app.metric("service_healthcheck_cut_off"), Some(0.0));
    let success = "probe_success{service_id=\"1\"";
    assert_eq!(app.metric(success), Some(1.0));
    hosts.take_route_away();
    app.wait_for_state(1, "unknown");
    assert_eq!(app.metric(success), None, "what is unknown is no success and no failure");
}

#[test]
fn an_outage_at_the_end_is_a_gap_and_no_downtime() {
    let Some(hosts) = Hosts::new("end") else { return };
    let (app, _targets) = far(&hosts, "tcp://10.231.8.2:1", 10, 3);
    hosts.cut_silently();
    let failed = "service_healthcheck_probes_total{result=\"down\",reason=\"connect_timeout\"}";
    app.wait_for_metric(failed, 3.0);
    let db = app.db();
    app.stop();
    assert_eq!(db.number("SELECT count(*) FROM service_events WHERE event = 'downtime'"), 0);
    assert_eq!(db.number("SELECT count(*) FROM service_events WHERE event = 'unknown'"), 3);
    db.assert_consistent();
}
