//! Changes of a service: merged, validated, effective from the next probe.

use serde_json::{Value, json};

use crate::support::{
    Authority, Behaviour, Launch, Store, Target, basic, has_line, stores, wait_for, wait_until,
};

stores!(
    a_change_takes_effect_from_the_next_probe_and_a_delete_stops_probing,
    a_change_is_merged_and_null_removes_a_field,
);

/// Waits until a request with this header line arrives.
fn wait_for_line(target: &Target, line: &str) {
    wait_for(&format!("a request with {line}"), || {
        has_line(&target.last_head(), line).then_some(())
    });
}

fn a_change_takes_effect_from_the_next_probe_and_a_delete_stops_probing(store: Store) {
    let app = Launch::on(store).start();
    let (first, second) = (Target::healthy(), Target::healthy());
    let id = app.add("a", &first.url());
    app.wait_for_ticks(id, 2);
    let path = format!("/v1/services/{id}");
    app.send("PATCH", &path, &json!({"url": second.url()}));
    wait_until("the second target to be probed", || second.request_count() > 2);
    let (before, ticks) =
        (first.request_count(), app.service(id)["metric"]["data"]["tick_count"].clone());
    assert!(ticks.as_u64().unwrap() >= 2, "the history stays");
    app.send("PATCH", &path, &json!({"enabled": false}));
    assert_eq!(app.service(id)["state"], "paused");
    app.send("PATCH", &path, &json!({"enabled": true}));
    let resumed = second.request_count();
    wait_until("probing to continue", || second.request_count() > resumed);
    assert!(first.request_count() <= before + 1, "at most the running probe");

    app.delete(&path);
    let other = app.add("b", &first.url());
    app.wait_for_ticks(other, 1);
    let stopped = second.request_count();
    app.wait_for_ticks(other, 5);
    assert!(second.request_count() <= stopped + 1, "at most the running probe");
    app.db().assert_consistent();
}

#[test]
fn a_change_takes_effect_and_keeps_other_fields() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::Hops);
    let id = app.add_with(&json!({
        "name": "a", "url": target.at("/hops/3"), "max_redirects": 0, "headers": {"X-Key": "1"}
    }));
    assert_eq!(app.change(id, &json!({"max_redirects": 5}))["max_redirects"], 5);
    wait_until("redirects to be followed", || target.last_head().starts_with("GET /hops/0 "));
    app.change(id, &json!({"max_redirects": 3}));
    app.change(id, &json!({"follow_redirects": false}));
    assert_eq!(app.change(id, &json!({"follow_redirects": true}))["max_redirects"], 3);
    let changed = app.change(id, &json!({"headers": {"x-key": null}}));
    assert!(changed.get("headers").is_none_or(Value::is_null), "{changed}");
    let dns = json!({"query_name": "a.example", "query_type": "A"});
    let id = app.add_with(&json!({"name": "dns", "url": "127.0.0.1", "dns": dns}));
    assert_eq!(app.change(id, &json!({"url": "127.0.0.2"}))["url"], "dns://127.0.0.2");
}

fn a_change_is_merged_and_null_removes_a_field(store: Store) {
    let app = Launch::on(store).start();
    let target = Target::healthy();
    let id = app.add_with(&json!({
        "name": "a",
        "url": target.url(),
        "headers": {"X-One": "1", "X-Two": "2"},
        "basic_auth": {"username": "ann", "password": "first"},
        "tls": {"ca": Authority::new().pem()},
    }));
    wait_for_line(&target, &basic("ann:first"));

    let changed = app.change(id, &json!({"basic_auth": {"password": "second"}}));
    assert_eq!(changed["basic_auth"], json!({"username": "ann", "password": "***"}));
    wait_for_line(&target, &basic("ann:second"));

    let changed = app.change(id, &json!({"headers": {"X-One": null, "X-Three": "3"}}));
    assert_eq!(changed["headers"], json!({"X-Two": "2", "X-Three": "3"}));
    wait_for_line(&target, "x-three: 3");
    assert!(has_line(&target.last_head(), "x-two: 2"), "{}", target.last_head());
    assert!(!has_line(&target.last_head(), "x-one: 1"), "{}", target.last_head());

    let changed = app.change(id, &json!({"tls": {"server_name": "else.example"}}));
    assert!(changed["tls"]["ca"].as_str().unwrap().contains("BEGIN CERTIFICATE"), "{changed}");
    let changed = app.change(id, &json!({"basic_auth": null, "tls": null, "headers": null}));
    for gone in ["basic_auth", "tls", "headers"] {
        assert!(changed.get(gone).is_none_or(Value::is_null), "{gone} in {changed}");
    }
    wait_until("a request without credentials", || {
        !target.last_head().to_lowercase().contains("authorization")
    });
    let half =
        app.send("PATCH", &format!("/v1/services/{id}"), &json!({"basic_auth": {"username": "b"}}));
    assert_eq!(half.status, 422, "{}", half.text);
    assert!(half.errors().contains("basic_auth.password: required"), "{}", half.text);
}

#[test]
fn an_invalid_change_is_rejected_by_field_and_probing_continues() {
    let app = Launch::new().start();
    let target = Target::healthy();
    let id = app.add("a", &target.url());
    let ca = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (change, expected) in [
        (json!({"tls": {"ca": ca}}), "tls.ca: "),
        (json!({"tls.min_version": "1.3"}), "tls.min_version: unknown or read-only field"),
        (json!({"basic_auth.username": "ann"}), "basic_auth.username: unknown or read-only field"),
    ] {
        assert!(
            app.rejected("PATCH", &format!("/v1/services/{id}"), &change).contains(expected),
            "{expected}"
        );
    }
    assert!(app.service(id).get("tls").is_none_or(Value::is_null), "nothing was changed");
    let ticks = app.wait_for_ticks(id, 1)["metric"]["data"]["tick_count"].as_u64().unwrap();
    assert_eq!(app.wait_for_ticks(id, ticks + 2)["state"], "up");
}

#[test]
fn a_change_may_have_the_media_type_of_a_merge_patch() {
    let app = Launch::new().start();
    let id = app.add("a", "http://127.0.0.1:1/");
    let path = format!("/v1/services/{id}");
    for (method, path, content_type, status) in [
        ("PATCH", path.as_str(), "application/merge-patch+json", 200),
        ("PATCH", &path, "Application/Merge-Patch+JSON; charset=utf-8", 200),
        ("PATCH", &path, "application/json", 200),
        ("PATCH", &path, "application/json-patch+json", 415),
        ("PATCH", &path, "text/plain", 415),
        ("POST", "/v1/services", "application/merge-patch+json", 415),
    ] {
        let headers = [("content-type", content_type)];
        let reply = app.request(method, path, &headers, "{\"group\": \"g\"}");
        assert_eq!(reply.status, status, "{method} {content_type}: {}", reply.text);
    }
    // A page of another origin can send a body without a type, and without a preflight.
    for (method, path) in [("PATCH", path.as_str()), ("POST", "/v1/services")] {
        let reply = app.request(method, path, &[], "{\"group\": \"h\"}");
        assert_eq!(reply.status, 415, "{method}: {}", reply.text);
    }
    assert_eq!(app.service(id)["group"], "g");
}
