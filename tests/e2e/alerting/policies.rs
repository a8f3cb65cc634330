//! `/v1/policies`.

use serde_json::{Value, json};

use crate::support::{App, Launch, Reply, Store, stores};

stores!(a_policy_is_created_changed_and_deleted, policies_are_listed_in_their_order);

/// `data.policy.data`.
fn policy(reply: &Reply) -> Value {
    assert!(reply.status < 300, "{}", reply.text);
    reply.body["data"]["policy"]["data"].clone()
}

fn add_channels(app: &App, names: &[&str]) {
    for name in names {
        let keys = json!({"webhook-url": "https://hooks.example/x"});
        let body = json!({"name": name, "kind": "slack", "keys": keys});
        let reply = app.send("POST", "/v1/channels", &body);
        assert_eq!(reply.status, 201, "{}", reply.text);
    }
}

fn a_policy_is_created_changed_and_deleted(store: Store) {
    let app = Launch::on(store).start();
    add_channels(&app, &["ops", "boss"]);
    let reply = app.send("POST", "/v1/policies", &json!({"name": "all", "channels": "ops"}));
    assert_eq!((reply.status, reply.header("location")), (201, "/v1/policies/1"));
    let expected = json!({
        "id": 1, "origin": "api", "name": "all", "position": 0,
        "match": {"group": [], "name": [], "kind": [], "severity": []}, "on": ["down"],
        "severity": null, "failure_threshold": 3, "success_threshold": 2, "description": "",
        "steps": [{"after_seconds": 0.0, "channels": ["ops"]}], "group_by": ["group"],
        "group_wait_seconds": 3.0, "group_interval_seconds": 60.0, "reminder_seconds": null,
        "send_on_resolved": true, "continue": false, "quiet": [], "quiet_passes": []
    });
    assert_eq!(policy(&reply), expected);
    assert_eq!(policy(&app.get("/v1/policies/1")), expected);

    let change = json!({
        "match": {"group": ["core"], "kind": ["slo-*"]}, "on": ["down", "slo-fast"],
        "steps": [
            {"after_seconds": 0.0, "channels": ["ops"]},
            {"after_seconds": 900.0, "channels": ["boss", "ops"]}
        ],
        "reminder_seconds": 3600.0, "severity": "warning", "failure_threshold": 5,
        "group_by": ["name", "team"], "quiet_passes": ["critical"]
    });
    let changed = policy(&app.send("PATCH", "/v1/policies/1", &change));
    for (field, value) in change.as_object().unwrap() {
        match field.as_str() {
            "match" => assert_eq!(changed["match"]["group"], value["group"]),
            field => assert_eq!(changed[field], *value, "{field}"),
        }
    }
    let after = app.send("PATCH", "/v1/policies/1", &json!({"reminder_seconds": null}));
    assert_eq!(policy(&after)["reminder_seconds"], Value::Null);
    assert_eq!(policy(&after)["steps"], change["steps"]);

    let unknown = json!({"name": "x", "channels": ["ops", "nobody"]});
    let unknown = app.send("POST", "/v1/policies", &unknown);
    assert_eq!((unknown.status, unknown.errors().contains("nobody")), (422, true));
    let taken = app.send("POST", "/v1/policies", &json!({"name": "all", "channels": "ops"}));
    assert_eq!(taken.status, 409);
    assert_eq!(app.delete("/v1/policies/1").status, 204);
    assert_eq!(app.get("/v1/policies/1").status, 404);
}

fn policies_are_listed_in_their_order(store: Store) {
    let app = Launch::on(store).start();
    add_channels(&app, &["ops"]);
    for (name, position) in [("last", 9), ("first", 1), ("second", 1)] {
        let body = json!({"name": name, "position": position, "channels": ["ops"]});
        assert_eq!(app.send("POST", "/v1/policies", &body).status, 201);
    }
    let reply = app.get("/v1/policies");
    let names: Vec<&str> =
        reply.list("policies").iter().map(|policy| policy["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["first", "second", "last"]);
    let pagination = json!({"page": 1, "limit": 100, "total": 3, "pages": 1});
    assert_eq!(reply.body["data"]["policies"]["pagination"], pagination);
}
