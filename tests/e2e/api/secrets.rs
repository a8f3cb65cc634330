//! Secrets reach the target and appear in no answer and no log.

use serde_json::{Value, json};

use crate::support::{App, Authority, Launch, Shape, Target, basic, has_line, wait_until};

/// Secrets, and a service with all of them.
fn with_secrets(target: &Target) -> (Vec<String>, Value) {
    let clients = Authority::named("clients");
    let identity = clients.certify("client.example", Shape::Good);
    let key = identity.key_pem();
    let secrets = vec![
        "s3cret-url".to_owned(),
        "s3cret-header".to_owned(),
        "s3cret-basic".to_owned(),
        "s3cret-bearer".to_owned(),
        key.lines().nth(1).unwrap().to_owned(),
    ];
    let service = json!({
        "name": "guarded",
        "url": target.url().replace("http://", "http://ann:s3cret-url@"),
        "headers": {"X-Api-Key": "s3cret-header", "X-Plain": "seen"},
        "basic_auth": {"username": "ann", "password": "s3cret-basic"},
        "bearer_token": "s3cret-bearer",
        "tls": {"certificate": identity.certificate_pem(), "private_key": key},
    });
    (secrets, service)
}

fn canary(urls: &str) -> Launch {
    Launch::new().with("SELF_CHECK_TARGETS", urls)
}

#[test]
fn secrets_are_in_no_answer_and_in_no_log() {
    let app = Launch::new().with("DEBUG", "true").start();
    let target = Target::healthy();
    let (mut secrets, service) = with_secrets(&target);
    let created = app.send("POST", "/v1/services", &service);
    assert_eq!(created.status, 201, "{}", created.text);
    let id = created.service()["id"].as_i64().unwrap();
    let path = format!("/v1/services/{id}");
    wait_until("a request", || target.request_count() > 0);
    assert!(has_line(&target.last_head(), &basic("ann:s3cret-basic")), "{}", target.last_head());
    assert!(has_line(&target.last_head(), "x-api-key: s3cret-header"), "{}", target.last_head());

    let heartbeat = json!({"token": "s3cret-beat-of-the-job"});
    let job = json!({"name": "job", "url": "push://job", "heartbeat": heartbeat});
    let pushed = app.send("POST", "/v1/services", &job);
    assert_eq!(pushed.status, 201, "{}", pushed.text);
    secrets.push("s3cret-beat-of-the-job".to_owned());
    let refused = app.send(
        "POST",
        "/v1/services",
        &json!({"name": "bad", "url": "http://a/", "bearer_token": "s3cret-bearer\n"}),
    );
    assert_eq!(refused.status, 422, "{}", refused.text);
    let changed = app.send("PATCH", &path, &json!({"group": "core"}));
    assert_eq!(changed.status, 200, "{}", changed.text);

    for reply in [created, pushed, refused, changed, app.get(&path), app.get("/v1/services")] {
        for secret in &secrets {
            assert!(!reply.text.contains(secret), "{secret} in {}", reply.text);
        }
    }
    let shown = app.service(id);
    assert_eq!(shown["headers"], json!({"X-Api-Key": "***", "X-Plain": "seen"}));
    assert_eq!(shown["basic_auth"], json!({"username": "ann", "password": "***"}));
    assert_eq!(
        (&shown["bearer_token"], &shown["tls"]["private_key"]),
        (&json!("***"), &json!("***"))
    );
    assert!(shown["url"].as_str().unwrap().contains("ann:***@"), "{shown}");

    app.wait_for_ticks(id, 3);
    let log = app.stop();
    for secret in &secrets {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[test]
fn credentials_are_masked_and_not_searchable() {
    let app = Launch::new().start();
    let headers = json!({"X-Auth": "hunter2", "X-Credentials": "hunter2", "X-Jwt": "hunter2"});
    let url = "http://bob:hunter2@127.0.0.1:1/";
    let id = app.add_with(&json!({"name": "zed", "url": url, "headers": headers}));
    let shown = json!({"X-Auth": "***", "X-Credentials": "***", "X-Jwt": "***"});
    assert_eq!(app.service(id)["headers"], shown);
    for (word, count) in [("hunter", 0), ("hunter2", 0), ("zed", 1), ("127.0.0.1", 1)] {
        let found = app.get(&format!("/v1/services?q={word}"));
        assert_eq!(found.list("services").len(), count, "{word}: {}", found.text);
        assert!(!found.text.contains("hunter2"), "{}", found.text);
    }
}

#[test]
fn variables_in_urls_from_the_api_are_not_expanded() {
    let launch = Launch::new().with("SECRET", "s3cret-env");
    let target = Target::healthy();
    let app = launch.start();
    let id = app.add("literal", &target.at("/x?t=${SECRET}"));
    let open = app.add("open", "http://127.0.0.1:1/${");
    let assert_literal = |app: &App| {
        let hits = target.request_count();
        wait_until("a request", || target.request_count() > hits);
        let (head, list) = (target.last_head(), app.get("/v1/services").text);
        assert!(head.contains("t=${SECRET}") || head.contains("t=$%7BSECRET%7D"), "{head}");
        assert!(!head.contains("s3cret-env") && !list.contains("s3cret-env"), "{head} {list}");
    };
    assert_literal(&app);
    app.stop();
    let app = launch.start();
    assert_literal(&app);
    assert!([open, id].iter().all(|id| app.change(*id, &json!({"group": "g"}))["group"] == "g"));
    assert_literal(&app);
}

#[test]
fn errors_name_the_field_and_contain_no_secret() {
    let app = Launch::new().start();
    for (field, value) in
        [("basic_auth", json!(["bob", "s3cret1"])), ("url", json!("http//u:s3cret2@h/"))]
    {
        let mut body = json!({"name": "a", "url": "http://a/"});
        body[field] = value;
        let errors = app.rejected("POST", "/v1/services", &body);
        assert!(
            errors.starts_with(&format!("{field}: ")) && !errors.contains("s3cret"),
            "{errors}"
        );
    }
    assert!(!app.stop().contains("s3cret"));
    let text = "endpoints:\n  - {name: a, url: 'http//u:s3cret2@h/'}\n  \
                - {name: b, url: 'http://b/', basic-auth: [bob, s3cret1]}\n  \
                - {name: c, url: 'http://c/', client: {timeout: 0.5ms}}\n";
    let blocked = canary("tcp://10.1.2.3:53").with("PROBE_DENY_NETWORKS", "10.0.0.0/8");
    let file = Launch::new().with_services_file(text);
    for (launch, expected) in [
        (&file, "services.yaml:2: endpoint 1 (a): url: "),
        (&file, "services.yaml:3: endpoint 2 (b): basic-auth: "),
        (&file, "services.yaml:4: endpoint 3 (c): client: timeout: "),
        (&canary("http//u:s3cret3@h/,tcp://a"), "SELF_CHECK_TARGETS: invalid value, expected URLs"),
        (&canary("http://${NOBODY_SET}/"), "environment variable NOBODY_SET not set"),
        (&blocked, "SELF_CHECK_TARGETS: invalid value tcp://10.1.2.3:53 ("),
    ] {
        let (code, output) = launch.run_to_end();
        assert!(code == Some(2) && output.contains(expected), "{expected} in {output}");
        assert!(!output.contains("s3cret"), "{output}");
    }
}
