//! `API_READ`: which reads need a token.

use serde_json::json;

use super::{API_TOKEN, Client};
use crate::support::{Launch, wait_until};

#[test]
fn on_an_address_that_others_reach_every_read_but_health_needs_a_token() {
    let app = Launch::new().with("API_HOST", "0.0.0.0").start();
    for path in ["/v1/services", "/metrics", "/openapi.json", "/v1/session", "/v1/nothing"] {
        let reply = app.get(path);
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, "Bearer"), "{path}");
    }
    assert_eq!(app.get("/v1/_internal/health").status, 200);
    app.wait_until_ready();
    assert!(!app.log().contains("API_READ"), "nothing to warn of");
    let metric = app.get("/metrics");
    assert!(!metric.text.contains("service_healthcheck"), "{}", metric.text);
}

#[test]
fn open_reads_on_such_an_address_are_warned_of() {
    let launch = Launch::new().with("API_HOST", "0.0.0.0").with("API_READ", "open");
    let app = launch.start();
    assert_eq!(app.get("/v1/services").status, 200);
    assert_eq!(app.get("/v1/tokens").status, 401, "reads are open, and nothing else");
    let body = json!({"name": "a", "url": "http://a/"});
    assert_eq!(app.send("POST", "/v1/services", &body).status, 403);
    app.wait_for_log("reads need no token");
}

#[test]
fn a_token_can_be_required_on_loopback_too() {
    let app = Launch::new().with("API_READ", "token").with("API_TOKEN", API_TOKEN).start();
    assert_eq!(app.get("/v1/services").status, 401);
    assert_eq!(Client(&app).get(API_TOKEN, "/v1/services").status, 200);
    let (code, output) = Launch::new().with("API_READ", "closed").run_to_end();
    assert_eq!(code, Some(2));
    let expected = "API_READ: invalid value \"closed\", expected open or token";
    assert!(output.contains(expected), "{output}");
}

#[test]
fn without_a_right_to_read_readiness_says_only_the_status() {
    let launch = Launch::new().with("API_READ", "token").with("API_TOKEN", API_TOKEN);
    let app = launch.start();
    app.wait_until_ready();
    let _lock = app.db().lock();
    wait_until("the service not to be ready", || app.get("/v1/_internal/ready").status == 503);
    let client = Client(&app);
    let hidden = client.send("GET", "/v1/_internal/ready", &[], "");
    let shown = client.get(API_TOKEN, "/v1/_internal/ready");
    assert_eq!((hidden.status, shown.status), (503, 503));
    assert!(shown.body.contains("store"), "{shown:?}");
    assert!(hidden.body.contains("a token with the scope read shows why"), "{hidden:?}");
    assert!(!hidden.body.contains("store"), "{hidden:?}");
}
