//! Targets that send without end what carries no data: each probe ends at a limit that its failure
//! names, long before its timeout.

use std::io;
use std::sync::Arc;

use rustls::ServerConnection;
use serde_json::{Value, json};

use crate::support::wire::{Wire, read_until};
use crate::support::{Authority, Launch, Peer, Shape, TlsServer, websocket_accept};

/// Longer than the test waits for anything: a probe without a limit never ends in time.
const TIMEOUT: f64 = 120.0;

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// Sends `piece` until the client closes.
fn repeat(wire: &mut dyn Wire, piece: &[u8]) -> io::Result<()> {
    let pieces = piece.repeat(16 * 1_024 / piece.len() + 1);
    loop {
        wire.write_all(&pieces)?;
    }
}

/// A server over HTTP/1 that sends `start`, and then `piece` without end.
fn http1(start: &[u8], piece: &'static [u8]) -> Peer {
    let start = start.to_vec();
    Peer::tcp(move |wire| {
        read_until(wire, b"\r\n\r\n")?;
        wire.write_all(&start)?;
        repeat(wire, piece)
    })
}

/// An HTTP/2 frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[0, high, low, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// A server over HTTP/2 that sends `start` after the request, and then `piece` without end.
fn http2(start: Vec<u8>, piece: Vec<u8>) -> Peer {
    const HEADERS: u8 = 1;
    Peer::tcp(move |wire| {
        read_until(wire, b"SM\r\n\r\n")?;
        wire.write_all(&frame(4, 0, 0, &[]))?;
        let mut header = [0; 9];
        while header[3] != HEADERS {
            wire.read_exact(&mut header)?;
            let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
            wire.read_exact(&mut vec![0; length as usize])?;
        }
        wire.write_all(&start)?;
        repeat(wire, &piece)
    })
}

fn assert_limited(launch: &Launch, url: &str, options: Value, detail: &str) {
    let probed = launch.probe_command(url).options(options).timeout(TIMEOUT).run();
    probed.assert_failed("protocol", detail);
}

#[test]
fn endless_heads_and_chunks_of_http_1_are_limited() {
    let launch = Launch::new();
    let trailers = [CHUNKED, b"1\r\nx\r\n0\r\n"].concat();
    let coding = "more than 65536 bytes of chunk sizes, extensions and trailers";
    for (start, piece, detail) in [
        (&b""[..], &b"HTTP/1.1 100 Continue\r\n\r\n"[..], "more than 100 interim responses"),
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", "more than 131072 bytes of a response head"),
        (&[CHUNKED, b"1;"].concat(), b"extension", coding),
        (&[CHUNKED, b"1"].concat(), b" ", coding),
        (&trailers, b"name: value\r\n", coding),
        (CHUNKED, b"1\r\nx\r\n", "more than 10000 chunks of few bytes"),
    ] {
        assert_limited(&launch, &http1(start, piece).url("http"), json!({}), detail);
    }
}

#[test]
fn frames_of_http_2_without_data_are_limited() {
    let launch = Launch::new();
    let head = frame(1, 4, 1, &[0x88]);
    let control = "speaking HTTP/2: more than 1000 HTTP/2 control frames";
    for (start, piece, detail) in [
        (vec![], frame(2, 0, 1, &[0, 0, 0, 0, 1]), control),
        (vec![], frame(4, 0, 0, &[]), control),
        (vec![], frame(6, 0, 0, &[0; 8]), control),
        (vec![], frame(8, 0, 0, &[0, 0, 0, 1]), control),
        (vec![], frame(77, 0, 0, &[0; 8]), control),
        // `:status: 103`, not indexed (RFC 7541, section 6.2.2).
        (vec![], frame(1, 4, 1, b"\x08\x03103"), "more than 102 HTTP/2 HEADERS frames"),
        (frame(1, 0, 1, &[0x88]), frame(9, 0, 1, &[]), "more than 5 HTTP/2 CONTINUATION frames"),
        (head.clone(), frame(0, 0, 1, &[]), "more than 100 empty HTTP/2 DATA frames"),
        (head.clone(), frame(0, 0, 1, b"x"), "more than 10000 HTTP/2 DATA frames of few bytes"),
        (head, frame(0, 8, 1, &[7; 8]), "more than 100 empty HTTP/2 DATA frames"),
    ] {
        let options = json!({"http_version": "2"});
        assert_limited(&launch, &http2(start, piece).url("http"), options, detail);
    }
    let pings = http2(vec![], frame(6, 0, 0, &[0; 8]));
    assert_limited(&launch, &pings.url("grpc"), json!({}), control);
}

#[test]
fn records_of_tls_without_data_are_limited() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let config = TlsServer::new(authority.certify("127.0.0.1", Shape::Good)).config();
    let options = json!({"tls": {"ca": authority.pem()}});

    let detail = "more than 262144 bytes of TLS records beside their data";
    let bytes = Peer::tls(Arc::clone(&config), |wire| {
        read_until(wire, b"\r\n\r\n")?;
        wire.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")?;
        loop {
            wire.write_all(b"x")?;
        }
    });
    assert_limited(&launch, &bytes.url("https"), options.clone(), detail);

    let key_updates = Peer::start(move |mut connection| {
        let session = ServerConnection::new(Arc::clone(&config));
        let mut session = session.map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut connection)?;
        }
        loop {
            session.refresh_traffic_keys().map_err(io::Error::other)?;
            while session.wants_write() {
                session.write_tls(&mut connection)?;
            }
        }
    });
    let detail = "TooManyKeyUpdateRequests";
    assert_limited(&launch, &key_updates.url("https"), options, detail);
}

#[test]
fn endless_replies_of_other_protocols_are_limited() {
    let launch = Launch::new();
    let banner = Peer::tcp(|wire| repeat(wire, b"220-mail.example\r\n"));
    assert_limited(&launch, &banner.url("starttls"), json!({}), "more than 100 lines of a reply");
    let line = Peer::tcp(|wire| repeat(wire, b"220-mail.example"));
    assert_limited(&launch, &line.url("starttls"), json!({}), "a reply of more than 65536 bytes");

    let accept = |wire: &mut dyn Wire| {
        let head = read_until(wire, b"\r\n\r\n")?;
        wire.write_all(websocket_accept(&head)?.as_bytes())
    };
    for (piece, detail) in [
        (&[0x89, 0][..], "more than 1000 control frames"),
        (&[0x81, 1, b'x'], "more than 10000 frames of few bytes"),
    ] {
        let peer = Peer::tcp(move |wire| {
            accept(wire)?;
            repeat(wire, piece)
        });
        assert_limited(&launch, &peer.url("ws"), json!({"expect": "never"}), detail);
    }
}
