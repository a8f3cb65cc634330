//! `POST /v1/channels/{id}/test`.

use serde_json::{Value, json};

use super::alerts::add_channel;
use crate::support::{App, Behaviour, Launch, Store, Target, stores};

fn test(app: &App, query: &str) -> Value {
    let reply = app.send("POST", &format!("/v1/channels/1/test{query}"), &Value::Null);
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.body["data"]["test"]["data"].clone()
}

stores!(a_test_reports_what_came_of_the_message);

fn a_test_reports_what_came_of_the_message(store: Store) {
    let app = Launch::on(store).start();
    let receiver = Target::healthy();
    add_channel(&app, &receiver);
    for state in ["firing", "still", "resolved", "digest"] {
        let result = test(&app, &format!("?state={state}"));
        assert_eq!((&result["state"], &result["delivered"]), (&json!(state), &json!(true)));
        assert_eq!((&result["http_status"], &result["error"]), (&json!(200), &Value::Null));
    }
    assert_eq!(receiver.request_count(), 4, "one request each");
    receiver.set_behaviour(Behaviour::Status(503));
    let failed = test(&app, "");
    assert_eq!((&failed["delivered"], &failed["http_status"]), (&json!(false), &json!(503)));
    assert!(failed["error"].as_str().unwrap().contains("503"), "{failed}");
    assert_eq!(receiver.request_count(), 5, "tried once");
    assert_eq!(app.get("/v1/deliveries").list("deliveries"), [] as [Value; 0], "nothing is stored");

    let unknown = app.send("POST", "/v1/channels/9/test", &Value::Null);
    assert_eq!(unknown.status, 404, "{}", unknown.text);
    let audit = app.get("/v1/audit?action=channel.test");
    let rows = audit.list("audit");
    assert_eq!(rows.len(), 5, "one each: {}", audit.text);
    for row in rows {
        assert_eq!(row["object"], json!({"kind": "channel", "id": 1, "name": "ops"}));
        assert_eq!((&row["actor"], &row["after"]), (&json!("this machine"), &Value::Null));
    }
    app.assert_bad_request("/v1/channels?state=firing", "state");
    let state = app.send("POST", "/v1/channels/1/test?state=missed", &Value::Null);
    assert!(state.errors().contains("state: invalid value \"missed\""), "{}", state.text);
    assert_eq!(app.get("/v1/channels/1/test").header("allow"), "POST");
}

#[test]
fn one_test_runs_at_a_time_and_ends_after_ten_seconds() {
    let app = Launch::new().start();
    let receiver = Target::start(Behaviour::Hung);
    add_channel(&app, &receiver);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| test(&app, ""));
        crate::support::wait_until("the request", || receiver.request_count() == 1);
        let second = app.send("POST", "/v1/channels/1/test", &Value::Null);
        assert_eq!((second.status, second.header("retry-after")), (429, "1"));
        let first = first.join().unwrap();
        assert_eq!(first["delivered"], false);
        assert!(first["took_ms"].as_u64().unwrap() >= 9_000, "{first}");
    });
}
