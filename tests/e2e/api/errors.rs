//! Errors: one shape, one entry per problem, each naming its field.

use serde_json::json;

use crate::support::{App, Launch};

/// A paused service, which does not change during the test.
fn paused(app: &App, name: &str) -> i64 {
    app.add_with(&json!({"name": name, "url": "http://127.0.0.1:9/", "enabled": false}))
}

#[test]
fn every_error_has_the_same_shape_and_names_its_field() {
    let app = Launch::new().with("API_BODY_LIMIT_BYTES", 1_000).start();
    paused(&app, "taken");
    let json = [("content-type", "application/json")];
    let good = r#"{"name": "a", "url": "http://a/"}"#;
    let large = format!(r#"{{"name": "{}"}}"#, "x".repeat(1_000));
    for (method, path, headers, body, status, expected) in [
        ("GET", "/v1/nothing", &json[..0], "", 404, "record not found"),
        ("GET", "/nothing", &json[..0], "", 404, "record not found"),
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
        ("POST", "/v1/services", &json[..], r#"{"name": "a"}"#, 422, "url: required"),
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
        assert!(reply.errors().contains(expected), "{about}");
    }
    assert_eq!(app.request("PUT", "/v1/services", &[], "").header("allow"), "GET, HEAD, POST");
    let both = app.send("POST", "/v1/services", &json!({"name": "", "url": "x", "x": 1}));
    assert_eq!(both.body["errors"].as_array().unwrap().len(), 3, "one entry per problem");
    assert_eq!(app.get("/v1/services").list("services").len(), 1, "no partial change");
}

#[test]
fn a_field_that_does_not_apply_to_the_scheme_is_rejected() {
    let app = Launch::new().start();
    let dns = json!({"query_name": "a", "query_type": "A"});
    for (url, field, value, expected) in [
        ("tcp://127.0.0.1:1", "method", json!("POST"), "method: not supported by tcp targets"),
        ("http://a/", "expect", json!("x"), "expect: not supported by http targets"),
        ("http://a/", "dns", dns, "dns.query_name: not supported by http targets"),
        ("icmp://a", "insecure", json!(true), "insecure: not supported by icmp targets"),
        ("dns://127.0.0.1", "group", json!("g"), "dns.query_name: required"),
        ("push://job", "group", json!("g"), "heartbeat.token: required"),
        (
            "tcp://127.0.0.1",
            "group",
            json!("g"),
            "url: invalid value \"tcp://127.0.0.1\", expected",
        ),
        (
            "http://a/",
            "headers",
            json!({"Content-Length": "1"}),
            "headers.Content-Length: invalid value \"Content-Length\"",
        ),
        ("http://a/", "tls", json!({"private_key": "-----BEGIN "}), "tls.certificate: required"),
        (
            "http://a/",
            "tls",
            json!({"ca": "/etc/passwd"}),
            "tls.ca: invalid value, expected a text in PEM",
        ),
        ("http://a/", "resolver", json!("dns.example"), "resolver: invalid value \"dns.example\""),
        ("http://a/", "basic_auth", json!("ann:pw"), "basic_auth: "),
        ("http://a/", "retries", json!(3), "retries: unknown or read-only field"),
        (
            "http://${HOST}/",
            "group",
            json!("g"),
            "url: invalid value \"http://${HOST}/\", expected",
        ),
    ] {
        let mut body = json!({"name": "a", "url": url});
        body[field] = value;
        let reply = app.send("POST", "/v1/services", &body);
        assert_eq!(reply.status, 422, "{body}: {}", reply.text);
        assert!(reply.errors().contains(expected), "{expected} in {}", reply.text);
    }
    let id = app.add_with(&json!({"name": "a", "url": "http://127.0.0.1:1/", "method": "POST"}));
    let path = format!("/v1/services/{id}");
    let moved = app.send("PATCH", &path, &json!({"url": "tcp://127.0.0.1:1"}));
    assert_eq!(moved.status, 422, "{}", moved.text);
    assert!(moved.errors().contains("method: not supported"), "{}", moved.text);
}
