//! Watched jobs that report by themselves, and probes that somebody asks for.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{App, Behaviour, Launch, Target, wait_for};

fn job(app: &App, interval: f64, grace: f64) -> i64 {
    app.add_with(&json!({
        "name": "backup", "url": "push://backup", "interval_seconds": interval,
        "heartbeat": {"token": "s3cret", "grace_seconds": grace}
    }))
}

fn beat(app: &App, id: i64, query: &str) -> u16 {
    let path = format!("/v1/services/{id}/heartbeat{query}");
    app.request("POST", &path, &[("authorization", "Bearer s3cret")], "").status
}

#[test]
fn a_job_is_up_while_its_heartbeats_come_and_down_when_one_is_late() {
    let app = Launch::new().with("SELF_CHECK_WINDOW_SECONDS", "0.1").start();
    let id = job(&app, 1.0, 0.5);
    assert_eq!(app.service(id)["state"], "pending", "it has a whole interval and its grace");
    assert_eq!(beat(&app, id, ""), 200);
    app.wait_for_state(id, "up");
    let last = Instant::now();
    let down = app.wait_for_state(id, "down");
    assert!(last.elapsed() >= Duration::from_millis(1_200), "{:?}", last.elapsed());
    let failure = &down["current_status"]["failure"];
    assert_eq!(failure["reason"], "heartbeat_late");
    assert!(failure["detail"].as_str().unwrap().contains("1.5 s"), "{failure}");
    assert_eq!(beat(&app, id, ""), 200);
    app.wait_for_state(id, "up");
    app.db().assert_consistent();
}

#[test]
fn a_job_may_report_its_own_failure() {
    let app = Launch::new().start();
    let id = job(&app, 60.0, 0.0);
    assert_eq!(beat(&app, id, "?success=false&error=disk%20full"), 200);
    let down = app.wait_for_state(id, "down");
    assert_eq!(
        down["current_status"]["failure"],
        json!({"reason": "status", "detail": "disk full"})
    );
}

#[test]
fn only_the_token_of_the_job_lets_a_heartbeat_in() {
    let app = Launch::new().with("API_TOKEN", "of-the-api").start();
    let headers = [("authorization", "Bearer of-the-api"), ("content-type", "application/json")];
    let body = json!({"name": "a", "url": "push://a", "heartbeat": {"token": "s3cret"}});
    let made = app.request("POST", "/v1/services", &headers, &body.to_string());
    let id = made.service()["id"].as_i64().unwrap();
    assert!(!made.text.contains("s3cret"), "{}", made.text);
    let path = format!("/v1/services/{id}/heartbeat");
    for (headers, path, status) in [
        (vec![], path.clone(), 401),
        (vec![("authorization", "Bearer wrong")], path.clone(), 401),
        (vec![("authorization", "Bearer of-the-api")], path.clone(), 401),
        (vec![("authorization", "Bearer s3cret")], path.clone(), 200),
        (vec![], format!("{path}?token=s3cret"), 200),
        (vec![], format!("{path}?token=s3cret&success=maybe"), 400),
        (vec![], "/v1/services/99/heartbeat".to_owned(), 404),
    ] {
        let reply = app.request("POST", &path, &headers, "");
        assert_eq!(reply.status, status, "{headers:?} {path}: {}", reply.text);
    }
    assert_eq!(app.get(&path).status, 405);
    let log = app.log();
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn a_heartbeat_for_what_is_no_watched_job_is_refused() {
    let app = Launch::new().start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    let reply = app.request("POST", &format!("/v1/services/{id}/heartbeat"), &[], "");
    assert_eq!((reply.status, reply.errors().contains("push")), (422, true), "{}", reply.text);
    let refused = app.send("POST", "/v1/services", &json!({"name": "b", "url": "push://b"}));
    assert_eq!(refused.status, 422);
    assert!(refused.errors().contains("heartbeat.token: missing"), "{}", refused.text);
}

fn probe_now(app: &App, id: i64) -> (u16, Value) {
    let reply = app.send("POST", &format!("/v1/services/{id}/probe"), &Value::Null);
    (reply.status, reply.body["data"]["probe"]["data"].clone())
}

#[test]
fn a_service_is_probed_when_somebody_asks_and_the_result_counts() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::Status(503));
    let id = app.add_with(&json!({
        "name": "a", "url": target.url(), "interval_seconds": 3600,
        "conditions": ["[STATUS] == 200", "[CONNECTED] == true"]
    }));
    app.wait_for_ticks(id, 1);
    let (status, probe) = probe_now(&app, id);
    assert_eq!(
        (status, &probe["success"], &probe["http_status"]),
        (200, &json!(false), &json!(503))
    );
    assert_eq!(probe["failure"]["reason"], "condition");
    assert_eq!(
        probe["conditions"],
        json!([
            {"condition": "[STATUS] (503) == 200", "success": false},
            {"condition": "[CONNECTED] == true", "success": true}
        ])
    );
    app.wait_for_ticks(id, 2);
    app.send("PATCH", &format!("/v1/services/{id}"), &json!({"enabled": false}));
    assert_eq!(probe_now(&app, id).0, 200, "a paused one is probed too");
    let (status, _) = probe_now(&app, 99);
    assert_eq!(status, 404);
    app.send("PATCH", &format!("/v1/services/{id}"), &json!({"enabled": true}));
    app.wait_for_ticks(id, 3);
    app.db().assert_consistent();
}

#[test]
fn nobody_is_kept_waiting_for_a_probe_that_cannot_begin() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::Hung);
    let id = app.add("a", &target.url());
    wait_for("a probe under way", || (target.hits() > 0).then_some(()));
    let reply = app.send("POST", &format!("/v1/services/{id}/probe"), &Value::Null);
    assert_eq!(reply.status, 429, "{}", reply.text);
    assert_eq!(reply.header("retry-after"), "1");
}
