//! Texts of requests: placeholders as in Gatus, and GraphQL queries.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::wire::read_until;
use crate::support::{Behaviour, Launch, Peer, Target, has_line, wait_until, websocket_echo};

#[test]
fn placeholders_are_filled_in_bodies_and_headers() {
    let target = Target::healthy();
    let url = target.at("/hook?token=${TOKEN}");
    let app = Launch::new()
        .with("TOKEN", "s3cret-token")
        .with_services_file(&format!(
            "endpoints:
  - name: Zähler
    group: core
    url: '{url}'
    method: POST
    headers: {{X-Name: '[ENDPOINT_GROUP]/[ENDPOINT_NAME]', X-From: '[LOCAL_ADDRESS]'}}
    body: '[ENDPOINT_NAME],[ENDPOINT_GROUP],[ENDPOINT_URL],[RANDOM_STRING_12],[LOCAL_ADDRESS]'
"
        ))
        .start();
    wait_until("two requests", || target.request_count() >= 2);
    let sent: Vec<String> = target.bodies();
    let [one, two] = [&sent[0], &sent[1]].map(|body| body.split(',').collect::<Vec<_>>());
    assert_eq!(one[..2], ["Zähler", "core"]);
    assert_eq!(one[2], url.replace("${TOKEN}", "s3cret-token"));
    assert!(one[3].len() == 12 && one[3].bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_ne!(one[3], two[3], "each probe has its own random text");
    let from: SocketAddr = one[4].parse().unwrap();
    assert!(from.ip().is_loopback() && from.port() > 0, "{from}");
    let head = &target.heads()[0];
    assert!(has_line(head, "x-name: core/Zähler"), "{head}");
    assert!(has_line(head, &format!("x-from: {from}")), "{head}");
    drop(app);
}

#[test]
fn placeholders_are_filled_in_messages_of_sockets() {
    let launch = Launch::new();
    let talks = Peer::tcp(|wire| {
        let line = read_until(wire, b"\n")?;
        wire.write_all(format!("got {line}").as_bytes())?;
        wire.flush()
    });
    let echo = Peer::tcp(websocket_echo);
    for url in [talks.url("tcp"), echo.url("ws")] {
        let options = json!({"body": "[ENDPOINT_NAME] [ENDPOINT_URL] [LOCAL_ADDRESS]\n"});
        let report = launch
            .probe_command(&url)
            .options(options)
            .condition(&format!("[BODY] == pat(*probe {url} 127.0.0.1:*)"))
            .run();
        report.assert_up();
    }
}

#[test]
fn another_origin_receives_no_secret_of_the_url() {
    let there = Target::healthy();
    let to = format!("HTTP/1.1 307 Told\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", there.url());
    let here = Target::start(Behaviour::Raw(to.into_bytes()));
    let url = here.at("/?token=s3cret").replace("://", "://ann:s3cret@");
    let options = json!({
        "method": "POST", "body": "[ENDPOINT_URL]", "headers": {"X-Url": "[ENDPOINT_URL]"}
    });
    Launch::new().probe_command(&url).options(options).run().assert_up();
    assert_eq!(here.last_body(), url);
    let masked = url.replace("s3cret", "***");
    assert_eq!(there.last_body(), masked);
    assert!(has_line(&there.last_head(), &format!("x-url: {masked}")), "{}", there.last_head());
}

#[test]
fn a_text_that_its_placeholders_make_too_long_is_a_local_fault() {
    let target = Target::healthy();
    let options = json!({"method": "POST", "body": "[RANDOM_STRING_8192]".repeat(600)});
    let report = Launch::new().probe_command(&target.url()).options(options).run();
    report.assert_failed("local_config", "more than 4194304 bytes");
    assert_eq!(target.request_count(), 0);
}

#[test]
fn a_graphql_query_is_sent_in_json() {
    let (launch, target) = (Launch::new(), Target::healthy());
    let sent = |options: Value| {
        launch.probe_command(&target.url()).options(options).run().assert_up();
        let body: Value = serde_json::from_str(&target.last_body()).unwrap();
        (target.last_head(), body)
    };
    let query = "{\n  users(gender: \"female\") { name }\n}";
    let (head, body) = sent(json!({"graphql": true, "body": query}));
    assert!(head.starts_with("POST / "), "{head}");
    assert!(has_line(&head, "content-type: application/json"), "{head}");
    assert_eq!(body, json!({"query": query}));
    let (head, body) = sent(json!({
        "graphql": true, "method": "GET", "headers": {"content-type": "application/graphql+json"},
        "body": "{ me(name: \"[ENDPOINT_NAME]\") { id } }"
    }));
    assert!(head.starts_with("GET / "), "{head}");
    assert!(has_line(&head, "content-type: application/graphql+json"), "{head}");
    assert_eq!(body, json!({"query": "{ me(name: \"probe\") { id } }"}));
    assert_eq!(sent(json!({"graphql": true})).1, json!({"query": ""}));
}
