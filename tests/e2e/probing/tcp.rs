//! TCP targets, over plain TCP and over TLS.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::namespace::Hosts;
use crate::support::{Authority, Launch, OldTls, Peer, Shape, Terms, greeter};

/// How a server of `authority` speaks TLS.
fn terms(authority: &Authority) -> Terms {
    Terms::of(authority.certify("127.0.0.1", Shape::Good))
}

#[test]
fn a_tcp_port_is_up_when_it_connects_and_says_what_is_expected() {
    let (launch, peer) = (Launch::new(), Peer::plain(greeter));
    let url = peer.url("tcp");
    launch.asking(&url).probe().assert_up();
    launch
        .asking("tcp://127.0.0.1:1")
        .probe()
        .assert_failed("refused", "connecting to 127.0.0.1:1");
    let talk = |options: Value| launch.asking(&url).options(options).probe();
    talk(json!({"expect": "220 *ESMTP"})).assert_up();
    talk(json!({"body": "NOOP\r\n", "expect": "you said NOOP"})).assert_up();
    let unmet = talk(json!({"body": "NOOP\r\n", "expect": "+PONG"}));
    unmet.assert_failed("condition", "does not contain \"+PONG\"");
    assert!(unmet.detail().contains("220 mail.example ESMTP\\r\\n"), "{}", unmet.detail());
}

#[test]
fn the_same_exchange_works_over_tls() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let peer = Peer::secured(terms(&authority).config(), greeter);
    let talk = |options: Value| launch.asking(&peer.url("tls")).options(options).probe();
    let ca = json!({"ca": authority.pem()});
    let probed = talk(json!({"tls": ca}));
    probed.assert_up();
    assert_eq!(probed.outcome["certificate_expires_at"], authority.expires_at());
    talk(json!({"tls": ca, "body": "NOOP\r\n", "expect": "you said NOOP"})).assert_up();
    let expired = authority.serve_shape(Shape::Expired);
    let probed = launch.asking(&expired.url("tls")).options(json!({"tls": ca})).probe();
    probed.assert_failed("tls_expired", "certificate expired");
    let old = OldTls::Alert.serve();
    let probed = launch.asking(&old.url("tls")).options(json!({"tls": ca})).probe();
    probed.assert_failed("tls_handshake", "ProtocolVersion");
}

#[test]
fn an_answer_over_tcp_that_comes_in_pieces_is_judged_when_all_of_it_is_here() {
    let peer = Peer::plain(|wire| {
        wire.write_all(b"220 mail.")?;
        sleep(Duration::from_millis(200));
        wire.write_all(b"example ESMTP\r\n")?;
        wire.read_exact(&mut [0])
    });
    Launch::new().asking(&peer.url("tcp")).condition("[BODY] == pat(*ESMTP*)").probe().assert_up();
}

#[test]
fn an_answer_over_tcp_beyond_the_limit_is_too_large() {
    let (launch, peer) = (Launch::new(), Peer::plain(greeter));
    let asking = launch.asking(&peer.url("tcp")).options(json!({"body_limit_bytes": 4}));
    let probed = asking.condition("[BODY] == 220").probe();
    probed.assert_failed("too_large", "reading the answer: more than 4 bytes");
}

#[test]
fn a_flood_without_what_is_expected_does_not_stop_our_clock() {
    let peer = Peer::plain(|wire| {
        let block = vec![b'x'; 64 * 1_024];
        loop {
            wire.write_all(&block)?;
        }
    });
    let launch = Launch::new();
    let options = json!({"expect": "never", "body_limit_bytes": 67_108_864});
    let began = Instant::now();
    let probed = launch.asking(&peer.url("tcp")).options(options).timeout(1.0).probe();
    assert!(["timeout", "too_large"].contains(&probed.reason()), "{probed:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}: {probed:?}", began.elapsed());
}

#[test]
fn a_port_that_finds_itself_is_refused() {
    let Some(hosts) = Hosts::new("itself") else { return };
    hosts.go_near();
    // So few that the kernel soon takes the very port that is asked for.
    std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40009").unwrap();
    let launch = Launch::new();
    for _ in 0..50 {
        let probed = launch.asking("tcp://127.0.0.1:40004").probe();
        probed.assert_failed("refused", "connecting to 127.0.0.1:40004: ");
    }
}
