//! `/v1/audit`: who changed what, from where, without secrets.

use serde_json::{Value, json};
use service_healthcheck::clock::unix_ms;

use crate::alerting::alerts::{add_channel, add_policy, wait_for_alert};
use crate::support::{App, Behaviour, Launch, Reply, Store, Target, stores};

stores!(changes_are_listed_with_actor_and_address, an_acknowledgement_is_a_change,);

const TOKEN: &str = "s3cret-s3cret-s3cret";

/// A request with the token that a proxy on this machine has forwarded.
fn send(app: &App, method: &str, path: &str, body: &Value) -> Reply {
    let authorization = format!("Bearer {TOKEN}");
    let headers = [
        ("content-type", "application/json"),
        ("authorization", authorization.as_str()),
        ("x-forwarded-for", "1.1.1.1, 192.0.2.7"),
    ];
    let reply = app.request(method, path, &headers, &body.to_string());
    assert!(reply.status < 300, "{method} {path}: {}", reply.text);
    reply
}

fn changes(app: &App, query: &str) -> Vec<Value> {
    let reply = send(app, "GET", &format!("/v1/audit?{query}"), &Value::Null);
    assert!(!reply.text.contains("s3cret"), "{}", reply.text);
    reply.list("audit").to_vec()
}

fn actions(changes: &[Value]) -> Vec<&str> {
    changes.iter().map(|change| change["action"].as_str().unwrap()).collect()
}

fn changes_are_listed_with_actor_and_address(store: Store) {
    let launch =
        Launch::on(store).with("API_TOKEN", TOKEN).with("API_TRUSTED_PROXIES", "127.0.0.0/8");
    let app = launch.start();
    let service = json!({"name": "a", "url": "http://u:s3cret-1@127.0.0.1:9/",
        "headers": {"X-Api-Key": "s3cret-2"}});
    let created = send(&app, "POST", "/v1/services", &service);
    let id = created.service()["id"].clone();
    let path = format!("/v1/services/{id}");
    send(&app, "PATCH", &path, &json!({"headers": {"X-Api-Key": "s3cret-3"}, "enabled": false}));
    send(&app, "DELETE", &path, &Value::Null);
    let to = unix_ms() / 1_000 + 3_600;
    let silence = json!({"match": {"name": "a"}, "to": to, "note": "quiet"});
    send(&app, "POST", "/v1/silences", &silence);
    let all = changes(&app, "");
    let expected = ["silence.create", "service.delete", "service.update", "service.create"];
    assert_eq!(actions(&all), expected);
    for change in &all {
        assert_eq!(
            (&change["actor"], &change["address"]),
            (&json!("API_TOKEN"), &json!("192.0.2.7"))
        );
    }
    assert_eq!(all[3]["after"]["url"], "http://u:***@127.0.0.1:9/");
    assert_eq!(all[2]["before"], json!({"enabled": true, "headers": {"X-Api-Key": "***"}}));
    assert_eq!(all[2]["after"], json!({"enabled": false, "headers": {"X-Api-Key": "changed"}}));
    assert_eq!(all[2]["object"], json!({"kind": "service", "id": id, "name": "a"}));

    let of_service = changes(&app, &format!("service={id}&action=service.update"));
    assert_eq!(of_service, all[2..3]);
    assert_eq!(changes(&app, "actor=API_TOKEN"), all);
    assert_eq!(changes(&app, "actor=token%20other"), [Value::Null; 0]);
    let first = send(&app, "GET", "/v1/audit?limit=3", &Value::Null);
    let cursor = first.body["data"]["audit"]["pagination"]["next_cursor"].as_str().unwrap();
    assert_eq!(first.list("audit"), &all[..3]);
    let rest = send(&app, "GET", &format!("/v1/audit?limit=3&cursor={cursor}"), &Value::Null);
    assert_eq!(rest.list("audit"), &all[3..]);
    assert_eq!(rest.body["data"]["audit"]["pagination"]["next_cursor"], Value::Null);
    assert_eq!(app.get("/v1/audit").status, 401, "it needs the token");
    app.stop();
}

#[test]
fn without_a_trusted_proxy_the_address_is_that_of_the_connection() {
    let app = Launch::new().start();
    let headers = [("content-type", "application/json"), ("x-forwarded-for", "192.0.2.7")];
    let body = json!({"name": "a", "url": "http://127.0.0.1:9/"}).to_string();
    assert_eq!(app.request("POST", "/v1/services", &headers, &body).status, 201);
    let change = app.data("audit", "/v1/audit")[0].clone();
    assert_eq!(
        (&change["actor"], &change["address"]),
        (&json!("this machine"), &json!("127.0.0.1"))
    );
    app.assert_bad_request("/v1/audit?action=service", "action: invalid value \"service\"");
    app.assert_bad_request("/v1/audit?cursor=x", "cursor: invalid value \"x\"");
}

fn an_acknowledgement_is_a_change(store: Store) {
    let app = Launch::on(store).start();
    let (receiver, target) = (Target::healthy(), Target::start(Behaviour::Status(503)));
    add_channel(&app, &receiver);
    add_policy(&app);
    app.add("pay", &target.url());
    let id = wait_for_alert(&app, "state=firing")["id"].clone();
    let path = format!("/v1/alerts/{id}/acknowledge");
    for note in ["looking", "found it"] {
        let reply = app.send("POST", &path, &json!({"by": "ann", "note": note}));
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    assert_eq!(app.delete(&path).status, 200);
    assert_eq!(app.delete(&path).status, 200, "again");
    let all = app.data("audit", "/v1/audit");
    let all = all.as_array().unwrap();
    let expected =
        ["alert.unacknowledge", "alert.acknowledge", "alert.acknowledge", "service.create"];
    assert_eq!(&actions(all)[..4], expected);
    let note = |note: &str| json!({"by": "ann", "note": note});
    assert_eq!((&all[0]["before"], &all[0]["after"]), (&note("found it"), &Value::Null));
    assert_eq!(all[1]["after"], json!({"note": "found it"}));
    assert_eq!((&all[2]["before"], &all[2]["after"]), (&Value::Null, &note("looking")));
    assert_eq!(all[0]["object"], json!({"kind": "alert", "id": id, "name": "pay"}));
}
