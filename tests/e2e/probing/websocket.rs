//! WebSocket targets.

use serde_json::{Value, json};

use crate::support::{
    Authority, Behaviour, Launch, Peer, Shape, Target, Terms, websocket_echo, websocket_that_leaves,
};

/// How a server of `authority` speaks TLS.
fn terms(authority: &Authority) -> Terms {
    Terms::of(authority.certify("127.0.0.1", Shape::Good))
}

#[test]
fn a_websocket_is_up_when_it_shakes_hands_and_answers_what_is_expected() {
    let (launch, echo) = (Launch::new(), Peer::plain(websocket_echo));
    let url = echo.url("ws");
    let shaken = launch.asking(&url).probe();
    shaken.assert_up();
    assert_eq!(shaken.outcome["http_status"], 101);
    let talk = |options: Value| launch.asking(&url).options(options);
    talk(json!({"body": "ping 7", "expect": "ping *7"})).probe().assert_up();
    let judged = talk(json!({"body": "{\"state\": \"UP\"}"})).condition("[BODY].state == UP");
    judged.probe().assert_up();
    let silent = talk(json!({"body": "ping", "expect": "pong"})).timeout(0.4).probe();
    silent.assert_failed("timeout", "still reading the body");
}

#[test]
fn a_websocket_that_refuses_or_leaves_is_told_apart() {
    let launch = Launch::new();
    let forbids = Target::start(Behaviour::Status(403));
    let refused = launch.asking(&forbids.url().replace("http:", "ws:")).probe();
    refused.assert_failed("status", "403 Forbidden instead of 101 Switching Protocols");
    let leaves = Peer::plain(websocket_that_leaves);
    let options = json!({"body": "ping", "expect": "pong"});
    let unmet = launch.asking(&leaves.url("ws")).options(options).probe();
    unmet.assert_failed("condition", "closed by the peer before a message that contains \"pong\"");
    let nothing = Target::start(Behaviour::Raw(Vec::new()));
    let closed = launch.asking(&nothing.url().replace("http:", "ws:")).probe();
    closed.assert_failed("protocol", "the connection was closed without an answer");
}

#[test]
fn a_websocket_that_is_refused_is_down_where_a_message_is_expected() {
    let (launch, sick) = (Launch::new(), Target::start(Behaviour::Status(503)));
    let asking = launch.asking(&sick.url().replace("http:", "ws:"));
    let asking = asking.options(json!({"expect": "pong"})).condition("[RESPONSE_TIME] < 5000");
    asking.probe().assert_failed("status", "503 Service Unavailable instead of 101");
}

#[test]
fn a_websocket_over_tls_is_checked_as_https_is() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let echo = Peer::secured(terms(&authority).config(), websocket_echo);
    let options = json!({"tls": {"ca": authority.pem()}, "body": "ping", "expect": "ping"});
    let probed = launch.asking(&echo.url("wss")).options(options).probe();
    probed.assert_up();
    assert_eq!(probed.outcome["tls_version"], "TLS 1.3");
    let options = json!({"tls": {"ca": Authority::new().pem()}});
    let probed = launch.asking(&echo.url("wss")).options(options).probe();
    probed.assert_failed("tls_untrusted", "in the TLS handshake");
}
