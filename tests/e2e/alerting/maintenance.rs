//! Alerts of services under maintenance.

use serde_json::json;

use crate::support::{Behaviour, Launch, Receiver, Store, Target, stores, wait_for};

stores!(an_alert_under_maintenance_is_delivered_once_it_ends,);

fn an_alert_under_maintenance_is_delivered_once_it_ends(store: Store) {
    let app = Launch::on(store).start();
    let (receiver, target) = (Receiver::start(), Target::healthy());
    receiver.create_channel(&app, "hook");
    let add = |name: &str| {
        let rule = json!({"channel": "hook", "failure_threshold": 1, "success_threshold": 1});
        app.add_with(&json!({"name": name, "url": target.url(), "alerts": [rule]}))
    };
    let (planned, other) = (add("planned"), add("other"));
    app.wait_for_state(planned, "up");
    app.wait_for_state(other, "up");
    let body = json!({"start": "00:00", "duration": "24h", "service_ids": [planned]});
    let made = app.send("POST", "/v1/maintenance", &body);
    assert_eq!(made.status, 201, "{}", made.text);
    target.set_behaviour(Behaviour::Status(503));
    receiver.wait_for_states("other", &["firing"]);
    let suppressed = wait_for("the alert to be suppressed", || {
        let alerts = app.get("/v1/alerts?suppressed=maintenance");
        alerts.list("alerts").first().cloned()
    });
    assert_eq!(suppressed["service_name"], "planned", "{suppressed}");
    assert_eq!(receiver.states_of("planned"), Vec::<String>::new());
    let id = &made.body["data"]["maintenance"]["data"]["id"];
    assert_eq!(app.delete(&format!("/v1/maintenance/{id}")).status, 204);
    receiver.wait_for_states("planned", &["firing"]);
}
