//! WebSocket targets.

use serde_json::{Value, json};

use crate::support::wire::read_until;
use crate::support::{
    Authority, Behaviour, Launch, Peer, Shape, Target, TlsServer, websocket_accept, websocket_echo,
    websocket_that_closes,
};

/// A TLS server with a certificate of `authority`.
fn tls_server(authority: &Authority) -> TlsServer {
    TlsServer::new(authority.certify("127.0.0.1", Shape::Good))
}

#[test]
fn a_websocket_is_up_when_the_handshake_succeeds_and_the_expected_message_arrives() {
    let (launch, echo) = (Launch::new(), Peer::tcp(websocket_echo));
    let url = echo.url("ws");
    let report = launch.probe_command(&url).run();
    report.assert_up();
    assert_eq!(report.outcome["http_status"], 101);
    let with_options = |options: Value| launch.probe_command(&url).options(options);
    with_options(json!({"body": "ping 7", "expect": "ping *7"})).run().assert_up();
    let command = with_options(json!({"body": "{\"state\": \"UP\"}"})).condition(
        "[BODY].state == \
    UP",
    );
    command.run().assert_up();
    let silent = with_options(json!({"body": "ping", "expect": "pong"})).timeout(2.0).run();
    silent.assert_failed("timeout", "still reading the body");
}

#[test]
fn rejected_and_closed_websockets_have_different_reasons() {
    let launch = Launch::new();
    let forbids = Target::start(Behaviour::Status(403));
    let refused = launch.probe_command(&forbids.url().replace("http:", "ws:")).run();
    refused.assert_failed("status", "403 Forbidden instead of 101 Switching Protocols");
    let leaves = Peer::tcp(websocket_that_closes);
    let options = json!({"body": "ping", "expect": "pong"});
    let unmet = launch.probe_command(&leaves.url("ws")).options(options).run();
    unmet.assert_failed("condition", "before a message that contains the expected text");
    let nothing = Target::start(Behaviour::Raw(Vec::new()));
    let closed = launch.probe_command(&nothing.url().replace("http:", "ws:")).run();
    closed.assert_failed("protocol", "the connection was closed without a response");
}

#[test]
fn a_handshake_must_be_answered_as_it_was_requested() {
    let launch = Launch::new();
    let probe = |old: &'static str, new: &'static str, headers: Value| {
        let peer = Peer::tcp(move |wire| {
            let head = read_until(wire, b"\r\n\r\n")?;
            let accepted = websocket_accept(&head)?;
            assert!(accepted.contains(old), "{accepted}");
            wire.write_all(accepted.replace(old, new).as_bytes())
        });
        launch.probe_command(&peer.url("ws")).options(json!({"headers": headers})).run()
    };
    let chat = json!({"Sec-WebSocket-Protocol": "v2.chat, chat"});
    let deflate = json!({"Sec-WebSocket-Extensions": "permessage-deflate; x=1"});
    let end = "\r\n\r\n";
    for (old, new, headers) in [
        (end, end, json!({})),
        (end, end, chat.clone()),
        (end, "\r\nSec-WebSocket-Protocol: chat\r\n\r\n", chat.clone()),
        (end, "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", deflate),
    ] {
        let probed = probe(old, new, headers);
        assert!(probed.is_up(), "{new}: {probed:?}");
    }
    for (old, new, headers) in [
        (end, "\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n", json!({})),
        (end, "\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n", chat.clone()),
        (end, "\r\nSec-WebSocket-Protocol: v2.chat, chat\r\n\r\n", chat),
        (end, "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", json!({})),
        ("upgrade: websocket\r\n", "", json!({})),
        ("upgrade: websocket\r\n", "upgrade: xwebsocket\r\n", json!({})),
        ("connection: Upgrade\r\n", "", json!({})),
        ("connection: Upgrade\r\n", "connection: keep-alive\r\n", json!({})),
        ("sec-websocket-accept: ", "x-accept: ", json!({})),
        ("sec-websocket-accept: ", "sec-websocket-accept: x", json!({})),
    ] {
        probe(old, new, headers).assert_failed("protocol", "invalid WebSocket: in the handshake");
    }
}

#[test]
fn a_rejected_websocket_is_down_when_a_message_is_expected() {
    let (launch, sick) = (Launch::new(), Target::start(Behaviour::Status(503)));
    let command = launch.probe_command(&sick.url().replace("http:", "ws:"));
    let command = command.options(json!({"expect": "pong"})).condition("[RESPONSE_TIME] < 5000");
    command.run().assert_failed("status", "503 Service Unavailable instead of 101");
}

#[test]
fn websockets_over_tls_verify_certificates_like_https() {
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
