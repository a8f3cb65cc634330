//! `/v1/alerts` and `/v1/deliveries`, of a service that goes down and up.

use serde_json::{Value, json};

use crate::support::{App, Behaviour, Launch, Store, Target, stores, wait_for, wait_until};

stores!(
    an_alert_is_listed_acknowledged_and_ends,
    a_delivered_notification_is_not_tried_again,
    overrides_of_alerts_keep_the_secrets_of_a_channel,
);

/// A webhook to `receiver`, named `ops`.
pub fn add_channel(app: &App, receiver: &Target) {
    let keys = json!({"url": receiver.url()});
    let channel = json!({"name": "ops", "kind": "webhook", "keys": keys});
    let reply = app.send("POST", "/v1/channels", &channel);
    assert_eq!(reply.status, 201, "{}", reply.text);
}

/// A policy that reports the first failure, and its end after the first success, at once.
pub fn add_policy(app: &App) {
    let policy = json!({
        "name": "all", "channels": ["ops"], "failure_threshold": 1, "success_threshold": 1,
        "group_wait_seconds": 0, "description": "call Ann"
    });
    let reply = app.send("POST", "/v1/policies", &policy);
    assert_eq!(reply.status, 201, "{}", reply.text);
}

/// The first alert that `query` selects.
pub fn wait_for_alert(app: &App, query: &str) -> Value {
    wait_for("an alert", || {
        let reply = app.get(&format!("/v1/alerts?{query}"));
        reply.list("alerts").first().cloned()
    })
}

/// `data.alert.data` of one alert.
fn alert(app: &App, id: i64) -> Value {
    let reply = app.get(&format!("/v1/alerts/{id}"));
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.body["data"]["alert"]["data"].clone()
}

fn an_alert_is_listed_acknowledged_and_ends(store: Store) {
    let app = Launch::on(store).start();
    let (receiver, target) = (Target::healthy(), Target::start(Behaviour::Status(503)));
    add_channel(&app, &receiver);
    add_policy(&app);
    let service = json!({"name": "pay", "group": "core", "url": target.url()});
    let service_id = app.add_with(&service);
    let listed = wait_for_alert(&app, "state=firing");
    let id = listed["id"].as_i64().unwrap();
    for (field, expected) in [
        ("service_id", json!(service_id)),
        ("service_name", json!("pay")),
        ("group", json!("core")),
        ("kind", json!("down")),
        ("severity", json!("critical")),
        ("suppressed_by", Value::Null),
        ("acknowledged", Value::Null),
        ("resolved_at", Value::Null),
        ("reason", json!("status")),
        ("http_status", json!(503)),
        ("url", json!(target.url())),
    ] {
        assert_eq!(listed[field], expected, "{field} of {listed}");
    }
    for (query, count) in [
        ("kind=down&group=core", 1),
        ("kind=certificate", 0),
        ("group=", 0),
        ("suppressed=silence", 0),
        ("state=resolved", 0),
    ] {
        assert_eq!(app.get(&format!("/v1/alerts?{query}")).list("alerts").len(), count, "{query}");
    }
    let shown = app.service(service_id)["alert"].clone();
    assert_eq!((&shown["id"], &shown["state"]), (&json!(id), &json!("firing")));
    assert_eq!(app.get("/v1/services").list("services")[0]["alert"], shown);

    let delivered = || alert(&app, id)["deliveries"].as_array().unwrap().len() == 1;
    wait_until("a delivery", delivered);
    let details = alert(&app, id);
    let notification = &details["notifications"][0];
    assert_eq!(notification["delivered"], notification["revision"]);
    assert_eq!(
        (&notification["state"], &notification["channel_id"]),
        (&json!("firing"), &json!(1))
    );
    assert_eq!(
        (&notification["members"], &notification["member_count"]),
        (&json!([id]), &json!(1))
    );
    let delivery = &details["deliveries"][0];
    assert_eq!((&delivery["outcome"], &delivery["error"]), (&json!("delivered"), &Value::Null));
    let list = app.get(&format!("/v1/deliveries?alert={id}&channel=1&outcome=delivered"));
    assert_eq!(list.list("deliveries"), std::slice::from_ref(delivery));
    assert_eq!(app.get("/v1/deliveries?outcome=dead").list("deliveries"), [] as [Value; 0]);

    let firing = "service_healthcheck_alerts{kind=\"down\",state=\"firing\"}";
    let sent = "service_healthcheck_deliveries_total{channel=\"ops\",outcome=\"delivered\"}";
    assert_eq!((app.wait_for_metric(firing, 1.0), app.wait_for_metric(sent, 1.0)), (1.0, 1.0));
    let due = "service_healthcheck_notifications_due";
    wait_until("an empty outbox", || app.metric(due) == Some(0.0));

    let path = format!("/v1/alerts/{id}/acknowledge");
    let given = app.send("POST", &path, &json!({"by": "ann", "note": "on it"}));
    let acknowledged = &given.body["data"]["alert"]["data"];
    assert_eq!((given.status, &acknowledged["state"]), (200, &json!("acknowledged")));
    assert_eq!(acknowledged["acknowledged"]["by"], "ann");
    assert_eq!(acknowledged["acknowledged"]["until"], Value::Null);
    assert_eq!(wait_for_alert(&app, "state=acknowledged")["id"], id);
    let taken_back = app.delete(&path);
    assert_eq!(
        (taken_back.status, &taken_back.body["data"]["alert"]["data"]["state"]),
        (200, &json!("firing"))
    );

    target.set_behaviour(Behaviour::Status(200));
    let ended = wait_for_alert(&app, "state=resolved");
    assert_eq!((&ended["id"], &ended["cause"]), (&json!(id), &json!("recovered")));
    app.wait_for_metric(sent, 2.0);
    wait_until("no open alert", || app.metric(firing) == Some(0.0));
    wait_until("the end of the alert of the service", || {
        app.service(service_id)["alert"].is_null()
    });
    let late = app.send("POST", &path, &json!({}));
    assert_eq!((late.status, late.errors().contains("has ended")), (409, true), "{}", late.text);
    let unknown = app.send("POST", "/v1/alerts/999/acknowledge", &json!({}));
    assert_eq!(unknown.status, 404, "{}", unknown.text);
    assert_eq!(app.get("/v1/alerts/999").status, 404);
    let invalid = app.send("POST", &path, &json!({"until": 5, "who": "ann"}));
    assert!(invalid.errors().contains("until: invalid value"), "{}", invalid.text);
    assert!(invalid.errors().contains("who: unknown or read-only field"), "{}", invalid.text);
}

fn a_delivered_notification_is_not_tried_again(store: Store) {
    let app = Launch::on(store).start();
    let (receiver, target) = (Target::healthy(), Target::start(Behaviour::Status(503)));
    add_channel(&app, &receiver);
    add_policy(&app);
    app.add("pay", &target.url());
    let delivery = wait_for("a delivery", || {
        let reply = app.get("/v1/deliveries");
        reply.list("deliveries").first().cloned()
    });
    let retry = |id: i64| app.send("POST", &format!("/v1/deliveries/{id}/retry"), &json!({}));
    let refused = retry(delivery["id"].as_i64().unwrap());
    assert_eq!((refused.status, refused.errors().contains("is delivered")), (409, true));
    assert_eq!(retry(999).status, 404);
    assert_eq!(app.get("/v1/deliveries/1/retry").header("allow"), "POST");
}

fn overrides_of_alerts_keep_the_secrets_of_a_channel(store: Store) {
    let app = Launch::on(store).start();
    let keys = json!({"server-url": "https://gotify.example", "token": "s3cret"});
    let channel = json!({"name": "g", "kind": "gotify", "keys": keys});
    assert_eq!(app.send("POST", "/v1/channels", &channel).status, 201);
    let service = |overrides: Value| {
        let alert = json!({"channel": "g", "provider_override": overrides});
        json!({"name": "a", "url": "http://127.0.0.1:9/", "enabled": false, "alerts": [alert]})
    };
    let evil = json!({"server-url": "https://evil.example"});
    let refused = app.send("POST", "/v1/services", &service(evil.clone()));
    let problem = "alerts.0.provider_override: server-url may send secrets of the channel \
                   elsewhere, expected token too";
    assert_eq!((refused.status, refused.errors()), (422, problem.to_owned()));
    let id = app.add_with(&service(json!({"priority": 7})));
    let change = json!({"alerts": service(evil)["alerts"]});
    let refused = app.send("PATCH", &format!("/v1/services/{id}"), &change);
    assert_eq!((refused.status, refused.errors()), (422, problem.to_owned()));
    let own = service(json!({"server-url": "https://own.example", "token": "own"}));
    let change = json!({"alerts": own["alerts"]});
    assert_eq!(app.send("PATCH", &format!("/v1/services/{id}"), &change).status, 200);
}
