//! A client that changes where a service's request goes does not have the stored secrets sent
//! there.

use serde_json::{Value, json};

use crate::support::{App, Launch, Target, basic, has_line, wait_until};

/// Fields of a response that a request may not have.
const READ_ONLY: [&str; 10] = [
    "id",
    "origin",
    "state",
    "flapping",
    "alert",
    "current_status",
    "latest_event",
    "metric",
    "created_at",
    "updated_at",
];

fn guarded(target: &Target) -> Value {
    json!({
        "name": "guarded", "url": target.at("/?api_key=s3cret-query&page=2"), "method": "POST",
        "headers": {"X-Api-Key": "s3cret-header"}, "body": "s3cret-body",
        "basic_auth": {"username": "ann", "password": "s3cret-basic"}
    })
}

fn wait_for_request(target: &Target) {
    let before = target.request_count();
    wait_until("a request", || target.request_count() > before);
}

fn receives_secrets(target: &Target) {
    wait_for_request(target);
    let (head, body) = (target.last_head(), target.last_body());
    assert!(head.starts_with("POST /?api_key=s3cret-query&page=2 "), "{head}");
    assert!(has_line(&head, "x-api-key: s3cret-header"), "{head}");
    assert!(has_line(&head, &basic("ann:s3cret-basic")), "{head}");
    assert_eq!(body, "s3cret-body");
}

fn assert_rejected(app: &App, path: &str, change: &Value, fields: &[&str]) {
    let errors = app.rejected("PATCH", path, change);
    let found: Vec<&str> = errors.lines().map(|error| error.split_once(": ").unwrap().0).collect();
    assert_eq!(found, fields, "{change}: {errors}");
    assert!(!errors.contains("s3cret"), "{errors}");
}

#[test]
fn stored_secrets_are_not_sent_to_another_target() {
    let app = Launch::new().start();
    let (own, other) = (Target::healthy(), Target::healthy());
    let id = app.add_with(&guarded(&own));
    let path = format!("/v1/services/{id}");
    receives_secrets(&own);

    let elsewhere = other.at("/?api_key=***");
    let beside_the_url = ["body", "basic_auth.password", "headers.X-Api-Key"];
    let all = ["url", "body", "basic_auth.password", "headers.X-Api-Key"];
    assert_rejected(&app, &path, &json!({"url": other.url()}), &beside_the_url);
    assert_rejected(&app, &path, &json!({"url": elsewhere}), &all);
    let masks = json!({
        "url": other.url(), "headers": {"x-api-key": "***"}, "body": "***",
        "basic_auth": {"username": "ann", "password": "***"}
    });
    assert_rejected(&app, &path, &masks, &beside_the_url);
    for change in [
        json!({"resolver": "udp://127.0.0.1:53"}),
        json!({"insecure": true}),
        json!({"headers": {"Host": "other.example"}}),
    ] {
        assert_rejected(&app, &path, &change, &all);
    }
    receives_secrets(&own);
    assert_eq!(other.request_count(), 0, "{}", other.last_head());

    let anew = json!({
        "url": other.at("/?api_key=new-query"), "headers": {"x-api-key": "new-header"},
        "body": null, "basic_auth": {"password": "new-basic"}
    });
    app.change(id, &anew);
    wait_for_request(&other);
    let head = other.last_head();
    assert!(has_line(&head, "x-api-key: new-header"), "{head}");
    assert!(has_line(&head, &basic("ann:new-basic")), "{head}");
    assert!(other.last_body().is_empty());
    let heads = other.heads().concat();
    assert!(!heads.contains("s3cret") && !heads.contains(&basic("ann:s3cret-basic")), "{heads}");
}

#[test]
fn a_service_as_a_response_shows_it_can_be_sent_back() {
    let app = Launch::new().start();
    let target = Target::healthy();
    let id = app.add_with(&guarded(&target));
    let mut shown = app.service(id);
    assert!(!shown.to_string().contains("s3cret"), "{shown}");
    assert_eq!(shown["url"], target.at("/?api_key=***&page=2"));
    assert_eq!((&shown["body"], &shown["headers"]), (&json!("***"), &json!({"X-Api-Key": "***"})));
    shown.as_object_mut().unwrap().retain(|key, _| !READ_ONLY.contains(&key.as_str()));
    shown["group"] = json!("core");
    assert_eq!(app.change(id, &shown)["group"], "core");
    receives_secrets(&target);

    shown["name"] = json!("copy");
    let errors = app.rejected("POST", "/v1/services", &shown);
    for field in ["url: ", "body: ", "basic_auth.password: ", "headers.X-Api-Key: "] {
        assert!(errors.lines().any(|line| line.starts_with(field)), "{field} in {errors}");
    }
}
