//! Streams are bounded, and end.

use std::fmt::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use socket2::SockRef;

use crate::support::{
    App, Behaviour, EventStream, Launch, Target, open_unread, wait_for, wait_until,
};

fn streams(app: &App) -> f64 {
    app.metric("service_healthcheck_streams ").unwrap()
}

#[test]
fn the_193rd_stream_is_refused_until_another_one_ends() {
    let app = Launch::new().start();
    let mut open: Vec<TcpStream> = Vec::new();
    for nth in 0..192 {
        let (stream, head) = open_unread(&app, "", "");
        assert!(head.starts_with("http/1.1 200 "), "{nth}: {head}");
        open.push(stream);
    }
    let refused = app.get("/v1/stream");
    assert_eq!((refused.status, refused.header("retry-after")), (503, "30"));
    assert!(refused.errors().contains("STREAM_MAX_CONNECTIONS"), "{}", refused.text);
    assert_eq!(app.get("/v1/services").status, 200, "other requests have their places");
    assert_eq!(streams(&app), 192.0);
    assert_eq!(app.metric("service_healthcheck_streams_refused_total "), Some(1.0));
    // Nothing is sent to a silent stream for 15 s, so only the end of the connection tells.
    drop(open.pop());
    let closed = Instant::now();
    wait_for("a stream to be free", || {
        let (stream, head) = open_unread(&app, "", "");
        head.starts_with("http/1.1 200 ").then(|| open.push(stream))
    });
    assert!(closed.elapsed() < Duration::from_secs(15), "{:?}", closed.elapsed());
}

#[test]
fn the_number_of_streams_is_checked_at_the_start() {
    let launch = Launch::new().with("API_MAX_CONNECTIONS", 10);
    let (code, output) = launch.clone().with("STREAM_MAX_CONNECTIONS", 6).run_to_end();
    assert_ne!(code, Some(0));
    assert!(output.contains("STREAM_MAX_CONNECTIONS: invalid value \"6\""), "{output}");
    let app = launch.with("STREAM_MAX_CONNECTIONS", 0).start();
    assert_eq!(app.get("/v1/stream").status, 503);
}

/// Services with long names that go up and down with one target.
fn flapping(target: &Target) -> Launch {
    let mut text = String::from("endpoints:\n");
    for nth in 0..150 {
        let name = format!("{nth}-{}", "x".repeat(240));
        let _ = writeln!(text, "  - {{name: {name}, url: '{}'}}", target.url());
    }
    Launch::new().with("RUNNER_POOL_SIZE", 64).with_services_file(&text)
}

#[test]
fn a_client_that_stops_reading_is_closed_and_others_go_on() {
    let target = Target::healthy();
    let app = flapping(&target).with("API_CLIENT_TIMEOUT_SECONDS", 2).start();
    let (stuck, head) = open_unread(&app, "", "");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    SockRef::from(&stuck).set_recv_buffer_size(4_096).unwrap();
    let mut reader = EventStream::open(&app, "");
    wait_until("both streams", || streams(&app) == 2.0);
    let mut is_up = true;
    wait_until("the stream that nobody reads to be closed", || {
        is_up = !is_up;
        target.set_behaviour(if is_up { Behaviour::Status(200) } else { Behaviour::Status(503) });
        let state = if is_up { "up" } else { "down" };
        reader.wait_for("state", |data| data["state"] == state);
        streams(&app) == 1.0
    });
    target.set_behaviour(Behaviour::Status(200));
    reader.wait_for("counts", |data| data["counts"]["up"] == 150);
    assert_eq!(app.get("/v1/_internal/health").status, 200);
}

#[test]
fn streams_end_at_once_with_the_service() {
    let mut app = Launch::new().with("SHUTDOWN_GRACE_SECONDS", 600).start();
    app.add_with(&json!({"name": "one", "url": "http://127.0.0.1:1/"}));
    let mut streams: Vec<EventStream> = (0..5).map(|_| EventStream::open(&app, "")).collect();
    for stream in &mut streams {
        stream.wait_for("hello", |_| true);
    }
    app.signal(Signal::TERM);
    assert_eq!(app.exit_code(), Some(0), "{}", app.log());
    for stream in &mut streams {
        stream.wait_for_end();
    }
}
