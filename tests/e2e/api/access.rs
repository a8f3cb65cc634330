//! Tokens and hosts.

use serde_json::json;

use crate::support::Launch;

#[test]
fn a_configured_token_is_required_for_writes_only() {
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
fn without_a_token_writes_are_rejected_on_a_public_address() {
    let app = Launch::new().with("API_HOST", "0.0.0.0").start();
    let reply = app.send("POST", "/v1/services", &json!({"name": "a", "url": "http://a/"}));
    assert_eq!((reply.status, reply.errors().contains("API_TOKEN")), (403, true));
    assert_eq!(app.get("/v1/services").status, 200);
}
