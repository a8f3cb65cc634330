//! What a service can say of how it is asked, as its target sees it; and that nobody else sees its secrets.

use base64::prelude::{BASE64_STANDARD, Engine};
use hickory_resolver::proto::rr::RecordType;
use serde_json::{Value, json};

use crate::support::{
    Answer, App, Authority, Behaviour, Identity, Launch, NameServer, Shape, Target, Terms, wait_for,
};

fn basic(credentials: &str) -> String {
    format!("authorization: Basic {}", BASE64_STANDARD.encode(credentials))
}

/// Whether `head` has this line, whose name may be written in any case.
fn has_line(head: &str, line: &str) -> bool {
    let (name, value) = line.split_once(": ").unwrap();
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .any(|(known, told)| known.eq_ignore_ascii_case(name) && told == value)
}

/// Probes `target` with these options, and gives the head of what it saw last.
fn head_seen(target: &Target, options: Value) -> String {
    Launch::new().asking(&target.url()).options(options).probe().assert_up();
    target.last_head()
}

#[test]
fn a_request_is_sent_as_the_service_says() {
    let target = Target::healthy();
    let head = head_seen(
        &target,
        json!({
            "method": "put",
            "headers": {"Host": "else.example", "Content-Type": "text/plain", "X-Price": "5$"},
            "body": "a ${NAME} that is none, ü",
            "basic_auth": {"username": "ann", "password": "p:w"},
        }),
    );
    assert!(head.starts_with("PUT / HTTP/1.1\r\n"), "{head}");
    for line in ["host: else.example", "content-type: text/plain", "x-price: 5$"] {
        assert!(has_line(&head, line), "{line} in {head}");
    }
    assert!(has_line(&head, &basic("ann:p:w")), "{head}");
    assert_eq!(target.last_body(), "a ${NAME} that is none, ü");
    assert_eq!(head.to_lowercase().matches("\r\nhost:").count(), 1, "{head}");

    let head = head_seen(&target, json!({"bearer_token": "t0ken"}));
    assert!(has_line(&head, "authorization: Bearer t0ken"), "{head}");
    let head = head_seen(&target, json!({"method": "HEAD"}));
    assert!(head.starts_with("HEAD / HTTP/1.1\r\n"), "{head}");
}

#[test]
fn redirects_are_followed_as_far_as_the_service_says() {
    let launch = Launch::new();
    let (there, hops) = (Target::healthy(), Target::start(Behaviour::Hops));
    let here = Target::start(Behaviour::RedirectTo(there.url()));
    let stays = launch.asking(&here.url()).options(json!({"follow_redirects": false})).probe();
    stays.assert_up();
    assert_eq!((&stays.outcome["http_status"], there.hits()), (&json!(302), 0));
    let ask = |path: &str| launch.asking(&hops.at(path)).options(json!({"max_redirects": 2}));
    ask("/hops/2").probe().assert_up();
    ask("/hops/3").probe().assert_failed("redirect_loop", "more than 2 redirects");
}

#[test]
fn what_is_secret_does_not_follow_to_another_origin() {
    let options = json!({
        "headers": {"X-Api-Key": "k3y", "Cookie": "session=1", "X-Plain": "seen", "Host": "here.example"},
        "bearer_token": "t0ken",
    });
    let secret = ["authorization: Bearer t0ken", "x-api-key: k3y", "cookie: session=1"];
    let hops = Target::start(Behaviour::Hops);
    let probed = Launch::new().asking(&hops.at("/hops/1")).options(options.clone()).probe();
    probed.assert_up();
    for line in secret {
        assert!(has_line(&hops.last_head(), line), "the same origin: {}", hops.last_head());
    }

    let there = Target::healthy();
    let here = Target::start(Behaviour::RedirectTo(there.url()));
    head_seen(&here, options);
    for line in secret {
        assert!(has_line(&here.last_head(), line), "{}", here.last_head());
        assert!(!has_line(&there.last_head(), line), "another port: {}", there.last_head());
    }
    assert!(has_line(&there.last_head(), "x-plain: seen"), "{}", there.last_head());
    let host = format!("host: 127.0.0.1:{}", there.port());
    assert!(has_line(&there.last_head(), &host), "{}", there.last_head());
}

#[test]
fn a_post_that_is_redirected_becomes_a_get_without_its_body() {
    let there = Target::healthy();
    let here = Target::start(Behaviour::RedirectTo(there.url()));
    head_seen(&here, json!({"method": "POST", "body": "once"}));
    assert_eq!(here.last_body(), "once");
    assert!(there.last_head().starts_with("GET / HTTP/1.1\r\n"), "{}", there.last_head());
    assert_eq!(there.last_body(), "");
}

#[test]
fn the_version_of_http_must_be_the_one_that_is_wanted() {
    let launch = Launch::new();
    let (new, old) = (
        Target::healthy(),
        Target::start(Behaviour::Raw(b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec())),
    );
    let ask = |target: &Target, version: &str| {
        launch.asking(&target.url()).options(json!({"http_version": version})).probe()
    };
    ask(&new, "1.1").assert_up();
    ask(&old, "1.0").assert_up();
    ask(&new, "1.0").assert_failed("protocol", "HTTP 1.1 was spoken, and not 1.0");
    ask(&old, "1.1").assert_failed("protocol", "HTTP 1.0 was spoken, and not 1.1");
}

#[test]
fn a_service_says_whom_it_trusts_and_under_which_name() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let ask = |shape: Shape, options: Value| {
        let server = authority.serve_shape(shape);
        launch.asking(&server.url("https")).options(options).probe()
    };
    let ca = authority.pem();
    ask(Shape::Good, json!({"tls": {"ca": ca}})).assert_up();
    let stranger = Authority::called("a stranger").pem();
    ask(Shape::Good, json!({"tls": {"ca": stranger}})).assert_failed("tls_untrusted", "");
    let named = json!({"tls": {"ca": ca, "server_name": "else.example"}});
    ask(Shape::ForAnotherName, named.clone()).assert_up();
    ask(Shape::Good, named).assert_failed("tls_hostname", "not valid for name");
    for shape in [Shape::SelfSigned, Shape::Expired, Shape::ForAnotherName, Shape::OfAnAuthority] {
        ask(shape, json!({"insecure": true})).assert_up();
    }
}

#[test]
fn a_service_shows_its_certificate_to_a_target_that_demands_one() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let clients = Authority::called("clients");
    let (known, unknown) = (
        clients.certify("client.example", Shape::Good),
        authority.certify("client.example", Shape::Good),
    );
    let terms = Terms::of(authority.certify("127.0.0.1", Shape::Good));
    let server = terms.demanding_clients_of(clients).serve();
    let ask = |identity: &Identity| {
        let tls = json!({
            "ca": authority.pem(),
            "certificate": identity.certificate_pem(),
            "private_key": identity.key_pem(),
        });
        launch.asking(&server.url("https")).options(json!({"tls": tls})).probe()
    };
    ask(&known).assert_up();
    ask(&unknown).assert_failed("tls_handshake", "fatal alert");
}

#[test]
fn a_service_that_wants_tls_1_3_is_not_content_with_less() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let old = Terms::of(authority.certify("127.0.0.1", Shape::Good)).only_tls12().serve();
    let ask = |version: &str| {
        let tls = json!({"ca": authority.pem(), "min_version": version});
        launch.asking(&old.url("https")).options(json!({"tls": tls})).probe()
    };
    let probed = ask("1.2");
    probed.assert_up();
    assert_eq!(probed.outcome["tls_version"], "TLS 1.2");
    ask("1.3").assert_failed("tls_handshake", "in the TLS handshake: ");
}

#[test]
fn an_address_of_the_wrong_family_is_no_address() {
    let target = Target::healthy();
    let launch = Launch::new();
    let ask =
        |family: &str| launch.asking(&target.url()).options(json!({"ip_family": family})).probe();
    ask("ip4").assert_up();
    ask("ip6").assert_failed("dns_no_such_name", "127.0.0.1 is not of the family");
    assert_eq!(target.hits(), 1);
}

#[test]
fn a_name_that_moves_is_followed_by_the_next_probe() {
    let (names, target) = (NameServer::start(), Target::healthy());
    let moves_to =
        |address: &str| names.says("web.example", RecordType::A, Answer::address(address));
    moves_to("127.0.0.1");
    let app = Launch::new().start();
    let id = app.add_with(&json!({
        "name": "moving",
        "url": target.url().replace("127.0.0.1", "web.example"),
        "resolver": names.as_resolver(),
    }));
    app.wait_for_state(id, "up");
    // The target listens on one address only.
    moves_to("127.0.0.9");
    let down = app.wait_for_state(id, "down");
    assert_eq!(down["current_status"]["failure"]["reason"], "refused");
    moves_to("127.0.0.1");
    app.wait_for_state(id, "up");
}

#[test]
fn a_resolver_over_tcp_is_asked_over_tcp() {
    let (names, target) = (NameServer::start(), Target::healthy());
    names.says("web.example", RecordType::A, Answer::address("127.0.0.1"));
    let url = target.url().replace("127.0.0.1", "web.example");
    let options = json!({"resolver": names.as_resolver().replace("udp:", "tcp:")});
    Launch::new().asking(&url).options(options).probe().assert_up();
    assert!(names.asked_over_tcp() >= 1);
}

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
        ("http://a/", "headers", json!({"Content-Length": "1"}), "headers: \"Content-Length\""),
        ("http://a/", "tls", json!({"private_key": "-----BEGIN "}), "tls.certificate: missing"),
        ("http://a/", "tls", json!({"ca": "/etc/passwd"}), "tls.ca: the value is not accepted"),
        ("http://a/", "resolver", json!("dns.example"), "resolver: \"dns.example\""),
        ("http://a/", "basic_auth", json!("ann:pw"), "basic_auth: "),
        ("http://a/", "retries", json!(3), "retries: unknown or read-only field"),
        ("http://${HOST}/", "group", json!("g"), "in the services file only"),
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

/// An answer whose body would unfold to 64 MiB and more.
fn bomb(coding: &str, body: &[u8]) -> Behaviour {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {length}\r\n\r\n"
    );
    Behaviour::Raw([head.as_bytes(), body].concat())
}

#[test]
fn a_body_that_would_unfold_to_a_flood_is_taken_as_it_comes() {
    let app = Launch::new().start();
    let memory = || app.metric("process_resident_memory_bytes").unwrap();
    let before = memory();
    for (coding, body) in [
        ("gzip", &include_bytes!("support/bomb.gz")[..]),
        ("br", &include_bytes!("support/bomb.br")[..]),
        ("zstd", &include_bytes!("support/bomb.zst")[..]),
    ] {
        let target = Target::start(bomb(coding, body));
        for nth in 0..4 {
            let name = format!("{coding}-{nth}");
            let conditions = json!(["[BODY] == unfolded"]);
            let id =
                app.add_with(&json!({"name": name, "url": target.url(), "conditions": conditions}));
            let down = app.wait_for_state(id, "down");
            assert_eq!(down["current_status"]["failure"]["reason"], "condition", "{down}");
            app.wait_for_ticks(id, 3);
        }
    }
    let grown = memory() - before;
    assert!(grown < 48.0 * 1024.0 * 1024.0, "{grown} bytes more");
}
