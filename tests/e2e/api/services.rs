//! The contract's envelope, endpoints and errors, from outside.

use serde_json::{Value, json};

use crate::support::{App, Behaviour, Launch, Target};

/// A service that is not probed, so that its answer does not change under the test.
fn paused(app: &App, name: &str) -> i64 {
    app.add_with(&json!({"name": name, "url": "http://127.0.0.1:9/", "enabled": false}))
}

#[test]
fn a_service_is_created_read_changed_and_deleted() {
    let app = Launch::new().start();
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
    assert_eq!(changed.service()["timeout_seconds"], 2.0, "left out, so as before");
    assert_eq!(app.service(1), *changed.service());

    let deleted = app.delete("/v1/services/1");
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    for path in ["/v1/services/1", "/v1/services/1/events"] {
        let gone = app.get(path);
        assert_eq!((gone.status, gone.errors().as_str()), (404, "record not found"));
    }
    assert_eq!(app.delete("/v1/services/1").status, 404);
    assert_eq!(app.db().number("SELECT count(*) FROM services WHERE deleted_at IS NOT NULL"), 1);
    assert_eq!(paused(&app, "pay-2"), 2, "the name is free again, the id is not");
}

#[test]
fn a_watched_service_looks_as_in_the_seeds_read_me() {
    let app = Launch::new().start();
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

#[test]
fn events_tell_up_and_down_newest_first_without_a_gap() {
    let app = Launch::new().start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    app.wait_for_state(id, "up");
    target.becomes(Behaviour::Status(503));
    app.wait_for_state(id, "down");
    target.becomes(Behaviour::Status(204));
    app.wait_for_state(id, "up");

    let reply = app.get(&format!("/v1/services/{id}/events"));
    let events = reply.list("events");
    let words: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(words, ["uptime", "downtime", "uptime"]);
    assert_eq!(events[0]["date_ended"], Value::Null);
    assert_eq!(events[1]["date_ended"], events[0]["date_started"]);
    assert_eq!(events[2]["date_ended"], events[1]["date_started"]);
    assert_eq!(events[1]["failure"]["reason"], "status");
    assert_eq!(events[1]["failure"]["detail"], "503 Service Unavailable");
    assert_eq!(
        reply.body["data"]["events"]["pagination"],
        json!({"page": 1, "limit": 100, "total": 3, "pages": 1})
    );
    let second = app.get(&format!("/v1/services/{id}/events?page=2&limit=2"));
    assert_eq!(second.list("events"), &events[2..]);
    app.db().assert_consistent();
}

#[test]
fn lists_are_paged_and_filtered() {
    let app = Launch::new().start();
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
fn every_error_has_the_one_shape_and_names_its_field() {
    let app = Launch::new().with("API_BODY_LIMIT_BYTES", 1_000).start();
    paused(&app, "taken");
    let json = [("content-type", "application/json")];
    let good = r#"{"name": "a", "url": "http://a/"}"#;
    let large = format!(r#"{{"name": "{}"}}"#, "x".repeat(1_000));
    for (method, path, headers, body, status, told) in [
        ("GET", "/v1/nothing", &json[..0], "", 404, "record not found"),
        ("GET", "/", &json[..0], "", 404, "record not found"),
        ("GET", "/v1/services/77", &json[..0], "", 404, "record not found"),
        ("GET", "/v1/services/0", &json[..0], "", 400, "id:"),
        ("GET", "/v1/services/-1", &json[..0], "", 400, "id:"),
        ("GET", "/v1/services/abc", &json[..0], "", 400, "id:"),
        ("GET", "/v1/services/99999999999999999999", &json[..0], "", 400, "id:"),
        ("GET", "/v1/services?page=0", &json[..0], "", 400, "page:"),
        ("GET", "/v1/services?limit=1001", &json[..0], "", 400, "limit:"),
        ("GET", "/v1/services?page=99999999999", &json[..0], "", 400, "page:"),
        ("GET", "/v1/services?paeg=1", &json[..0], "", 400, "paeg"),
        ("GET", "/v1/services?status=ill", &json[..0], "", 400, "status:"),
        ("GET", "/v1/services/1?x=1", &json[..0], "", 400, "x"),
        ("GET", "/v1/services?q=%00", &json[..0], "", 400, "q:"),
        ("GET", "/v1/_internal/health?x=1", &json[..0], "", 400, "x"),
        ("PUT", "/v1/services", &json[..], good, 405, "method:"),
        ("POST", "/v1/services/1", &json[..], good, 405, "method:"),
        ("DELETE", "/metrics", &json[..0], "", 405, "method:"),
        ("POST", "/v1/services", &json[..], "{", 400, "body:"),
        ("POST", "/v1/services", &json[..], "", 400, "body:"),
        ("POST", "/v1/services", &json[..], "[]", 422, "body:"),
        ("POST", "/v1/services", &json[..0], good, 415, "content-type:"),
        ("POST", "/v1/services", &[("content-type", "text/json")], good, 415, "content-type:"),
        ("POST", "/v1/services", &json[..], &large, 413, "body:"),
        ("POST", "/v1/services", &json[..], r#"{"name": "a"}"#, 422, "url: missing"),
        ("POST", "/v1/services", &json[..], r#"{"name": "a", "url": "ftp://a"}"#, 422, "url:"),
        (
            "POST",
            "/v1/services",
            &json[..],
            r#"{"name": "taken", "url": "http://a/"}"#,
            409,
            "name:",
        ),
        (
            "PATCH",
            "/v1/services/1",
            &json[..],
            r#"{"interval_seconds": 0.09}"#,
            422,
            "interval_seconds:",
        ),
        (
            "PATCH",
            "/v1/services/1",
            &json[..],
            r#"{"timeout_seconds": 1e99}"#,
            422,
            "timeout_seconds:",
        ),
        ("PATCH", "/v1/services/1", &json[..], r#"{"colour": "red"}"#, 422, "colour:"),
        ("PATCH", "/v1/services/1", &json[..], r#"{"interval_seconds": 1e999}"#, 422, "body:"),
        ("PATCH", "/v1/services/77", &json[..], "{}", 404, "record not found"),
    ] {
        let reply = app.request(method, path, headers, body);
        let about = format!("{method} {path} {body}: {}", reply.text);
        assert_eq!(reply.status, status, "{about}");
        assert_eq!(reply.body["status"], status, "{about}");
        assert!(!reply.body["status_desc"].as_str().unwrap().is_empty(), "{about}");
        assert!(reply.body.get("data").is_none(), "{about}");
        assert!(reply.errors().contains(told), "{about}");
    }
    assert_eq!(app.request("PUT", "/v1/services", &[], "").header("allow"), "GET, HEAD, POST");
    let both = app.send("POST", "/v1/services", &json!({"name": "", "url": "x", "x": 1}));
    assert_eq!(both.body["errors"].as_array().unwrap().len(), 3, "one entry a problem");
    assert_eq!(app.get("/v1/services").list("services").len(), 1, "nothing was half done");
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
fn health_and_ready_answer() {
    let app = Launch::new().start();
    for path in ["/v1/_internal/health", "/v1/_internal/ready"] {
        assert_eq!(app.get(path).body, json!({"status": 200, "status_desc": "OK"}), "{path}");
    }
}

#[test]
fn with_a_token_writes_need_it_and_reads_do_not() {
    let app = Launch::new().with("API_TOKEN", "s3cret").start();
    let body = json!({"name": "a", "url": "http://127.0.0.1:9/", "enabled": false}).to_string();
    let post = |authorization: &str| {
        let headers = [("content-type", "application/json"), ("authorization", authorization)];
        app.request("POST", "/v1/services", &headers, &body)
    };
    let without =
        app.request("POST", "/v1/services", &[("content-type", "application/json")], &body);
    assert_eq!((without.status, without.header("www-authenticate")), (401, "Bearer"));
    assert_eq!(post("Bearer wrong").status, 401);
    assert_eq!(post("Bearer s3cret").status, 201);
    assert_eq!(app.delete("/v1/services/1").status, 401);
    assert_eq!(app.get("/v1/services/1").status, 200);
    assert!(!app.log().contains("s3cret"));
}

#[test]
fn without_a_token_writes_are_refused_on_an_address_that_others_reach() {
    let app = Launch::new().with("API_HOST", "0.0.0.0").start();
    let reply = app.send("POST", "/v1/services", &json!({"name": "a", "url": "http://a/"}));
    assert_eq!((reply.status, reply.errors().contains("API_TOKEN")), (403, true));
    assert_eq!(app.get("/v1/services").status, 200);
}

#[test]
fn a_change_takes_effect_from_the_next_probe_and_a_delete_stops_probing() {
    let app = Launch::new().start();
    let (first, second) = (Target::healthy(), Target::healthy());
    let id = app.add("a", &first.url());
    app.wait_for_ticks(id, 2);
    let path = format!("/v1/services/{id}");
    app.send("PATCH", &path, &json!({"url": second.url()}));
    crate::support::wait_for("the second target to be probed", || {
        (second.hits() > 2).then_some(())
    });
    let (before, ticks) = (first.hits(), app.service(id)["metric"]["data"]["tick_count"].clone());
    assert!(ticks.as_u64().unwrap() >= 2, "the history stays");
    app.send("PATCH", &path, &json!({"enabled": false}));
    assert_eq!(app.service(id)["state"], "paused");
    app.send("PATCH", &path, &json!({"enabled": true}));
    let resumed = second.hits();
    crate::support::wait_for("probing to go on", || (second.hits() > resumed).then_some(()));
    assert!(first.hits() <= before + 1, "at most the probe that was under way");

    app.delete(&path);
    let other = app.add("b", &first.url());
    app.wait_for_ticks(other, 1);
    let stopped = second.hits();
    app.wait_for_ticks(other, 5);
    assert!(second.hits() <= stopped + 1, "at most the probe that was under way");
    app.db().assert_consistent();
}
