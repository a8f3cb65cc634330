//! TCP targets, over plain TCP and over TLS.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::namespace::Hosts;
use crate::support::{
    Authority, Launch, OldTls, Peer, Shape, TlsServer, ensure, retry_while_busy, smtp_greeting,
};

/// A TLS server with a certificate of `authority`.
fn tls_server(authority: &Authority) -> TlsServer {
    TlsServer::new(authority.certify("127.0.0.1", Shape::Good))
}

#[test]
fn a_tcp_port_is_up_when_it_connects_and_sends_the_expected_text() {
    let (launch, peer) = (Launch::new(), Peer::tcp(smtp_greeting));
    let url = peer.url("tcp");
    launch.probe_command(&url).run().assert_up();
    launch
        .probe_command("tcp://127.0.0.1:1")
        .run()
        .assert_failed("refused", "connecting to 127.0.0.1:1");
    let with_options = |options: Value| launch.probe_command(&url).options(options).run();
    with_options(json!({"expect": "220 *ESMTP"})).assert_up();
    with_options(json!({"body": "NOOP\r\n", "expect": "you said NOOP"})).assert_up();
    let unmet = with_options(json!({"body": "NOOP\r\n", "expect": "+PONG"}));
    unmet.assert_failed("condition", "does not contain the expected text");
    assert!(unmet.detail().contains("220 mail.example ESMTP\\r\\n"), "{}", unmet.detail());
}

#[test]
fn send_and_expect_work_over_tls() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let peer = Peer::tls(tls_server(&authority).config(), smtp_greeting);
    let with_options =
        |options: Value| launch.probe_command(&peer.url("tls")).options(options).run();
    let ca = json!({"ca": authority.pem()});
    let probed = with_options(json!({"tls": ca}));
    probed.assert_up();
    assert_eq!(probed.outcome["certificate_expires_at"], authority.expires_at());
    with_options(json!({"tls": ca, "body": "NOOP\r\n", "expect": "you said NOOP"})).assert_up();
    let expired = authority.serve_shape(Shape::Expired);
    let probed = launch.probe_command(&expired.url("tls")).options(json!({"tls": ca})).run();
    probed.assert_failed("tls_expired", "certificate expired");
    let old = OldTls::Alert.serve();
    let probed = launch.probe_command(&old.url("tls")).options(json!({"tls": ca})).run();
    probed.assert_failed("tls_handshake", "ProtocolVersion");
}

#[test]
fn a_tcp_answer_in_several_segments_is_judged_as_a_whole() {
    let peer = Peer::tcp(|wire| {
        wire.write_all(b"220 mail.")?;
        sleep(Duration::from_millis(100));
        wire.write_all(b"example ESMTP\r\n")?;
        wire.read_exact(&mut [0])
    });
    let launch = Launch::new();
    // A busy machine can lengthen the gap beyond the second of silence that ends an answer.
    retry_while_busy(|| {
        let command = launch.probe_command(&peer.url("tcp"));
        let report = command.condition("[BODY] == pat(*ESMTP*)").run();
        ensure(report.is_up(), || format!("{report:?}"))
    });
}

#[test]
fn a_tcp_answer_beyond_the_limit_is_too_large() {
    let (launch, peer) = (Launch::new(), Peer::tcp(smtp_greeting));
    let command = launch.probe_command(&peer.url("tcp")).options(json!({"body_limit_bytes": 4}));
    let probed = command.condition("[BODY] == 220").run();
    probed.assert_failed("too_large", "reading the response: more than 4 bytes");
}

#[test]
fn a_flood_of_data_does_not_delay_the_timeout() {
    const TIMEOUT_S: f64 = 1.0;
    let peer = Peer::tcp(|wire| {
        let block = vec![b'x'; 64 * 1_024];
        loop {
            wire.write_all(&block)?;
        }
    });
    let launch = Launch::new();
    let options = json!({"expect": "never", "body_limit_bytes": 67_108_864});
    retry_while_busy(|| {
        let command = launch.probe_command(&peer.url("tcp")).options(options.clone());
        let report = command.timeout(TIMEOUT_S).run();
        assert!(["timeout", "too_large"].contains(&report.reason()), "{report:?}");
        ensure(report.response_time_ms() < 2e3 * TIMEOUT_S, || format!("{report:?}"))
    });
}

#[test]
fn a_connection_to_its_own_port_counts_as_refused() {
    let Some(hosts) = Hosts::new("itself") else { return };
    hosts.enter_monitor();
    // So few that the kernel soon picks the destination port as the source port.
    std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40009").unwrap();
    let launch = Launch::new();
    for _ in 0..50 {
        let probed = launch.probe_command("tcp://127.0.0.1:40004").run();
        probed.assert_failed("refused", "connecting to 127.0.0.1:40004: ");
    }
}
