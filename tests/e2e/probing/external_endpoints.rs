//! External endpoints of Gatus: `POST /api/v1/endpoints/{key}/external`.

use serde_json::json;

use crate::support::{App, Launch, Store, stores};

stores!(what_is_pushed_is_the_state_and_is_never_late,);

const TOKEN: (&str, &str) = ("authorization", "Bearer s3cret-of-the-job");

fn push(app: &App, name: &str, group: &str) -> i64 {
    app.add_with(&json!({
        "name": name, "group": group, "url": "push://external",
        "heartbeat": {"token": "s3cret-of-the-job", "optional": true}
    }))
}

/// Status and body of the response.
fn external(app: &App, key_and_query: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let path = format!("/api/v1/endpoints/{key_and_query}");
    let reply = app.request("POST", &path, headers, body);
    (reply.status, reply.text)
}

#[test]
fn the_status_is_that_of_gatus() {
    let app = Launch::new().start();
    let id = push(&app, "Pay API", "core");
    let wrong = ("authorization", "Bearer of-another-job-1");
    for (query, headers, status) in [
        ("core_pay-api/external?success=true", vec![TOKEN], 200),
        ("CORE_Pay-API/external?success=true&foreign=1", vec![TOKEN], 200),
        ("core_pay-api/external", vec![TOKEN], 400),
        ("core_pay-api/external?success=1", vec![TOKEN], 400),
        ("core_pay-api/external?success=true", vec![], 401),
        ("core_pay-api/external?success=true&token=s3cret-of-the-job", vec![], 401),
        ("core_pay-api/external?success=true", vec![wrong], 401),
        ("core_other/external?success=true", vec![wrong], 404),
        ("core_other/external?success=true", vec![], 401),
        ("core_pay-api/external?success=true&duration=soon", vec![wrong], 401),
        ("core_pay-api/external?success=true&duration=soon", vec![TOKEN], 400),
    ] {
        let (found, text) = external(&app, query, &headers, "");
        assert_eq!(found, status, "{query} {headers:?}: {text}");
    }
    assert_eq!(app.get("/api/v1/endpoints/core_pay-api/external?success=true").status, 405);
    assert_eq!(app.service(id)["metric"]["data"]["tick_count"], 2);
    let log = app.log();
    assert!(!log.contains("s3cret-of-the-job"), "{log}");
}

fn what_is_pushed_is_the_state_and_is_never_late(store: Store) {
    let launch = Launch::on(store)
        .with("SELF_CHECK_TARGETS", "tcp://127.0.0.1:1")
        .with("SELF_CHECK_WINDOW_SECONDS", "0.1");
    let app = launch.start();
    // The interval of the launch is 0.2 s: a required heartbeat would be late by now.
    let (id, other) = (push(&app, "a.b", ""), app.add("other", "http://127.0.0.1:1/"));
    app.wait_for_ticks(other, 3);
    assert_eq!(app.service(id)["state"], "pending");
    let json = [TOKEN, ("content-type", "application/json")];
    let failed = "_a-b/external?success=false&error=disk%20full&duration=1.5s";
    assert_eq!(external(&app, failed, &json, r#"{"error": "sda1"}"#).0, 200);
    let down = app.wait_for_state(id, "down");
    let expected = json!({"reason": "status", "detail": "disk full; sda1"});
    assert_eq!(down["current_status"]["failure"], expected);
    assert_eq!(down["metric"]["data"]["average_response_time_ms"], 1_500.0);
    assert_eq!(external(&app, "_a-b/external?success=true", &[TOKEN], "not json").0, 200);
    app.wait_for_state(id, "up");
    let ticks = app.service(other)["metric"]["data"]["tick_count"].as_u64().unwrap();
    app.wait_for_ticks(other, ticks + 3);
    assert_eq!(app.service(id)["state"], "up");

    app.stop();
    std::thread::sleep(std::time::Duration::from_secs(1));
    let app = launch.start();
    app.wait_for_ticks(other, ticks + 5);
    assert_eq!(app.service(id)["state"], "up", "a start changes nothing that was pushed");
    assert_eq!(app.service(id)["metric"]["data"]["tick_count"], 2);
    app.db().assert_consistent();
}

#[test]
fn the_token_tells_services_of_one_key_apart() {
    let app = Launch::new().start();
    let first = push(&app, "a.b", "");
    let body = json!({
        "name": "a-b", "url": "push://external",
        "heartbeat": {"token": "another-token-123", "optional": true}
    });
    let second = app.add_with(&body);
    assert_eq!(external(&app, "_a-b/external?success=true", &[TOKEN], "").0, 200);
    app.wait_for_state(first, "up");
    assert_eq!(app.service(second)["state"], "pending");
    app.change(second, &json!({"heartbeat": {"token": "s3cret-of-the-job"}}));
    let (status, text) = external(&app, "_a-b/external?success=true", &[TOKEN], "");
    assert_eq!((status, text.contains("services 1, 2 have it")), (409, true), "{text}");
    app.change(second, &json!({"name": "c"}));
    assert_eq!(external(&app, "_c/external?success=true", &[TOKEN], "").0, 200);
    app.delete(&format!("/v1/services/{second}"));
    assert_eq!(external(&app, "_c/external?success=true", &[TOKEN], "").0, 404);
}
