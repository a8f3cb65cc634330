//! Heads of HTTP/1 responses that browsers and curl read, although they are odd.

use serde_json::json;

use crate::support::{Behaviour, Blackbox, Launch, Target};

fn raw(head: &[u8], body: &[u8]) -> Target {
    Target::start(Behaviour::Raw([head, body].concat()))
}

/// blackbox_exporter must read the heads too, unless they are marked.
#[test]
fn odd_heads_are_read() {
    const ALSO_BY_BLACKBOX: bool = true;
    let launch = Launch::new();
    let module =
        json!({"prober": "http", "timeout": "30s", "http": {"preferred_ip_protocol": "ip4"}});
    let exporter = Blackbox::start(&json!({"http": module}));
    let many = [&b"HTTP/1.1 200 OK\r\n"[..], &b"x: y\r\n".repeat(500)].concat();
    for (head, by_blackbox) in [
        // Folded lines (RFC 9112, section 5.2).
        (
            &b"HTTP/1.1 200 OK\r\nx-policy: a;\r\n b\r\n\tc\r\ncontent-length: 2\r\n"[..],
            ALSO_BY_BLACKBOX,
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length:\r\n 2\r\n", ALSO_BY_BLACKBOX),
        // Control characters, Latin-1, a CR that ends no line.
        (
            b"HTTP/1.1 200 OK\r\nset-cookie: ___utm=\x01fOe\r\ncontent-length: 2\r\n",
            ALSO_BY_BLACKBOX,
        ),
        (
            b"HTTP/1.1 200 d\xe9j\xe0 \x01\r\nx: caf\xe9 \x7f\rx\r\ncontent-length: 2\r\n",
            ALSO_BY_BLACKBOX,
        ),
        // One length, twice.
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nContent-Length: 2\r\n", ALSO_BY_BLACKBOX),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n", false),
        // Status lines.
        (b"HTTP/1.1 200\r\ncontent-length: 2\r\n", ALSO_BY_BLACKBOX),
        (b"http/1.1  200 OK\r\ncontent-length: 2\r\n", false),
        (b"HTTP/1.0 200 OK\r\n", ALSO_BY_BLACKBOX),
        // Names and spaces.
        (b"HTTP/1.1 200 OK\r\n: x\r\nfoo bar[1]: x\r\ncontent-length : 2 \t\r\n", ALSO_BY_BLACKBOX),
        (
            b"HTTP/1.1 103 E\r\nx: a,\r\n b\r\n\r\nHTTP/1.1 200 OK\ncontent-length: 2\n",
            ALSO_BY_BLACKBOX,
        ),
        (&many, ALSO_BY_BLACKBOX),
    ] {
        let target = raw(head, b"\r\nhi");
        let probed = launch.probe_command(&target.url()).condition("[BODY] == hi").run();
        let shown = String::from_utf8_lossy(head);
        assert!(probed.is_up(), "{shown}: {probed:?}");
        let theirs = exporter.probe("http", &target.url());
        assert_eq!(theirs.is_up(), by_blackbox, "{shown}: {theirs:?}");
    }
}

#[test]
fn ambiguous_heads_are_refused() {
    let launch = Launch::new();
    for (lines, detail) in [
        (&b"content-length: 2\r\ncontent-length: 3\r\n"[..], "content-length differ: \"2, 3\""),
        (b"content-length: 2, 3\r\n", "content-length differ: \"2, 3\""),
        (b"content-length: +2\r\n", "invalid content-length \"+2\""),
        (b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", "chunked, chunked"),
        (b"x: a\0b\r\n", "a NUL character"),
        (b"no colon\r\n", "a header line without a colon: \"no colon\""),
        (b" x: y\r\n", "the first header line begins with a space"),
    ] {
        let target = raw(b"HTTP/1.1 200 OK\r\n", &[lines, b"\r\nhi"].concat());
        launch.probe_command(&target.url()).run().assert_failed("protocol", detail);
    }
    let unfinished = raw(b"HTTP/1.1 200 OK\r\nx: y\r\n", b"");
    let probed = launch.probe_command(&unfinished.url()).run();
    probed.assert_failed("protocol", "closed before the head was complete");
}

#[test]
fn raw_bytes_of_a_location_are_sent_percent_encoded() {
    let (launch, there) = (Launch::new(), Target::healthy());
    for (path, sent) in [(&b"/caf\xe9?q=\xff"[..], "/caf%E9?q=%FF"), (b"/\xc3\xa9", "/%C3%A9")] {
        let leads = [b"location: ", there.url().trim_end_matches('/').as_bytes(), path].concat();
        let here = raw(b"HTTP/1.1 302 Found\r\n", &[&leads[..], b"\r\n\r\n"].concat());
        launch.probe_command(&here.url()).run().assert_up();
        assert!(there.last_head().starts_with(&format!("GET {sent} HTTP/1.1\r\n")), "{sent}");
    }
    let nowhere = raw(b"HTTP/1.1 302 Found\r\nlocation:\r\ncontent-length: 0\r\n", b"\r\n");
    let probed = launch.probe_command(&nowhere.url()).run();
    probed.assert_up();
    assert_eq!(probed.outcome["redirects"], 0, "an empty location leads nowhere");
}
