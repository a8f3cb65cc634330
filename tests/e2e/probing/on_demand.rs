//! Probes on demand.

use serde_json::{Value, json};

use crate::support::{App, Behaviour, Launch, Store, Target, stores, wait_until};

stores!(an_on_demand_probe_is_run_and_recorded,);

fn probe_now(app: &App, id: i64) -> (u16, Value) {
    let reply = app.send("POST", &format!("/v1/services/{id}/probe"), &Value::Null);
    (reply.status, reply.body["data"]["probe"]["data"].clone())
}

fn an_on_demand_probe_is_run_and_recorded(store: Store) {
    let app = Launch::on(store).start();
    let target = Target::start(Behaviour::Status(503));
    let id = app.add_with(&json!({
        "name": "a", "url": target.url(), "interval_seconds": 3600,
        "conditions": ["[STATUS] == 200", "[CONNECTED] == true"]
    }));
    app.wait_for_ticks(id, 1);
    let (status, probe) = probe_now(&app, id);
    assert_eq!(
        (status, &probe["success"], &probe["http_status"]),
        (200, &json!(false), &json!(503))
    );
    assert_eq!(probe["failure"]["reason"], "condition");
    assert_eq!(
        probe["conditions"],
        json!([
            {"condition": "[STATUS] (503) == 200", "success": false},
            {"condition": "[CONNECTED] == true", "success": true}
        ])
    );
    app.wait_for_ticks(id, 2);
    app.send("PATCH", &format!("/v1/services/{id}"), &json!({"enabled": false}));
    assert_eq!(probe_now(&app, id).0, 200, "a paused service is probed on demand too");
    let (status, _) = probe_now(&app, 99);
    assert_eq!(status, 404);
    app.send("PATCH", &format!("/v1/services/{id}"), &json!({"enabled": true}));
    app.wait_for_ticks(id, 3);
    app.db().assert_consistent();
}

#[test]
fn an_on_demand_probe_that_cannot_start_is_rejected_at_once() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::Hung);
    let id = app.add("a", &target.url());
    wait_until("a running probe", || target.request_count() > 0);
    let reply = app.send("POST", &format!("/v1/services/{id}/probe"), &Value::Null);
    assert_eq!(reply.status, 429, "{}", reply.text);
    assert_eq!(reply.header("retry-after"), "1");
}
