//! Clients that do not read, or do not finish their requests, harm nobody else.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::support::{App, Launch, WAIT_LIMIT, ensure, retry_while_busy, wait_for, wait_until};

/// The time that actix-http gives to the first head of a connection.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// A service with a list of 3 MB.
pub fn launch() -> Launch {
    let mut text = String::from("endpoints:\n");
    for nth in 0..300 {
        let body = "x".repeat(10_000);
        let _ = writeln!(
            text,
            "  - {{name: a{nth}, url: 'http://127.0.0.1:1/', enabled: false, method: POST, \
             body: {body}}}"
        );
    }
    Launch::new().with("SHOW_REQUESTS", "true").with_services_file(&text)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// A client that sends `text` and reads nothing.
fn send(app: &App, text: &str) -> TcpStream {
    let mut client = TcpStream::connect(app.address()).unwrap();
    // The service may close the connection at any time, and takes no more than it reads.
    client.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let _ = client.write_all(text.as_bytes());
    client
}

fn assert_healthy(app: &App) {
    assert_eq!(app.get("/v1/_internal/health").status, 200);
    wait_until("ready", || app.get("/v1/_internal/ready").status == 200);
}

/// Acknowledgements of smaller segments than those of loopback do not wait.
#[test]
fn segments_are_smaller_than_the_send_buffer() {
    let app = Launch::new().start();
    let client = TcpStream::connect(app.address()).unwrap();
    assert!(SockRef::from(&client).tcp_mss().unwrap() <= 8 * 1024);
}

#[test]
fn clients_that_read_nothing_hold_little_memory_and_are_closed() {
    let app = launch()
        .with("API_CLIENT_TIMEOUT_SECONDS", 2)
        .with("API_MAX_CONNECTIONS", 40)
        .with("API_RESPONSE_BYTES_IN_FLIGHT", 16 * 1024 * 1024)
        .start();
    let list = app.get("/v1/services?limit=300");
    assert!(list.text.len() > 3_000_000 && list.list("services").len() == 300);
    let before = app.resident_bytes();
    let sockets = app.open_sockets();

    let page = |nth: usize| get(&format!("/v1/services?limit={}", 300 - nth));
    let mut clients: Vec<_> = (0..40).map(|nth| send(&app, &page(nth))).collect();
    clients.extend((0..20).map(|_| send(&app, &page(0))));
    clients.extend((0..5).map(|_| send(&app, &page(0).repeat(2_000))));
    clients.extend((0..5).map(|_| send(&app, &get("/metrics").repeat(100))));
    let half_closed = send(&app, &page(0));
    half_closed.shutdown(Shutdown::Write).unwrap();
    assert_healthy(&app);
    let mut peak = before;
    wait_until("every connection to be closed", || {
        peak = peak.max(app.resident_bytes());
        app.open_sockets() <= sockets
    });
    drop((clients, half_closed));
    // Each client had its own 3 MB before: 200 MB.
    let grown = peak.saturating_sub(before) / 1_048_576;
    assert!(grown < 100, "the memory grew by {grown} MiB");
    assert_healthy(&app);
    wait_until("a list to have memory", || app.get("/v1/services?limit=299").status == 200);
}

#[test]
fn a_large_response_is_complete_for_a_slow_reader_and_empty_for_head() {
    let app = launch().with("API_CLIENT_TIMEOUT_SECONDS", 20).start();
    let expected = app.get("/v1/services?limit=300");
    assert_eq!(expected.header("content-length"), expected.text.len().to_string());
    assert_eq!(expected.header("content-type"), "application/json");
    let head = app.request("HEAD", "/v1/services?limit=300", &[], "");
    assert_eq!(head.header("content-length"), expected.header("content-length"));
    assert!(head.text.is_empty());

    let mut client = send(
        &app,
        &get("/v1/services?limit=300").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"),
    );
    let mut read = Vec::new();
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(20));
        let mut part = vec![0; 20_000];
        client.read_exact(&mut part).unwrap();
        read.extend(part);
    }
    client.read_to_end(&mut read).unwrap();
    assert!(read.ends_with(expected.text.as_bytes()), "{} bytes", read.len());
}

#[test]
fn slow_heads_and_bodies_do_not_delay_others() {
    let app = Launch::new().with("API_MAX_CONNECTIONS", 8).start();
    let head = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
    let body = "POST /v1/services HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 100000\r\n\r\n{";
    for slow in [head, body] {
        retry_while_busy(|| {
            let clients: Vec<_> = (0..200).map(|_| send(&app, slow)).collect();
            for path in ["/v1/_internal/health", "/v1/_internal/ready", "/v1/services"] {
                let started = Instant::now();
                let reply = app.get(path);
                let took = started.elapsed();
                ensure(reply.status == 200, || format!("{path}: {}", reply.text))?;
                // Less than the time after which a slow client is closed anyway.
                ensure(took < FIRST_HEAD_TIMEOUT / 2, || format!("{path} took {took:?}"))?;
            }
            drop(clients);
            Ok(())
        });
    }
}

#[test]
fn when_every_place_is_taken_only_health_and_readiness_are_served() {
    let app = launch().with("API_MAX_CONNECTIONS", 4).start();
    let clients: Vec<_> = (0..4).map(|_| send(&app, &get("/v1/services?limit=300"))).collect();
    let refused = wait_for("every place to be taken", || {
        Some(app.get("/v1/services?limit=1")).filter(|reply| reply.status == 503)
    });
    assert_eq!(refused.header("retry-after"), "1");
    assert!(refused.errors().contains("API_MAX_CONNECTIONS"), "{}", refused.text);
    assert_healthy(&app);
    // A client that goes away gives its place back.
    drop(clients);
    wait_until("a place", || app.get("/v1/services?limit=1").status == 200);
}

#[test]
fn a_second_head_that_never_ends_is_closed() {
    let app = Launch::new().start();
    let mut client = send(&app, &get("/v1/_internal/health"));
    client.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
    let mut read = [0; 1_000];
    assert!(client.read(&mut read).unwrap() > 0);
    let mut slow = client.try_clone().unwrap();
    std::thread::spawn(move || {
        while slow.write_all(b"G").is_ok() {
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    // The end or a reset, and not the read timeout of this test.
    let closed = client.read(&mut read).or_else(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(error),
        _ => Ok(0),
    });
    assert_eq!(closed.unwrap(), 0);
}
