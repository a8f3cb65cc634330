//! What a token that is limited to groups sees and changes.

use serde_json::{Value, json};

use super::{API_TOKEN, Client};
use crate::support::{Launch, Store, stores, wait_until};

stores!(a_limited_token_sees_and_changes_its_groups_alone);

fn a_limited_token_sees_and_changes_its_groups_alone(store: Store) {
    let app = Launch::on(store).with("API_TOKEN", API_TOKEN).with("API_READ", "token").start();
    let client = Client(&app);
    let add = |name: &str, group: Value| {
        client.add(&json!({"name": name, "group": group, "url": "http://127.0.0.1:9/"}))
    };
    let (core, web, alone) =
        (add("a", json!("core")), add("b", json!("web")), add("c", Value::Null));
    let (_, token) = client.create("core", &["write"], Some(&["core"]));
    let (_, ungrouped) = client.create("ungrouped", &["read"], Some(&["", "web"]));
    wait_until("each service to have an event", || {
        client.get(API_TOKEN, "/v1/events").json()["data"]["events"]["pagination"]["total"] == 3
    });
    wait_until("each service to have metrics", || {
        client.get(API_TOKEN, "/metrics").body.matches("\nprobe_success{").count() == 3
    });

    for (token, names) in [(&token, &["a"][..]), (&ungrouped, &["b", "c"])] {
        let services = client.get(token, "/v1/services");
        assert_eq!(services.names("services", "name"), names);
        assert_eq!(client.get(token, "/v1/uptime").names("uptime", "name"), names);
        assert_eq!(client.get(token, "/v1/events").names("events", "service_name"), names);
        for key in ["services", "uptime", "events"] {
            let total = &client.get(token, &format!("/v1/{key}")).json()["data"][key]["pagination"];
            assert_eq!(total["total"], names.len(), "{key}");
        }
        let overview = client.get(token, "/v1/overview").json();
        let overview = &overview["data"]["overview"]["data"];
        assert_eq!(overview["counts"]["total"], names.len(), "{overview}");
        let metrics = client.get(token, "/metrics").body;
        let lines: Vec<&str> =
            metrics.lines().filter(|line| line.starts_with("probe_success{")).collect();
        assert_eq!(lines.len(), names.len(), "{metrics}");
        let has = |name| lines.iter().any(|line| line.contains(&format!("name=\"{name}\"")));
        assert!(names.iter().all(has), "{lines:?}");
        assert!(!metrics.contains("service_healthcheck_"), "nothing about the program");
    }
    for (token, names) in [(&token, &["a"][..]), (&ungrouped, &["b", "c"])] {
        let listed = |path: &str| client.get(token, path).json()["data"].clone();
        assert_eq!(listed("/api/v1/label/name/values"), json!(names));
        let series = listed("/api/v1/series?match[]=probe_success");
        assert_eq!(series.as_array().unwrap().len(), names.len(), "{series}");
        let count = json!(names.len().to_string());
        for query in [
            "probe_success",
            // Answered from roll-ups.
            "count_over_time(probe_success%5B1d%5D)",
            "count+by+(name)+(%7Bjob=~%22.%2B%22%7D)",
        ] {
            let answer = listed(&format!("/api/v1/query?query=count({query})"));
            assert_eq!(answer["result"][0]["value"][1], count, "{query}: {answer}");
        }
    }
    let filtered = client.get(&token, "/v1/services?group=web");
    assert_eq!(filtered.names("services", "name"), [""; 0]);
    let events = client.get(&token, &format!("/v1/events?service={web}"));
    assert_eq!(events.status, 404, "{events:?}");

    let change = |id: i64, change: Value| {
        let path = format!("/v1/services/{id}");
        client.with_token(&token, "PATCH", &path, &change.to_string())
    };
    assert_eq!(change(core, json!({"interval_seconds": 5})).status, 200);
    for (id, change_of_it, status) in [
        (core, json!({"group": "web"}), 422),
        (core, json!({"group": null}), 422),
        (web, json!({"group": "core"}), 404),
        (alone, json!({"group": "core"}), 404),
    ] {
        let reply = change(id, change_of_it);
        assert_eq!(reply.status, status, "{reply:?}");
    }
    let refused = change(core, json!({"group": "web"}));
    let message = "group: invalid value \\\"web\\\", expected a group of this token: \\\"core\\\"";
    assert!(refused.body.contains(message), "{refused:?}");
    let create = |name: &str, group: Value| {
        let body = json!({"name": name, "group": group, "url": "http://127.0.0.1:9/"}).to_string();
        client.with_token(&token, "POST", "/v1/services", &body).status
    };
    assert_eq!(create("d", json!("core")), 201);
    assert_eq!((create("e", json!("web")), create("f", Value::Null)), (422, 422));
    assert_eq!(
        client.get(API_TOKEN, "/v1/services").names("services", "name"),
        ["a", "b", "c", "d"]
    );
    let delete = |id: i64| client.with_token(&token, "DELETE", &format!("/v1/services/{id}"), "");
    assert_eq!((delete(web).status, delete(core).status), (404, 204));
}
