//! Packed bodies and bodies in other charsets: conditions judge their text.

use serde_json::json;

use crate::support::pack::{deflate, gzip, zlib};
use crate::support::{Behaviour, Launch, ProbeReport, Target};

const TEXT: &[u8] = b"hello, hello, hello";

/// A target that answers with these header lines and this body.
fn target(lines: &str, body: &[u8]) -> Target {
    let head = format!("HTTP/1.1 200 OK\r\n{lines}content-length: {}\r\n\r\n", body.len());
    Target::start(Behaviour::Raw([head.as_bytes(), body].concat()))
}

fn probe(launch: &Launch, lines: &str, body: &[u8], condition: &str) -> ProbeReport {
    launch.probe_command(&target(lines, body).url()).condition(condition).run()
}

#[test]
fn packed_bodies_are_unpacked_before_they_are_judged() {
    let launch = Launch::new();
    // One uncompressed block each (RFC 7932, section 9.2; RFC 8878, section 3.1.1.2).
    let brotli = b"\x20\x01\x10hello, hello, hello\x03";
    let zstd = b"\x28\xb5\x2f\xfd\x20\x13\x99\x00\x00hello, hello, hello";
    for (coding, body) in [
        ("gzip", gzip(TEXT)),
        ("x-gzip", gzip(TEXT)),
        ("deflate", zlib(TEXT)),
        ("deflate", deflate(TEXT)),
        ("br", brotli.to_vec()),
        ("zstd", zstd.to_vec()),
        ("deflate, GZIP", gzip(&zlib(TEXT))),
        ("unheard-of", TEXT.to_vec()),
    ] {
        let lines = format!("content-encoding: {coding}\r\n");
        let probed = probe(&launch, &lines, &body, "[BODY] == hello, hello, hello");
        assert!(probed.is_up(), "{coding}: {probed:?}");
    }
    // Requested by the service, in chunks.
    let packed = gzip(br#"{"state": "UP"}"#);
    let (one, other) = packed.split_at(7);
    let size = format!("\r\n{:x}\r\n", other.len());
    let chunks = [
        &b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"[..],
        b"7\r\n",
        one,
        size.as_bytes(),
        other,
        b"\r\n0\r\n\r\n",
    ];
    let target = Target::start(Behaviour::Raw(chunks.concat()));
    let options = json!({"headers": {"Accept-Encoding": "gzip"}});
    let command = launch.probe_command(&target.url()).options(options);
    command.condition("[BODY].state == UP").run().assert_up();
    assert!(target.last_head().to_lowercase().contains("accept-encoding: gzip"));
}

#[test]
fn the_limit_of_a_body_counts_unpacked_bytes() {
    let launch = Launch::new();
    let incompressible: Vec<u8> = (0..200_u8).collect();
    for (body, limit, reason) in [
        (vec![b'x'; 1_000], 1_000, ""),
        (vec![b'x'; 1_000], 999, "too_large"),
        // Longer when it is packed.
        (incompressible, 200, ""),
    ] {
        let target = target("content-encoding: gzip\r\n", &gzip(&body));
        let command = launch.probe_command(&target.url());
        let command = command.options(json!({"body_limit_bytes": limit}));
        let probed = command.condition("len([BODY]) > 0").run();
        assert_eq!(probed.reason(), reason, "{limit}: {probed:?}");
    }
}

#[test]
fn truncated_and_corrupt_packed_bodies_are_a_failure_that_names_the_coding() {
    let launch = Launch::new();
    let (truncated, mut corrupt) = (gzip(TEXT), gzip(TEXT));
    let truncated = &truncated[..truncated.len() - 9];
    let checksum = corrupt.len() - 8;
    corrupt[checksum] ^= 1;
    for (coding, body) in
        [("gzip", truncated), ("gzip", &corrupt), ("gzip", TEXT), ("deflate", TEXT), ("zstd", TEXT)]
    {
        let lines = format!("content-encoding: {coding}\r\n");
        let probed = probe(&launch, &lines, body, "[STATUS] == 200");
        probed.assert_up();
        let probed = probe(&launch, &lines, body, "len([BODY]) >= 0");
        probed.assert_failed("protocol", &format!("unpacking the body: invalid {coding}"));
    }
}

#[test]
fn responses_without_a_body_have_nothing_to_unpack() {
    let launch = Launch::new();
    let empty = target("content-encoding: gzip\r\n", b"");
    launch.probe_command(&empty.url()).condition("len([BODY]) == 0").run().assert_up();
    let head = target("content-encoding: br\r\n", &gzip(TEXT));
    let command = launch.probe_command(&head.url()).options(json!({"method": "HEAD"}));
    command.condition("len([BODY]) == 0").run().assert_up();
    for status in ["204 No Content", "304 Not Modified"] {
        let raw = format!("HTTP/1.1 {status}\r\ncontent-encoding: gzip\r\n\r\n");
        let target = Target::start(Behaviour::Raw(raw.into_bytes()));
        launch.probe_command(&target.url()).condition("len([BODY]) == 0").run().assert_up();
    }
}

#[test]
fn bodies_are_decoded_by_their_charset() {
    let launch = Launch::new();
    let page = b"<html><meta charset=iso-8859-1><p>caf\xe9";
    for (lines, body, condition) in [
        ("content-type: text/plain; charset=iso-8859-1\r\n", &b"caf\xe9"[..], "[BODY] == café"),
        ("content-type: text/plain; charset=GBK\r\n", b"\xc4\xe3\xba\xc3", "[BODY] == 你好"),
        ("content-type: text/plain; charset=Shift_JIS\r\n", b"\x93\xfa\x96{", "[BODY] == 日本"),
        ("content-type: text/plain\r\n", b"\xff\xfec\0a\0f\0\xe9\0", "[BODY] == café"),
        (
            "content-type: application/json;charset=\"UTF-16BE\"\r\n",
            b"\0{\0\"\0a\0\"\0:\0\"\0\xe9\0\"\0}",
            "[BODY].a == é",
        ),
        ("content-type: text/html\r\n", page, "[BODY] == pat(*<p>café)"),
        ("content-type: text/plain; charset=unheard-of\r\n", b"caf\xc3\xa9", "[BODY] == café"),
        ("", b"caf\xc3\xa9", "[BODY] == café"),
    ] {
        let probed = probe(&launch, lines, body, condition);
        assert!(probed.is_up(), "{lines}: {probed:?}");
    }
    let lines = "content-type: text/plain; charset=latin1\r\ncontent-encoding: gzip\r\n";
    probe(&launch, lines, &gzip(b"caf\xe9"), "[BODY] == café").assert_up();
}
