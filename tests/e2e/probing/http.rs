//! What a probe over HTTP sends, and how it judges the answer.

use std::io::{self, BufRead, BufReader, Read};

use serde_json::{Value, json};

use crate::support::{Behaviour, Launch, Peer, Target, basic, has_line, wait_until};

/// Reads the head of a request.
fn read_head(wire: &mut (impl Read + ?Sized)) -> io::Result<()> {
    let (mut lines, mut line) = (BufReader::new(wire), String::new());
    while lines.read_line(&mut line)? > "\r\n".len() {
        line.clear();
    }
    Ok(())
}

/// Answers any request with `bytes` and then waits until the client closes.
fn holding(bytes: &'static [u8]) -> Peer {
    Peer::tcp(move |wire| {
        read_head(wire)?;
        wire.write_all(bytes)?;
        wire.flush()?;
        wire.read_exact(&mut [0])
    })
}

/// Answers any request with `bytes` and then closes.
fn raw(bytes: &[u8]) -> Target {
    Target::start(Behaviour::Raw(bytes.to_vec()))
}

#[test]
fn a_probe_sends_a_plain_request() {
    let app = Launch::new().start();
    let target = Target::healthy();
    app.add("a", &target.at("/health?deep=1#not-sent").replace("http://", "http://u%40x:p@"));
    wait_until("a request", || target.request_count() > 0);
    let head = target.last_head().to_lowercase();
    assert!(head.starts_with("get /health?deep=1 http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nhost: 127.0.0.1:{}\r\n", target.port())), "{head}");
    assert!(head.contains("\r\nuser-agent: service-healthcheck/"), "{head}");
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    assert!(
        head.contains("\r\nauthorization: basic dub4onA=\r\n".to_lowercase().as_str()),
        "{head}"
    );
    for unasked in ["content-length", "accept-encoding"] {
        assert!(!head.contains(unasked), "{head}");
    }
}

/// Probes `target` with these options and returns the head of the last request.
fn head_seen(target: &Target, options: Value) -> String {
    Launch::new().probe_command(&target.url()).options(options).run().assert_up();
    target.last_head()
}

#[test]
fn a_request_has_the_options_of_the_service() {
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
fn a_method_that_expects_a_body_is_sent_with_the_length_0() {
    let launch = Launch::new();
    let there = Target::healthy();
    let lengths = |status: &str, method: &str, body: Option<&str>| {
        let leads =
            format!("HTTP/1.1 {status}\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", there.url());
        let here = raw(leads.as_bytes());
        let options = json!({"method": method, "body": body});
        launch.probe_command(&here.url()).options(options).run().assert_up();
        [here.last_head(), there.last_head()].map(|head| {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            length.map(|length| length.to_owned())
        })
    };
    let zero = || Some("0".to_owned());
    for method in ["POST", "PUT", "PATCH"] {
        assert_eq!(lengths("307 x", method, None), [zero(), zero()], "{method}");
        assert_eq!(lengths("303 x", method, None), [zero(), None], "{method} becomes GET");
    }
    assert_eq!(lengths("302 x", "PUT", Some("")), [zero(), zero()]);
    assert_eq!(lengths("302 x", "POST", Some("")), [zero(), None]);
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        assert_eq!(lengths("307 x", method, None), [None, None], "{method}");
    }
    assert_eq!(lengths("307 x", "DELETE", Some("hi")), [Some("2".into()), Some("2".into())]);
}

#[test]
fn a_status_of_400_or_above_is_down() {
    let app = Launch::new().start();
    for (status, state) in [(200, "up"), (399, "up"), (400, "down"), (404, "down"), (503, "down")] {
        let target = Target::start(Behaviour::Status(status));
        let id = app.add(&status.to_string(), &target.url());
        app.wait_for_state(id, state);
    }
}

#[test]
fn a_complete_response_is_judged_while_the_connection_stays_open() {
    let launch = Launch::new();
    let old = holding(b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n");
    launch.probe_command(&old.url("http")).run().assert_up();
    let head = holding(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n");
    let command = launch.probe_command(&head.url("http")).options(json!({"method": "HEAD"}));
    command.run().assert_up();
    for bytes in [
        &b"HTTP/1.1 200 OK\r\nupgrade: websocket\r\ncontent-length: 2\r\n\r\nhi"[..],
        b"HTTP/1.1 200 OK\r\nupgrade: websocket\r\nconnection: upgrade\r\ncontent-length: \
         2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\ncontent-length: 2\n\nhi",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\nhi",
    ] {
        let peer = holding(bytes);
        launch.probe_command(&peer.url("http")).condition("[BODY] == hi").run().assert_up();
    }
}

#[test]
fn a_body_that_ends_with_the_connection_is_read() {
    let launch = Launch::new();
    let long = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\nhi", "y".repeat(20_000));
    for bytes in [
        "HTTP/1.0 200 OK\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nhi",
        long.as_str(),
    ] {
        let target = raw(bytes.as_bytes());
        launch.probe_command(&target.url()).condition("[BODY] == hi").run().assert_up();
    }
}
