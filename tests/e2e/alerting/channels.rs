//! `/v1/channels` and `/v1/channel-kinds`.

use serde_json::{Value, json};

use crate::support::{App, Launch, Reply, Store, stores};

stores!(
    a_channel_is_created_changed_and_deleted,
    secrets_of_a_channel_are_masked_and_kept_by_their_mask,
    a_channel_that_a_policy_names_stays,
    channels_of_the_services_file_are_read_only,
);

const TOKEN: &str = "token-of-the-api";

/// `data.channel.data`.
fn channel(reply: &Reply) -> Value {
    assert!(reply.status < 300, "{}", reply.text);
    reply.body["data"]["channel"]["data"].clone()
}

fn slack(name: &str) -> Value {
    json!({"name": name, "kind": "slack", "keys": {"webhook-url": "https://hooks.example/s3cret"}})
}

fn create(app: &App, body: &Value) -> Value {
    channel(&app.send("POST", "/v1/channels", body))
}

fn a_channel_is_created_changed_and_deleted(store: Store) {
    let app = Launch::on(store).start();
    let reply = app.send("POST", "/v1/channels", &slack("ops"));
    assert_eq!((reply.status, reply.header("location")), (201, "/v1/channels/1"));
    let expected = json!({
        "id": 1, "origin": "api", "name": "ops", "kind": "slack", "enabled": true,
        "keys": {"webhook-url": "https://hooks.example/***"}, "client": {}, "overrides": [],
        "title": null, "message": null, "system": false, "refill_seconds": null, "quiet": [],
        "quiet_passes": [], "failing_since": null
    });
    assert_eq!(channel(&reply), expected);
    assert_eq!(app.get("/v1/channels/1/").body["data"]["channel"]["data"], expected);
    assert_eq!(app.send("POST", "/v1/channels", &slack("ops")).status, 409, "the name is taken");

    let change = json!({
        "name": "night", "enabled": false, "client": {"timeout": "5s"}, "system": true,
        "quiet": [{"start": "22:00", "duration": "8h", "timezone": "Europe/Berlin"}],
        "overrides": [{"group": "core", "webhook-url": "https://hooks.example/core"}]
    });
    let changed = channel(&app.send("PATCH", "/v1/channels/1", &change));
    for field in ["name", "enabled", "client", "system", "quiet"] {
        assert_eq!(changed[field], change[field], "{field}");
    }
    let masked = json!([{"group": "core", "webhook-url": "https://hooks.example/***"}]);
    assert_eq!((&changed["overrides"], &changed["keys"]), (&masked, &expected["keys"]));
    let reset = json!({"client": null, "overrides": null, "quiet": [], "enabled": true});
    let reset = channel(&app.send("PATCH", "/v1/channels/1", &reset));
    assert_eq!((&reset["client"], &reset["overrides"]), (&json!({}), &json!([])));

    create(&app, &slack("a"));
    let list = app.get("/v1/channels?limit=1&page=2");
    assert_eq!(list.list("channels")[0]["name"], "night", "by name");
    let pagination = json!({"page": 2, "limit": 1, "total": 2, "pages": 2});
    assert_eq!(list.body["data"]["channels"]["pagination"], pagination);

    assert_eq!(app.delete("/v1/channels/1").status, 204);
    for (method, body) in [("GET", json!(null)), ("PATCH", json!({})), ("DELETE", json!(null))] {
        let reply = app.send(method, "/v1/channels/1", &body);
        assert_eq!((reply.status, reply.errors()), (404, "record not found".to_owned()));
    }
    assert_eq!(app.get("/v1/channels/0").status, 400);
    assert_eq!(app.send("PUT", "/v1/channels", &json!({})).header("allow"), "GET, HEAD, POST");
}

fn secrets_of_a_channel_are_masked_and_kept_by_their_mask(store: Store) {
    let app = Launch::on(store).with("DEBUG", "true").start();
    let body = json!({
        "name": "g", "kind": "gotify",
        "keys": {"server-url": "https://u:s3cret-url@gotify.example", "token": "s3cret-token"},
        "client": {"proxy-url": "http://u:s3cret-proxy@proxy.example:3128"},
        "overrides": [{"group": "core", "token": "s3cret-core"}]
    });
    let created = app.send("POST", "/v1/channels", &body);
    let shown = channel(&created);
    assert_eq!(shown["keys"]["token"], "***");
    assert_eq!(shown["keys"]["server-url"], "https://u:***@gotify.example");

    // The response itself changes nothing.
    let mut sent_back = shown.clone();
    let fields = sent_back.as_object_mut().unwrap();
    ["id", "origin", "failing_since"].iter().for_each(|name| drop(fields.remove(*name)));
    let kept = app.send("PATCH", "/v1/channels/1", &sent_back);
    assert_eq!(channel(&kept), shown);
    let stored = |secret: &str| {
        let query = format!("SELECT count(*) FROM channels WHERE options LIKE '%{secret}%'");
        app.db().number(&query)
    };
    for secret in ["s3cret-url", "s3cret-token", "s3cret-proxy", "s3cret-core"] {
        assert_eq!(stored(secret), 1, "{secret}");
    }

    let elsewhere = json!({"keys": {"server-url": "https://evil.example"}});
    let refused = app.send("PATCH", "/v1/channels/1", &elsewhere);
    assert_eq!(refused.status, 422);
    for path in ["keys.token", "overrides[0].token", "client.proxy-url"] {
        let problem = format!(
            "{path}: required in clear, or null: a change of keys.server-url may send the stored \
             secret elsewhere"
        );
        assert!(refused.errors().contains(&problem), "{problem} in {}", refused.errors());
    }
    let given = json!({
        "keys": {"server-url": "https://evil.example", "token": "own"}, "overrides": null,
        "client": null
    });
    let given = app.send("PATCH", "/v1/channels/1", &given);
    assert_eq!(channel(&given)["keys"]["server-url"], "https://evil.example");
    let masked = json!({"name": "h", "kind": "gotify", "keys": {"token": "***"}});
    let masked = app.send("POST", "/v1/channels", &masked);
    assert!(masked.errors().contains("keys.token: invalid value, expected the value itself"));

    for reply in [created, kept, refused, given, masked, app.get("/v1/channels")] {
        assert!(!reply.text.contains("s3cret"), "{}", reply.text);
    }
    assert!(!app.stop().contains("s3cret"));
}

fn a_channel_that_a_policy_names_stays(store: Store) {
    let app = Launch::on(store).start();
    create(&app, &slack("ops"));
    let policy = json!({"name": "all", "channels": ["ops"]});
    assert_eq!(app.send("POST", "/v1/policies", &policy).status, 201);
    let deleted = app.delete("/v1/channels/1");
    assert_eq!((deleted.status, deleted.errors().contains("all")), (409, true));
    assert_eq!(app.delete("/v1/policies/1").status, 204);
    assert_eq!(app.delete("/v1/channels/1").status, 204);
}

fn channels_of_the_services_file_are_read_only(store: Store) {
    let file = "
        alerting: {slack: {webhook-url: \"${SLACK_URL}\"}}
        endpoints:
          - {name: a, url: \"http://127.0.0.1:9/\", enabled: false, alerts: [{type: slack}]}
    ";
    let launch = Launch::on(store).with("SLACK_URL", "https://hooks.example/s3cret");
    let app = launch.with_services_file(file).start();
    let shown = channel(&app.get("/v1/channels/1"));
    assert_eq!((&shown["name"], &shown["origin"]), (&json!("slack"), &json!("file")));
    assert_eq!(shown["keys"]["webhook-url"], "${SLACK_URL}", "a variable is shown by its name");
    for (method, body) in [("PATCH", json!({"enabled": false})), ("DELETE", Value::Null)] {
        let reply = app.send(method, "/v1/channels/1", &body);
        let problem = "id: channel 1 (slack) belongs to the services file and is read-only here";
        assert_eq!((reply.status, reply.errors().starts_with(problem)), (409, true), "{method}");
    }
    assert_eq!(channel(&app.get("/v1/channels/1")), shown);
    assert!(!app.stop().contains("s3cret"));
}

#[test]
fn every_mistake_of_a_channel_is_named() {
    let app = Launch::new().start();
    let reply = app.send(
        "POST",
        "/v1/channels",
        &json!({
            "name": "", "kind": "ntfy", "id": 4, "keys": {"priority": 9, "topc": "t"},
            "client": {"timeout": "1h"}, "quiet": [{"start": "soon"}]
        }),
    );
    assert_eq!(reply.status, 422);
    for problem in [
        "name: invalid value \"\", expected a text of 1 to 255 characters",
        "id: unknown or read-only field, expected one of name, kind",
        "keys.priority: invalid value 9, expected 1 to 5",
        "keys.topc: unknown key, did you mean topic?",
        "keys.topic: missing",
        "client.timeout: invalid value \"1h\"",
        "quiet[0].start: invalid value",
        "quiet[0].duration: required",
    ] {
        assert!(reply.errors().contains(problem), "{problem} in {}", reply.errors());
    }
    let unknown = app.send("POST", "/v1/channels", &json!({"name": "a", "kind": "slak"}));
    assert!(unknown.errors().contains("kind: invalid value \"slak\", expected one of "));
}

#[test]
fn every_kind_is_listed_with_its_keys() {
    let app = Launch::new().start();
    let reply = app.get("/v1/channel-kinds");
    let kinds = reply.list("channel_kinds");
    let slack = kinds.iter().find(|kind| kind["name"] == "slack").unwrap();
    assert_eq!(slack["class"], "chat");
    let key = |kind: &Value, name: &str| {
        let keys = kind["keys"].as_array().unwrap();
        keys.iter().find(|key| key["name"] == name).unwrap().clone()
    };
    let expected = json!({
        "name": "webhook-url", "required": true, "secret": true, "type": "url",
        "expected": "an http:// or https:// URL", "default": null
    });
    assert_eq!(key(slack, "webhook-url"), expected);
    let ntfy = kinds.iter().find(|kind| kind["name"] == "ntfy").unwrap();
    assert_eq!(key(ntfy, "priority")["default"], 3);
    assert_eq!(app.get("/v1/channel-kinds?limit=1").list("channel_kinds").len(), 1);
}

#[test]
fn reads_of_channels_require_the_token_when_there_is_one() {
    let app = Launch::new().with("API_TOKEN", TOKEN).start();
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let created = app.request("POST", "/v1/channels", &headers, &slack("ops").to_string());
    assert_eq!(created.status, 201, "{}", created.text);
    for path in ["/v1/channels", "/v1/channels/1", "/v1/channels/1/"] {
        let refused = app.get(path);
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, "Bearer"), "{path}");
        assert!(refused.errors().contains("this read requires"), "{}", refused.text);
        assert_eq!(app.request("GET", path, &headers, "").status, 200, "{path}");
    }
    for open in
        ["/v1/channel-kinds", "/v1/policies", "/v1/silences", "/v1/alerts", "/v1/deliveries"]
    {
        assert_eq!(app.get(open).status, 200, "{open}");
    }
    assert_eq!(app.send("POST", "/v1/silences", &json!({})).status, 401);
}
