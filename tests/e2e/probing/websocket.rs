//! WebSocket targets.

use serde_json::{Value, json};

use crate::support::{
    Authority, Behaviour, Launch, Peer, Shape, Target, TlsServer, websocket_echo,
    websocket_that_closes,
};

/// How a server of `authority` speaks TLS.
fn tls_server(authority: &Authority) -> TlsServer {
    TlsServer::new(authority.certify("127.0.0.1", Shape::Good))
}

#[test]
fn a_websocket_is_up_when_it_shakes_hands_and_answers_what_is_expected() {
    let (launch, echo) = (Launch::new(), Peer::tcp(websocket_echo));
    let url = echo.url("ws");
    let shaken = launch.probe_command(&url).run();
    shaken.assert_up();
    assert_eq!(shaken.outcome["http_status"], 101);
    let talk = |options: Value| launch.probe_command(&url).options(options);
    talk(json!({"body": "ping 7", "expect": "ping *7"})).run().assert_up();
    let judged = talk(json!({"body": "{\"state\": \"UP\"}"})).condition("[BODY].state == UP");
    judged.run().assert_up();
    let silent = talk(json!({"body": "ping", "expect": "pong"})).timeout(2.0).run();
    silent.assert_failed("timeout", "still reading the body");
}

#[test]
fn a_websocket_that_refuses_or_leaves_is_told_apart() {
    let launch = Launch::new();
    let forbids = Target::start(Behaviour::Status(403));
    let refused = launch.probe_command(&forbids.url().replace("http:", "ws:")).run();
    refused.assert_failed("status", "403 Forbidden instead of 101 Switching Protocols");
    let leaves = Peer::tcp(websocket_that_closes);
    let options = json!({"body": "ping", "expect": "pong"});
    let unmet = launch.probe_command(&leaves.url("ws")).options(options).run();
    unmet.assert_failed("condition", "closed by the peer before a message that contains \"pong\"");
    let nothing = Target::start(Behaviour::Raw(Vec::new()));
    let closed = launch.probe_command(&nothing.url().replace("http:", "ws:")).run();
    closed.assert_failed("protocol", "the connection was closed without a response");
}

#[test]
fn a_websocket_that_is_refused_is_down_where_a_message_is_expected() {
    let (launch, sick) = (Launch::new(), Target::start(Behaviour::Status(503)));
    let command = launch.probe_command(&sick.url().replace("http:", "ws:"));
    let command = command.options(json!({"expect": "pong"})).condition("[RESPONSE_TIME] < 5000");
    command.run().assert_failed("status", "503 Service Unavailable instead of 101");
}

#[test]
fn a_websocket_over_tls_is_checked_as_https_is() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let echo = Peer::tls(tls_server(&authority).config(), websocket_echo);
    let options = json!({"tls": {"ca": authority.pem()}, "body": "ping", "expect": "ping"});
    let probed = launch.probe_command(&echo.url("wss")).options(options).run();
    probed.assert_up();
    assert_eq!(probed.outcome["tls_version"], "TLS 1.3");
    let options = json!({"tls": {"ca": Authority::new().pem()}});
    let probed = launch.probe_command(&echo.url("wss")).options(options).run();
    probed.assert_failed("tls_untrusted", "in the TLS handshake");
}
