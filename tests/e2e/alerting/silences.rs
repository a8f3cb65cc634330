//! `/v1/silences`.

use serde_json::{Value, json};
use service_healthcheck::clock::unix_ms;

use crate::support::{Launch, Reply, Store, stores};

stores!(a_silence_is_created_changed_and_deleted);

/// `data.silence.data`.
fn silence(reply: &Reply) -> Value {
    assert!(reply.status < 300, "{}", reply.text);
    reply.body["data"]["silence"]["data"].clone()
}

fn now_s() -> i64 {
    unix_ms().div_euclid(1_000)
}

fn a_silence_is_created_changed_and_deleted(store: Store) {
    let app = Launch::on(store).start();
    let to = now_s() + 3_600;
    let body = json!({"match": {"name": "a*"}, "to": to, "by": "ann", "note": "new disks"});
    let reply = app.send("POST", "/v1/silences", &body);
    assert_eq!((reply.status, reply.header("location")), (201, "/v1/silences/1"));
    let created = silence(&reply);
    assert_eq!((&created["state"], &created["to"]), (&json!("active"), &json!(to)));
    let matcher = json!({"group": [], "name": ["a*"], "kind": [], "severity": []});
    assert_eq!(created["match"], matcher);
    assert_eq!((&created["by"], &created["note"]), (&json!("ann"), &json!("new disks")));
    let from = created["from"].as_i64().unwrap();
    assert!((to - 3_600 - from).abs() <= 3_600, "{created}");

    let later = json!({"from": to + 60, "to": to + 120, "note": null});
    let changed = silence(&app.send("PATCH", "/v1/silences/1", &later));
    assert_eq!((&changed["state"], &changed["note"]), (&json!("pending"), &Value::Null));
    assert_eq!(changed["match"], matcher);
    assert_eq!(silence(&app.get("/v1/silences/1")), changed);
    assert_eq!(app.get("/v1/silences").list("silences"), [changed]);

    let year = json!({"match": {"name": "*"}, "to": to + 366 * 86_400});
    let refused = app.send("POST", "/v1/silences", &year);
    assert_eq!(refused.status, 422);
    assert!(refused.errors().contains("at most 366 days after from"), "{}", refused.text);
    let empty = app.send("POST", "/v1/silences", &json!({"match": {}, "to": to}));
    assert!(empty.errors().contains("match: expected at least one entry"), "{}", empty.text);

    assert_eq!(app.delete("/v1/silences/1").status, 204);
    assert_eq!(app.get("/v1/silences/1").status, 404);
    assert_eq!(app.delete("/v1/silences/1").status, 404);
}
