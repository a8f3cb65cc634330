//! Secrets are for the target and nobody else; changes are merged; the services file says the same in Gatus's words.

use hickory_resolver::proto::rr::RecordType;
use serde_json::{Value, json};

use crate::support::{
    Answer, App, Authority, Behaviour, Launch, NameServer, Shape, Target, Terms, basic, has_line,
    wait_for,
};

/// Everything that must not be seen, and a service that has all of it.
fn with_secrets(target: &Target) -> (Vec<String>, Value) {
    let clients = Authority::called("clients");
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

#[test]
fn secrets_are_in_no_answer_and_in_no_log() {
    let app = Launch::new().with("DEBUG", "true").start();
    let target = Target::healthy();
    let (mut secrets, service) = with_secrets(&target);
    let created = app.send("POST", "/v1/services", &service);
    assert_eq!(created.status, 201, "{}", created.text);
    let id = created.service()["id"].as_i64().unwrap();
    let path = format!("/v1/services/{id}");
    wait_for("a request", || (target.hits() > 0).then_some(()));
    assert!(has_line(&target.last_head(), &basic("ann:s3cret-basic")), "{}", target.last_head());
    assert!(has_line(&target.last_head(), "x-api-key: s3cret-header"), "{}", target.last_head());

    let job = json!({"name": "job", "url": "push://job", "heartbeat": {"token": "s3cret-beat"}});
    let pushed = app.send("POST", "/v1/services", &job);
    assert_eq!(pushed.status, 201, "{}", pushed.text);
    secrets.push("s3cret-beat".to_owned());
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

/// Waits until the target is asked with this line in the head.
fn wait_for_line(target: &Target, line: &str) {
    wait_for(&format!("a request with {line}"), || {
        has_line(&target.last_head(), line).then_some(())
    });
}

fn patch(app: &App, id: i64, change: Value) -> Value {
    let reply = app.send("PATCH", &format!("/v1/services/{id}"), &change);
    assert_eq!(reply.status, 200, "{change}: {}", reply.text);
    reply.service().clone()
}

#[test]
fn a_change_is_merged_into_what_is_there_and_null_takes_away() {
    let app = Launch::new().start();
    let target = Target::healthy();
    let id = app.add_with(&json!({
        "name": "a",
        "url": target.url(),
        "headers": {"X-One": "1", "X-Two": "2"},
        "basic_auth": {"username": "ann", "password": "first"},
        "tls": {"ca": Authority::new().pem()},
    }));
    wait_for_line(&target, &basic("ann:first"));

    let changed = patch(&app, id, json!({"basic_auth": {"password": "second"}}));
    assert_eq!(changed["basic_auth"], json!({"username": "ann", "password": "***"}));
    wait_for_line(&target, &basic("ann:second"));

    let changed = patch(&app, id, json!({"headers": {"X-One": null, "X-Three": "3"}}));
    assert_eq!(changed["headers"], json!({"X-Two": "2", "X-Three": "3"}));
    wait_for_line(&target, "x-three: 3");
    assert!(has_line(&target.last_head(), "x-two: 2"), "{}", target.last_head());
    assert!(!has_line(&target.last_head(), "x-one: 1"), "{}", target.last_head());

    let changed = patch(&app, id, json!({"tls": {"server_name": "else.example"}}));
    assert!(changed["tls"]["ca"].as_str().unwrap().contains("BEGIN CERTIFICATE"), "{changed}");
    let changed = patch(&app, id, json!({"basic_auth": null, "tls": null, "headers": null}));
    for gone in ["basic_auth", "tls", "headers"] {
        assert!(changed.get(gone).is_none_or(Value::is_null), "{gone} in {changed}");
    }
    wait_for("a request without credentials", || {
        (!target.last_head().to_lowercase().contains("authorization")).then_some(())
    });
    let half =
        app.send("PATCH", &format!("/v1/services/{id}"), &json!({"basic_auth": {"username": "b"}}));
    assert_eq!(half.status, 422, "{}", half.text);
    assert!(half.errors().contains("basic_auth.password: missing"), "{}", half.text);
}

#[test]
fn a_field_that_is_not_for_the_scheme_is_refused_by_its_name() {
    let app = Launch::new().start();
    let dns = json!({"query_name": "a", "query_type": "A"});
    for (url, field, value, told) in [
        (
            "tcp://127.0.0.1:1",
            "method",
            json!("POST"),
            "method: not for a target of this scheme (tcp)",
        ),
        ("http://a/", "expect", json!("x"), "expect: not for a target of this scheme (http)"),
        ("http://a/", "dns", dns, "dns.query_name: not for a target of this scheme (http)"),
        ("icmp://a", "insecure", json!(true), "insecure: not for a target of this scheme (icmp)"),
        ("dns://127.0.0.1", "group", json!("g"), "dns.query_name: missing"),
        ("push://job", "group", json!("g"), "heartbeat.token: missing"),
        ("tcp://127.0.0.1", "group", json!("g"), "url: \"tcp://127.0.0.1\" is not accepted"),
        (
            "http://a/",
            "headers",
            json!({"Content-Length": "1"}),
            "headers.Content-Length: \"Content-Length\"",
        ),
        ("http://a/", "tls", json!({"private_key": "-----BEGIN "}), "tls.certificate: missing"),
        ("http://a/", "tls", json!({"ca": "/etc/passwd"}), "tls.ca: the value is not accepted"),
        ("http://a/", "resolver", json!("dns.example"), "resolver: \"dns.example\""),
        ("http://a/", "basic_auth", json!("ann:pw"), "basic_auth: "),
        ("http://a/", "retries", json!(3), "retries: unknown or read-only field"),
        ("http://${HOST}/", "group", json!("g"), "url: \"http://${HOST}/\" is not accepted"),
    ] {
        let mut body = json!({"name": "a", "url": url});
        body[field] = value;
        let reply = app.send("POST", "/v1/services", &body);
        assert_eq!(reply.status, 422, "{body}: {}", reply.text);
        assert!(reply.errors().contains(told), "{told} in {}", reply.text);
    }
    let id = app.add_with(&json!({"name": "a", "url": "http://127.0.0.1:1/", "method": "POST"}));
    let path = format!("/v1/services/{id}");
    let moved = app.send("PATCH", &path, &json!({"url": "tcp://127.0.0.1:1"}));
    assert_eq!(moved.status, 422, "{}", moved.text);
    assert!(moved.errors().contains("method: not for a target"), "{}", moved.text);
}

fn with_file(launch: Launch, text: &str) -> Launch {
    std::fs::write(launch.folder().join("services.yaml"), text).unwrap();
    launch.with("SERVICES_FILE", "services.yaml")
}

#[test]
fn the_services_file_speaks_as_gatus_does() {
    let authority = Authority::new();
    let clients = Authority::called("clients");
    let client = clients.certify("client.example", Shape::Good);
    let terms = Terms::of(authority.certify("127.0.0.1", Shape::Good));
    let (secured, names) = (terms.demanding_clients_of(clients).serve(), NameServer::start());
    names.says("web.example", RecordType::A, Answer::address("127.0.0.1"));
    let there = Target::healthy();
    let here = Target::start(Behaviour::RedirectTo(there.url()));
    let launch = Launch::new();
    std::fs::write(launch.folder().join("client.pem"), client.certificate_pem()).unwrap();
    std::fs::write(launch.folder().join("client.key"), client.key_pem()).unwrap();
    let text = format!(
        r#"endpoints:
  - name: api
    url: {here}
    method: POST
    headers:
      Content-Type: application/json
    body: '{{"query": 1}}'
    client:
      ignore-redirect: true
      timeout: 5s
  - name: secured
    url: {secured}
    client:
      insecure: true
      tls:
        certificate-file: client.pem
        private-key-file: client.key
  - name: named
    url: {named}
    client:
      dns-resolver: {resolver}
  - name: names
    url: {server}
    dns:
      query-name: web.example
      query-type: A
    conditions:
      - "[DNS_RCODE] == NOERROR"
"#,
        here = here.url(),
        secured = secured.url("https"),
        named = there.url().replace("127.0.0.1", "web.example"),
        resolver = names.as_resolver(),
        server = names.address(),
    );
    let app = with_file(launch, &text).start();
    for id in 1..=4 {
        app.wait_for_state(id, "up");
    }
    assert!(here.last_head().starts_with("POST / "), "{}", here.last_head());
    assert!(has_line(&here.last_head(), "content-type: application/json"), "{}", here.last_head());
    assert_eq!(here.last_body(), r#"{"query": 1}"#);
    assert_eq!(app.service(1)["follow_redirects"], false);
    assert_eq!(app.service(1)["timeout_seconds"], 5.0);
    assert_eq!(app.service(4)["dns"]["query_type"], "A");
}

#[test]
fn variables_reach_the_target_and_nothing_else() {
    let target = Target::healthy();
    let launch = Launch::new()
        .with("PAY_TOKEN", "s3cret-token")
        .with("PAY_KEY", "s3cret-key")
        .with("DEBUG", "true");
    let text = format!(
        r#"endpoints:
  - name: api
    url: {}
    method: POST
    headers:
      Authorization: Bearer ${{PAY_TOKEN}}
      X-Price: 5$$
    body: 'key=${{PAY_KEY}}&price=$${{PAY_KEY}}'
"#,
        target.url()
    );
    let launch = with_file(launch, &text);
    let app = launch.start();
    app.wait_for_state(1, "up");
    assert!(
        has_line(&target.last_head(), "authorization: Bearer s3cret-token"),
        "{}",
        target.last_head()
    );
    assert!(has_line(&target.last_head(), "x-price: 5$"), "{}", target.last_head());
    assert_eq!(target.last_body(), "key=s3cret-key&price=${PAY_KEY}");

    let list = app.get("/v1/services").text;
    assert!(!list.contains("s3cret") && list.contains("${PAY_TOKEN}"), "{list}");
    app.wait_for_ticks(1, 3);
    let read = |name: &str| std::fs::read(launch.folder().join(name)).unwrap_or_default();
    let mut stored = [read("db.db"), read("db.db-wal")].concat();
    let log = app.stop();
    stored.extend(read("db.db"));
    let stored = String::from_utf8_lossy(&stored);
    assert!(!stored.contains("s3cret"), "the store has the names of variables only");
    assert!(stored.contains("${PAY_TOKEN}"), "and it has those");
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn a_variable_that_is_not_set_is_refused_with_its_place() {
    let text = "endpoints:\n  - name: good\n    url: http://a/\n  - name: api\n    url: http://a/\n    \
                headers:\n      Authorization: Bearer ${NOBODY_SET_THIS}\n";
    let launch = with_file(Launch::new(), text);
    let (code, said) = launch.run_to_end();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("services.yaml:7: endpoint 2 (api): "), "{said}");
    assert!(said.contains("NOBODY_SET_THIS: a variable that is not set"), "{said}");
    assert!(!launch.folder().join("db.db").exists(), "nothing was started");
}
