//! Endpoints of services: create, read, change, delete, list.

use serde_json::{Value, json};

use crate::support::{App, Launch, Store, Target, stores, wait_until};

stores!(
    a_service_is_created_read_changed_and_deleted,
    a_probed_service_has_the_fields_of_go_service_healthcheck,
    lists_are_paged_and_filtered,
);

/// A paused service, which does not change during the test.
fn paused(app: &App, name: &str) -> i64 {
    app.add_with(&json!({"name": name, "url": "http://127.0.0.1:9/", "enabled": false}))
}

fn a_service_is_created_read_changed_and_deleted(store: Store) {
    let app = Launch::on(store).start();
    let created = app.send(
        "POST",
        "/v1/services",
        &json!({"name": "pay", "url": "http://127.0.0.1:9/x", "group": "core", "enabled": false,
                "interval_seconds": 0.5, "timeout_seconds": 2}),
    );
    assert_eq!((created.status, created.header("location")), (201, "/v1/services/1"));
    assert_eq!(created.body["status_desc"], "Created");
    let service = created.service();
    for (field, expected) in [
        ("id", json!(1)),
        ("name", json!("pay")),
        ("url", json!("http://127.0.0.1:9/x")),
        ("group", json!("core")),
        ("enabled", json!(false)),
        ("interval_seconds", json!(0.5)),
        ("timeout_seconds", json!(2.0)),
        ("state", json!("paused")),
        ("current_status", Value::Null),
        ("metric", Value::Null),
    ] {
        assert_eq!(service[field], expected, "{field}");
    }
    assert!(service.get("latest_event").is_none(), "absent before the first probe");
    assert!(service["created_at"].as_i64().unwrap() > 1_700_000_000);

    let changed = app.send(
        "PATCH",
        "/v1/services/1",
        &json!({"name": "pay-2", "group": null, "interval_seconds": null}),
    );
    assert_eq!(changed.status, 200);
    assert_eq!(changed.service()["name"], "pay-2");
    assert_eq!(changed.service()["group"], Value::Null);
    assert_eq!(changed.service()["interval_seconds"], 0.2, "the default again");
    assert_eq!(changed.service()["timeout_seconds"], 2.0, "an absent field is unchanged");
    assert_eq!(app.service(1), *changed.service());

    let deleted = app.delete("/v1/services/1");
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    for path in ["/v1/services/1", "/v1/services/1/events"] {
        let gone = app.get(path);
        assert_eq!((gone.status, gone.errors().as_str()), (404, "record not found"));
    }
    assert_eq!(app.delete("/v1/services/1").status, 404);
    assert_eq!(app.db().number("SELECT count(*) FROM services WHERE deleted_at IS NOT NULL"), 1);
    assert_eq!(paused(&app, "pay-2"), 2, "the name can be used again, the id cannot");
}

fn a_probed_service_has_the_fields_of_go_service_healthcheck(store: Store) {
    let app = Launch::on(store).start();
    let target = Target::healthy();
    let id = app.add("email-service", &target.url());
    let service = app.wait_for_ticks(id, 3);
    let event = &service["current_status"];
    assert_eq!(event["event"], "uptime");
    assert_eq!(event["date_ended"], Value::Null);
    assert_eq!(service["latest_event"]["data"], *event);
    for key in ["id", "date_started", "created_at", "updated_at"] {
        assert!(event[key].as_i64().unwrap() > 0, "{key}");
    }
    let metric = &service["metric"]["data"];
    assert_eq!(metric["up_count"], metric["tick_count"]);
    assert_eq!((&metric["down_count"], &metric["uptime_percent"]), (&json!(0), &json!(100.0)));
    assert!(metric["average_response_time_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(service["state"], "up");
}

fn lists_are_paged_and_filtered(store: Store) {
    let app = Launch::on(store).start();
    let target = Target::healthy();
    for name in ["api-one", "api-two", "web_one", "100%"] {
        paused(&app, name);
    }
    let up = app.add_with(&json!({"name": "live", "url": target.url(), "group": "core"}));
    let down =
        app.add_with(&json!({"name": "dead", "url": "http://127.0.0.1:1/", "group": "core"}));
    app.wait_for_state(up, "up");
    app.wait_for_state(down, "down");

    let names = |query: &str| -> Vec<String> {
        let reply = app.get(&format!("/v1/services{query}"));
        let list = reply.list("services");
        list.iter().map(|service| service["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("?limit=2"), ["api-one", "api-two"]);
    assert_eq!(names("?limit=4&page=2"), ["live", "dead"]);
    assert_eq!(names("?page=99"), [""; 0]);
    assert_eq!(names("?q=ONE"), ["api-one", "web_one"]);
    assert_eq!(names("?q=b_o"), ["web_one"]);
    assert_eq!(names("?q=%25"), ["100%"], "a percent sign is no wildcard");
    assert_eq!(names(&format!("?q={}", target.port())), ["live"], "part of the URL");
    assert_eq!(names("?group=core"), ["live", "dead"]);
    assert_eq!(names("?group=").len(), 4);
    assert_eq!(names("?status=up"), ["live"]);
    assert_eq!(names("?status=down&group=core"), ["dead"]);
    assert_eq!(names("?status=paused").len(), 4);
    assert_eq!(names("?status=pending"), [""; 0]);
    assert_eq!(
        app.get("/v1/services?limit=4").body["data"]["services"]["pagination"],
        json!({"page": 1, "limit": 4, "total": 6, "pages": 2})
    );
}

#[test]
fn a_trailing_slash_is_ignored_and_head_is_get_without_a_body() {
    let app = Launch::new().start();
    paused(&app, "a");
    for path in ["/v1/services/", "/v1/services/1/", "/v1/services/1/events/", "/metrics/"] {
        assert_eq!(app.get(path).status, 200, "{path}");
    }
    let head = app.request("HEAD", "/v1/services", &[], "");
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

#[test]
fn health_and_readiness_answer() {
    let app = Launch::new().start();
    for path in ["/v1/_internal/health", "/v1/_internal/ready"] {
        let expected = json!({"status": 200, "status_desc": "OK"});
        wait_until(&format!("{path} to be {expected}"), || app.get(path).body == expected);
    }
}
