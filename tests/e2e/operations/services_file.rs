//! The declarative list of services.

use std::time::{Duration, Instant};

use hickory_resolver::proto::rr::RecordType;
use serde_json::json;

use crate::support::{
    Answer, Authority, Behaviour, Launch, NameServer, Shape, Store, Target, TlsServer, basic,
    has_line, stores,
};

stores!(
    a_file_adds_changes_and_removes_services_but_not_those_of_the_api,
    tens_of_thousands_of_entries_load,
);

fn a_file_adds_changes_and_removes_services_but_not_those_of_the_api(store: Store) {
    let target = Target::healthy();
    let url = target.url();
    let launch = Launch::on(store).with_services_file(&format!(
        "endpoints:\n  - {{name: stays, url: '{url}'}}\n  - {{name: changes, group: one, url: \
             '{url}'}}\n  \
             - {{name: goes, url: '{url}'}}\n"
    ));
    let app = launch.start();
    let from_api = app.add("from-api", &url);
    app.wait_for_ticks(2, 2);
    app.stop();

    let launch = launch.with_services_file(&format!(
        "endpoints:\n  - {{name: new, url: '{url}', enabled: false}}\n  - {{name: stays, url: \
             '{url}'}}\n  \
             - {{name: changes, group: two, url: '{url}', interval: 300ms, client: {{timeout: \
             1m30s}}}}\n"
    ));
    let app = launch.start();
    let changed = app.service(2);
    assert_eq!((&changed["name"], &changed["group"]), (&json!("changes"), &json!("two")));
    assert_eq!(changed["interval_seconds"], 0.3);
    assert_eq!(changed["timeout_seconds"], 90.0);
    assert!(changed["metric"]["data"]["tick_count"].as_u64().unwrap() >= 2, "its history stays");
    assert_eq!(app.get("/v1/services/3").status, 404, "the service was removed");
    assert_eq!(app.service(from_api)["name"], "from-api");
    assert_eq!(app.service(5)["state"], "paused");

    let refused = app.send("PATCH", "/v1/services/2", &json!({"group": "three"}));
    assert_eq!((refused.status, refused.errors().contains("services file")), (409, true));
    assert_eq!(app.delete("/v1/services/2").status, 409);
    assert_eq!(app.delete(&format!("/v1/services/{from_api}")).status, 204);
    app.db().assert_consistent();
}

#[test]
fn an_invalid_file_is_rejected_with_file_line_and_entry_and_changes_nothing() {
    let launch =
        Launch::new().with_services_file("endpoints:\n  - {name: a, url: 'http://127.0.0.1:1/'}\n");
    launch.start().stop();
    let launch = launch.with_services_file(
        "endpoints:\n  - name: b\n    url: http://b/\n  - name: c\n    url: http://c/\n    \
         intreval: 30s\n",
    );
    let (code, output) = launch.run_to_end();
    assert_eq!(code, Some(2), "{output}");
    assert!(output.contains("services.yaml:6: endpoint 2 (c): intreval: unknown key"), "{output}");
    let app = Launch::start(&launch.with("SERVICES_FILE", ""));
    let names = app.get("/v1/services");
    assert_eq!(names.list("services").len(), 1);
    assert_eq!(names.list("services")[0]["name"], "a");
}

fn tens_of_thousands_of_entries_load(store: Store) {
    // A debug build takes minutes for as many on both stores.
    let count = match store {
        Store::Sqlite => 100_000,
        Store::Postgres => 20_000,
    };
    let mut text = String::from("endpoints:\n");
    for nth in 0..count {
        text.push_str(&format!(
            "  - name: service-{nth}\n    group: g{}\n    url: http://127.0.0.1:1/{nth}\n    \
             interval: 24h\n",
            nth % 10
        ));
    }
    let app = Launch::on(store).with_services_file(&text).start();
    let last = app.get(&format!("/v1/services?page={}&limit=100", count / 100));
    assert_eq!(last.body["data"]["services"]["pagination"]["total"], count);
    assert_eq!(last.list("services")[99]["name"], format!("service-{}", count - 1));
    assert_eq!(app.metric("service_healthcheck_services"), Some(f64::from(count)));
}

#[test]
fn the_services_file_accepts_the_keys_of_gatus() {
    let authority = Authority::new();
    let clients = Authority::named("clients");
    let client = clients.certify("client.example", Shape::Good);
    let terms = TlsServer::new(authority.certify("127.0.0.1", Shape::Good));
    let (secured, names) = (terms.requiring_clients_of(clients).serve(), NameServer::start());
    names.set_answer("web.example", RecordType::A, Answer::address("127.0.0.1"));
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
        resolver = names.resolver_url(),
        server = names.address(),
    );
    let app = launch.with_services_file(&text).start();
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
fn values_of_variables_reach_only_the_target() {
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
    let launch = launch.with_services_file(&text);
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
    assert!(!stored.contains("s3cret"), "the database has no values of variables");
    assert!(stored.contains("${PAY_TOKEN}"), "the database has the names of variables");
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn a_password_from_a_variable_may_contain_any_character() {
    let target = Target::healthy();
    let url = target.at("/in").replace("http://", "http://ann:${PASS}@");
    let text = format!("endpoints:\n  - name: a\n    url: {url}\n");
    let app = Launch::new().with("PASS", "p@ss/w0rd").with_services_file(&text).start();
    app.wait_for_state(1, "up");
    let head = target.last_head();
    assert!(has_line(&head, &basic("ann:p@ss/w0rd")) && head.starts_with("GET /in "), "{head}");
}

#[test]
fn an_unset_variable_is_rejected_with_its_location() {
    let text = "endpoints:\n  - name: good\n    url: http://a/\n  - name: api\n    url: \
    http://a/\n    \
                headers:\n      Authorization: Bearer ${NOBODY_SET_THIS}\n";
    let launch = Launch::new().with_services_file(text);
    let (code, output) = launch.run_to_end();
    assert_eq!(code, Some(2), "{output}");
    assert!(output.contains("services.yaml:7: endpoint 2 (api): "), "{output}");
    assert!(output.contains("NOBODY_SET_THIS: environment variable not set"), "{output}");
    assert!(!launch.folder().join("db.db").exists(), "nothing was started");
}

/// Entries of `count` services that are probed once an hour.
fn hourly(prefix: &str, count: usize, url: &str) -> String {
    let entry = |nth| format!("  - {{name: {prefix}-{nth}, url: '{url}', interval: 1h}}\n");
    (0..count).map(entry).collect()
}

#[test]
fn new_services_are_probed_within_seconds_whatever_their_interval() {
    let target = Target::healthy();
    let first = hourly("first", 20, &target.url());
    let launch = Launch::new().with_services_file(&format!("endpoints:\n{first}"));
    let app = launch.start();
    let probed_within = |count: usize, what: &str| {
        let began = Instant::now();
        let recorded = "service_healthcheck_outcomes_total{result=\"recorded\"}";
        app.wait_for_metric(recorded, count as f64);
        // Spread over a minute, half of them would take longer than this.
        assert!(began.elapsed() < Duration::from_secs(30), "{what}: {:?}", began.elapsed());
    };
    probed_within(20, "at the start");
    let second = hourly("second", 20, &target.url());
    launch.write_file("services.yaml", &format!("endpoints:\n{first}{second}"));
    probed_within(40, "after a reload");
}
