//! Cookies that a target sets on the way to the final response.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use serde_json::json;

use crate::support::wire::{Wire, read_until};
use crate::support::{Authority, Launch, Peer, Shape, TlsServer};

/// Redirects `/` to `to`, with these header lines; answers any other path with the cookies that it
/// received. A cookie sent to `/` is an error, unless it is the word `written`.
fn answer(wire: &mut dyn Wire, lines: &str, to: &str) -> io::Result<()> {
    let head = read_until(wire, b"\r\n\r\n")?;
    let cookies: Vec<&str> =
        head.lines().filter_map(|line| line.strip_prefix("cookie: ")).collect();
    let cookies = cookies.join(" and ");
    let response = if !head.starts_with("GET / ") {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{cookies}", cookies.len())
    } else if cookies.is_empty() || cookies == "session=1; written=1" {
        format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\n{lines}content-length: 0\r\n\r\n")
    } else {
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_owned()
    };
    wire.write_all(response.as_bytes())?;
    wire.flush()
}

fn plain(lines: &str, to: &str) -> Peer {
    let (lines, to) = (lines.to_owned(), to.to_owned());
    Peer::tcp(move |wire| answer(wire, &lines, &to))
}

fn secured(config: Arc<ServerConfig>, lines: &str, to: &str) -> Peer {
    let (lines, to) = (lines.to_owned(), to.to_owned());
    Peer::tls(config, move |wire| answer(wire, &lines, &to))
}

/// The condition that the response has this body.
fn body_is(expected: &str) -> String {
    match expected {
        "" => "len([BODY]) == 0".to_owned(),
        _ => format!("[BODY] == {expected}"),
    }
}

#[test]
fn cookies_are_sent_on_later_hops_of_the_same_probe() {
    let launch = Launch::new();
    let there = plain("", "");
    let elsewhere = format!("http://localhost:{}/in", there.port());
    let other_port = format!("{}/in", there.url("http"));
    for (lines, to, expected) in [
        ("set-cookie: sid=1; HttpOnly\r\nset-cookie: lang=de\r\n", "/in", "sid=1; lang=de"),
        ("set-cookie: sid=1;\r\n Path=/out\r\n", "/in", ""),
        ("set-cookie: sid=1; Path=/in\r\n", "/in/side", "sid=1"),
        ("set-cookie: sid=1; Secure\r\n", "/in", ""),
        ("set-cookie: sid=1; Max-Age=0\r\n", "/in", ""),
        ("set-cookie: ___utm=\u{1}fOe\r\n", "/in", ""),
        // A cookie is for all ports of its host, and for no other host.
        ("set-cookie: sid=1\r\n", &other_port, "sid=1"),
        ("set-cookie: sid=1\r\n", &elsewhere, ""),
        ("set-cookie: sid=1; Domain=localhost\r\n", &elsewhere, ""),
    ] {
        let here = plain(lines, to);
        let command = launch.probe_command(&format!("{}/", here.url("http")));
        let probed = command.condition(&body_is(expected)).run();
        assert!(probed.is_up(), "{lines} {to}: {probed:?}");
    }
}

#[test]
fn a_cookie_header_of_the_service_stays() {
    let launch = Launch::new();
    let there = plain("", "");
    let elsewhere = format!("http://localhost:{}/in", there.port());
    for (lines, to, expected) in [
        ("set-cookie: sid=1\r\n", "/in", "session=1; written=1; sid=1"),
        ("set-cookie: session=2\r\n", "/in", "written=1; session=2"),
        ("", "/in", "session=1; written=1"),
        ("set-cookie: sid=1\r\n", &elsewhere, ""),
    ] {
        let here = plain(lines, to);
        let options = json!({"headers": {"Cookie": "session=1; written=1"}});
        let command = launch.probe_command(&format!("{}/", here.url("http"))).options(options);
        let probed = command.condition(&body_is(expected)).run();
        assert!(probed.is_up(), "{lines} {to}: {probed:?}");
    }
}

#[test]
fn a_secure_cookie_is_sent_over_tls_only() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let config = TlsServer::new(authority.certify("127.0.0.1", Shape::Good)).config();
    let there = plain("", "");
    let to_plain = format!("{}/in", there.url("http"));
    for (to, expected) in [("/in", "sid=1; all=1"), (to_plain.as_str(), "all=1")] {
        let lines = "set-cookie: sid=1; Secure\r\nset-cookie: all=1\r\n";
        let here = secured(Arc::clone(&config), lines, to);
        let options = json!({"tls": {"ca": authority.pem()}});
        let command = launch.probe_command(&format!("{}/", here.url("https"))).options(options);
        let probed = command.condition(&body_is(expected)).run();
        assert!(probed.is_up(), "{to}: {probed:?}");
    }
}

#[test]
fn each_probe_begins_without_cookies() {
    let app = Launch::new().start();
    let here = plain("set-cookie: sid=1\r\n", "/in");
    let url = format!("{}/", here.url("http"));
    let conditions = json!(["[BODY] == sid=1"]);
    let id = app.add_with(&json!({"name": "a", "url": url, "conditions": conditions}));
    let service = app.wait_for_ticks(id, 3);
    assert_eq!(service["metric"]["data"]["down_count"], 0, "{service}");
}
