//! Jobs that report by heartbeat.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::support::{App, Launch, Store, Target, stores, wait_until};

stores!(
    a_job_is_up_while_its_heartbeats_arrive_and_down_when_one_is_late,
    a_job_may_report_its_own_failure,
    the_wait_for_a_heartbeat_begins_anew_with_a_start,
    a_heartbeat_that_was_answered_survives_kill_9,
);

fn job(app: &App, interval: f64, grace: f64) -> i64 {
    app.add_with(&json!({
        "name": "backup", "url": "push://backup", "interval_seconds": interval,
        "heartbeat": {"token": "s3cret-of-the-job", "grace_seconds": grace}
    }))
}

fn beat(app: &App, id: i64, query: &str) -> u16 {
    let path = format!("/v1/services/{id}/heartbeat{query}");
    app.request("POST", &path, &[("authorization", "Bearer s3cret-of-the-job")], "").status
}

fn a_job_is_up_while_its_heartbeats_arrive_and_down_when_one_is_late(store: Store) {
    let app = Launch::on(store).with("SELF_CHECK_WINDOW_SECONDS", "0.1").start();
    let id = job(&app, 2.0, 0.5);
    assert_eq!(app.service(id)["state"], "pending", "a new job has its interval and grace");
    let last = Instant::now();
    assert_eq!(beat(&app, id, ""), 200);
    app.wait_for_state(id, "up");
    let down = app.wait_for_state(id, "down");
    assert!(last.elapsed() >= Duration::from_millis(2_500), "{:?}", last.elapsed());
    let failure = &down["current_status"]["failure"];
    assert_eq!(failure["reason"], "heartbeat_late");
    assert!(failure["detail"].as_str().unwrap().contains("2.5 s"), "{failure}");
    assert_eq!(beat(&app, id, ""), 200);
    app.wait_for_state(id, "up");
    app.db().assert_consistent();
}

fn a_job_may_report_its_own_failure(store: Store) {
    let app = Launch::on(store).start();
    let id = job(&app, 60.0, 0.0);
    assert_eq!(beat(&app, id, "?success=false&error=disk%20full"), 200);
    let down = app.wait_for_state(id, "down");
    assert_eq!(
        down["current_status"]["failure"],
        json!({"reason": "status", "detail": "disk full"})
    );
}

#[test]
fn a_heartbeat_needs_the_token_of_its_job() {
    let app = Launch::new().with("API_TOKEN", "token-of-the-api").start();
    let headers =
        [("authorization", "Bearer token-of-the-api"), ("content-type", "application/json")];
    let body = json!({"name": "a", "url": "push://a", "heartbeat": {"token": "s3cret-of-the-job"}});
    let made = app.request("POST", "/v1/services", &headers, &body.to_string());
    let id = made.service()["id"].as_i64().unwrap();
    assert!(!made.text.contains("s3cret-of-the-job"), "{}", made.text);
    let path = format!("/v1/services/{id}/heartbeat");
    for (headers, path, status) in [
        (vec![], path.clone(), 401),
        (vec![("authorization", "Bearer wrong")], path.clone(), 401),
        // It has every scope.
        (vec![("authorization", "Bearer token-of-the-api")], path.clone(), 200),
        (vec![("authorization", "Bearer s3cret-of-the-job")], path.clone(), 200),
        (vec![], format!("{path}?token=s3cret-of-the-job"), 200),
        (vec![], format!("{path}?token=s3cret-of-the-job&success=maybe"), 400),
        (vec![], "/v1/services/99/heartbeat".to_owned(), 404),
    ] {
        let reply = app.request("POST", &path, &headers, "");
        assert_eq!(reply.status, status, "{headers:?} {path}: {}", reply.text);
    }
    assert_eq!(app.request("PUT", &path, &[], "").header("allow"), "GET, HEAD, POST");
    let log = app.log();
    assert!(!log.contains("s3cret-of-the-job"), "{log}");
}

#[test]
fn a_heartbeat_for_a_probed_service_is_rejected() {
    let app = Launch::new().start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    let reply = app.request("POST", &format!("/v1/services/{id}/heartbeat"), &[], "");
    assert_eq!((reply.status, reply.errors().contains("push")), (422, true), "{}", reply.text);
    let refused = app.send("POST", "/v1/services", &json!({"name": "b", "url": "push://b"}));
    assert_eq!(refused.status, 422);
    assert!(refused.errors().contains("heartbeat.token: required"), "{}", refused.text);
}

fn canary(store: Store, urls: &str) -> Launch {
    Launch::on(store).with("SELF_CHECK_TARGETS", urls)
}

/// A launch with a canary that answers at once, so that a late heartbeat is not held.
fn online(store: Store) -> Launch {
    canary(store, "tcp://127.0.0.1:1").with("SELF_CHECK_WINDOW_SECONDS", "0.1")
}

/// Interval and grace of [`confirmed_job`] together.
const PATIENCE: Duration = Duration::from_secs(8);

/// A job with an interval of 6 s and a grace of 2 s, whose failures are confirmed after 0.2 s.
fn confirmed_job(app: &App, failure_threshold: u32) -> i64 {
    app.add_with(&json!({
        "name": "job", "url": "push://job", "interval_seconds": 6, "confirm_interval_seconds": 0.2,
        "failure_threshold": failure_threshold,
        "heartbeat": {"token": "beat-of-the-job-1", "grace_seconds": 2}
    }))
}

fn assert_accepted(app: &App, id: i64, query: &str) {
    let path = format!("/v1/services/{id}/heartbeat?token=beat-of-the-job-1{query}");
    let reply = app.request("POST", &path, &[], "");
    assert_eq!(reply.status, 200, "{}", reply.text);
}

/// No downtime was recorded so far.
fn assert_never_down(app: &App) {
    let failed = app.db().number("SELECT count(*) FROM service_ticks WHERE NOT is_up");
    assert_eq!(failed, 0, "{}", app.log());
}

fn the_wait_for_a_heartbeat_begins_anew_with_a_start(store: Store) {
    let launch = online(store);
    let app = launch.start();
    let id = confirmed_job(&app, 1);
    let last = Instant::now();
    assert_accepted(&app, id, "");
    app.wait_for_state(id, "up");
    app.stop();
    wait_until("the heartbeat to be late", || last.elapsed() > PATIENCE);
    let app = launch.start();
    let started = Instant::now();
    // The scheduler dispatches a late one at once.
    std::thread::sleep(Duration::from_secs(1));
    assert_never_down(&app);
    app.wait_for_state(id, "down");
    assert!(started.elapsed() > PATIENCE / 2, "{:?}", started.elapsed());
}

#[test]
fn the_wait_for_a_heartbeat_begins_anew_after_a_standstill() {
    let app = online(Store::Sqlite).start();
    let id = confirmed_job(&app, 1);
    let last = Instant::now();
    assert_accepted(&app, id, "");
    app.wait_for_state(id, "up");
    app.signal(Signal::STOP);
    wait_until("the heartbeat to be late", || last.elapsed() > PATIENCE);
    app.signal(Signal::CONT);
    let resumed = Instant::now();
    std::thread::sleep(Duration::from_secs(1));
    assert_never_down(&app);
    app.wait_for_state(id, "down");
    assert!(resumed.elapsed() > PATIENCE / 2, "{:?}", resumed.elapsed());
}

#[test]
fn a_heartbeat_is_not_late_while_the_store_stands_still() {
    // The second commit takes 6 s.
    let app = online(Store::Sqlite).with("FAILPOINTS", "writer=1*off->1*sleep(6000)->off").start();
    let id = job(&app, 3.0, 5.0);
    assert_eq!(beat(&app, id, ""), 200);
    app.wait_for_state(id, "up");
    std::thread::sleep(Duration::from_secs(4));
    // 503 once the write has taken 5 s; the heartbeat is recorded all the same.
    assert!([200, 503].contains(&beat(&app, id, "")));
    app.wait_for_ticks(id, 2);
    assert_never_down(&app);
}

#[test]
fn each_late_heartbeat_is_detected_as_fast_as_the_first() {
    let app = online(Store::Sqlite).start();
    let id = confirmed_job(&app, 2);
    let down_after = || {
        let last = Instant::now();
        assert_accepted(&app, id, "");
        app.wait_for_state(id, "up");
        app.wait_for_state(id, "down");
        last.elapsed()
    };
    let (first, second) = (down_after(), down_after());
    assert!(first >= PATIENCE && second >= PATIENCE, "{first:?}, {second:?}");
    // Confirmed after another whole interval, it would be 6 s later.
    assert!(second < first + Duration::from_secs(4), "{second:?} after {first:?}");
}

#[test]
fn a_heartbeat_cannot_forge_log_lines() {
    let app = online(Store::Sqlite).start();
    let id = confirmed_job(&app, 1);
    assert_accepted(&app, id, "&success=false&error=x%0aCRIT%20forged%1b%5B31m");
    let escaped = r"x\nCRIT forged\u{1b}[31m";
    let down = app.wait_for_state(id, "down");
    assert_eq!(down["current_status"]["failure"]["detail"], escaped);
    app.wait_for_log(escaped);
    assert!(!app.log().contains('\u{1b}') && !app.log().contains("\nCRIT forged"));
}

fn a_heartbeat_that_was_answered_survives_kill_9(store: Store) {
    const BEATS: u64 = 5;
    const CLIENTS: u64 = 4;
    let launch = online(store);
    let app = launch.start();
    let id = job(&app, 600.0, 0.0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| (0..BEATS).for_each(|_| assert_eq!(beat(&app, id, ""), 200)));
        }
    });
    app.kill();
    let app = launch.start();
    let metric = app.service(id)["metric"]["data"].clone();
    assert_eq!(metric["tick_count"], BEATS * CLIENTS, "{metric}");
    app.db().assert_consistent();
}

#[test]
fn a_job_may_fetch_a_url_with_the_parameters_of_other_programs() {
    let app = online(Store::Sqlite).start();
    let id = job(&app, 600.0, 0.0);
    let path = format!("/v1/services/{id}/heartbeat?token=s3cret-of-the-job");
    for (nth, (method, query, headers)) in [
        ("GET", "&status=up&msg=OK&ping=", vec![]),
        ("HEAD", "&duration=5s", vec![]),
        ("POST", "&rid=7", vec![("content-type", "text/plain")]),
        ("GET", "", vec![("sec-fetch-site", "cross-site")]),
    ]
    .into_iter()
    .enumerate()
    {
        let reply = app.request(method, &format!("{path}{query}"), &headers, "");
        assert_eq!(reply.status, 200, "{method} {query}: {}", reply.text);
        app.wait_for_ticks(id, nth as u64 + 1);
    }
    app.wait_for_state(id, "up");
    let longest = app.metric(&format!("probe_duration_seconds{{service_id=\"{id}\""));
    assert_eq!(longest, Some(0.0), "the last one gave no duration");
    for (headers, status) in
        [(vec![("sec-purpose", "prefetch;prerender")], 403), (vec![("purpose", "prefetch")], 403)]
    {
        assert_eq!(app.request("GET", &path, &headers, "").status, status, "{headers:?}");
    }
    for (query, detail) in
        [("&status=down&msg=disk%20full", "disk full"), ("&error=out%20of%20paper", "out of paper")]
    {
        assert_eq!(app.request("GET", &format!("{path}{query}"), &[], "").status, 200);
        let down = app.wait_for_state(id, "down");
        assert_eq!(down["current_status"]["failure"]["detail"], detail);
        assert_eq!(app.get(&path).status, 200);
        app.wait_for_state(id, "up");
    }
    let missing = app.get(&format!("/v1/services/{id}/heartbeat"));
    assert_eq!((missing.status, missing.header("www-authenticate")), (401, "Bearer"));
    assert_eq!(app.service(id)["metric"]["data"]["tick_count"], 8);
}
