//! Silences and maintenance of a token that is limited to groups.

use serde_json::{Value, json};
use service_healthcheck::clock::unix_ms;

use super::client::Response;
use super::{API_TOKEN, Client};
use crate::support::{Launch, Store, stores};

stores!(
    a_limited_token_silences_alerts_of_its_groups_alone,
    a_limited_token_plans_maintenance_of_its_groups_alone,
);

/// Sends a request, and checks the status of its response.
fn send(
    client: &Client<'_>,
    token: &str,
    (method, path): (&str, &str),
    body: &Value,
    status: u16,
) -> Response {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let reply = client.with_token(token, method, path, &body);
    assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
    reply
}

/// The ids of a list, in its order.
fn ids(client: &Client<'_>, token: &str, list: &str) -> Vec<i64> {
    let path = format!("/v1/{list}");
    let body = send(client, token, ("GET", &path), &Value::Null, 200).json();
    let items = body["data"][list]["data"].as_array().unwrap();
    assert_eq!(body["data"][list]["pagination"]["total"], items.len());
    items.iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

fn a_limited_token_silences_alerts_of_its_groups_alone(store: Store) {
    let app = Launch::on(store).with("API_TOKEN", API_TOKEN).with("API_READ", "token").start();
    let client = Client(&app);
    let (_, core) = client.create("core", &["write"], Some(&["core"]));
    let to = unix_ms() / 1_000 + 3_600;
    let silence = |matcher: Value| json!({"match": matcher, "to": to, "note": "quiet"});
    for matcher in [
        json!({"name": "web-*", "group": "web"}),
        json!({"group": ["web", "c*"], "name": "db-*"}),
        json!({"name": "*"}),
    ] {
        send(&client, API_TOKEN, ("POST", "/v1/silences"), &silence(matcher), 201);
    }
    assert_eq!(ids(&client, &core, "silences"), [2, 3], "those that concern its services");
    let shown = send(&client, &core, ("GET", "/v1/silences/2"), &Value::Null, 200).json();
    let matcher = &shown["data"]["silence"]["data"]["match"];
    assert_eq!(matcher["group"], json!(["c*"]), "without other groups");

    for (path, status) in
        [("/v1/silences/1", 404), ("/v1/silences/2", 403), ("/v1/silences/3", 403)]
    {
        send(&client, &core, ("PATCH", path), &json!({"note": "x"}), status);
        send(&client, &core, ("DELETE", path), &Value::Null, status);
    }
    send(&client, &core, ("GET", "/v1/silences/1"), &Value::Null, 404);

    let create = |matcher: Value, status| {
        send(&client, &core, ("POST", "/v1/silences"), &silence(matcher), status)
    };
    for matcher in [json!({"name": "*"}), json!({"group": "c*"}), json!({"group": ["core", "web"]})]
    {
        let refused = create(matcher, 403);
        let expected = "expected one or more groups of this token, without *: \\\"core\\\"";
        assert!(refused.body.contains("match.group: invalid value"), "{refused:?}");
        assert!(refused.body.contains(expected), "{refused:?}");
    }
    create(json!({"name": "a*", "group": "core"}), 201);
    let path = "/v1/silences/4";
    send(&client, &core, ("PATCH", path), &json!({"match": {"group": "web"}}), 403);
    send(&client, &core, ("PATCH", path), &json!({"note": "longer"}), 200);
    assert_eq!(ids(&client, &core, "silences"), [2, 3, 4]);

    let page = client.get(&core, "/alerts").body;
    assert!(!page.contains("/channels") && !page.contains("web-*"), "{page}");
    assert!(page.contains("/silences/4/delete") && !page.contains("/silences/3/delete"), "{page}");
    assert_eq!(client.get(&core, "/channels").status, 403);
    send(&client, &core, ("POST", "/silences/3/delete"), &Value::Null, 403);
    send(&client, &core, ("POST", "/silences/4/delete"), &Value::Null, 303);
    assert_eq!(ids(&client, API_TOKEN, "silences"), [1, 2, 3]);
    assert!(client.get(API_TOKEN, "/alerts").body.contains("href=\"/channels\""));
    let (_, read) = client.create("read", &["read"], Some(&["core"]));
    send(&client, &read, ("POST", "/v1/silences"), &silence(json!({"group": "core"})), 403);
}

fn a_limited_token_plans_maintenance_of_its_groups_alone(store: Store) {
    let app = Launch::on(store).with("API_TOKEN", API_TOKEN).with("API_READ", "token").start();
    let client = Client(&app);
    let add = |name: &str, group: &str| {
        let url = "http://127.0.0.1:9/";
        client.add(&json!({"name": name, "group": group, "url": url, "enabled": false}))
    };
    let (own, other) = (add("a", "core"), add("b", "web"));
    let (_, core) = client.create("core", &["write"], Some(&["core"]));
    let of = |scope: Value| {
        let mut body = json!({"start": "23:00", "duration": "1h", "note": "disks"});
        body.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
        body
    };
    let all = ("POST", "/v1/maintenance");
    for scope in [
        json!({"match": {"group": ["web"]}}),
        json!({"service_ids": [own, other]}),
        json!({}),
        json!({"service_ids": [other]}),
    ] {
        send(&client, API_TOKEN, all, &of(scope), 201);
    }
    assert_eq!(ids(&client, &core, "maintenance"), [2, 3]);
    let shown = send(&client, &core, ("GET", "/v1/maintenance/2"), &Value::Null, 200).json();
    assert_eq!(shown["data"]["maintenance"]["data"]["service_ids"], json!([own]));
    for (id, status) in [(1, 404), (2, 403), (3, 403), (4, 404)] {
        let path = format!("/v1/maintenance/{id}");
        send(&client, &core, ("PATCH", &path), &json!({"note": "x"}), status);
        send(&client, &core, ("DELETE", &path), &Value::Null, status);
        let edit = format!("/maintenance/{id}/edit");
        send(&client, &core, ("GET", &edit), &Value::Null, status);
    }

    for scope in
        [json!({}), json!({"match": {"group": ["web"]}}), json!({"match": {"name": ["a"]}})]
    {
        let refused = send(&client, &core, all, &of(scope), 403);
        assert!(refused.body.contains("match.group: invalid value"), "{refused:?}");
    }
    let ids_of = |service: i64| of(json!({"service_ids": [own, service]}));
    let hidden = send(&client, &core, all, &ids_of(other), 422).body;
    let missing = send(&client, &core, all, &ids_of(4_711), 422).body;
    assert_eq!(
        hidden.replace(&format!("service {other}"), "service 4711"),
        missing,
        "as if absent"
    );
    send(&client, &core, all, &of(json!({"service_ids": [own]})), 201);
    send(&client, &core, all, &of(json!({"match": {"group": ["core"]}})), 201);
    let path = ("PATCH", "/v1/maintenance/5");
    send(&client, &core, path, &json!({"service_ids": [own, other]}), 422);
    send(&client, &core, path, &json!({"duration": "2h"}), 200);

    let page = client.get(&core, "/maintenance").body;
    assert!(page.contains("/maintenance/5/edit") && page.contains("/maintenance/6/edit"), "{page}");
    assert!(!page.contains("/maintenance/3/edit") && !page.contains("id=\"m1\""), "{page}");
    send(&client, &core, ("POST", "/maintenance/2/delete"), &Value::Null, 403);
    send(&client, &core, ("POST", "/maintenance/6/delete"), &Value::Null, 303);
    send(&client, &core, ("DELETE", "/v1/maintenance/5"), &Value::Null, 204);
    assert_eq!(ids(&client, API_TOKEN, "maintenance"), [1, 2, 3, 4]);
}
