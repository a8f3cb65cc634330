//! Bounds of queries: how many are under way, and that nothing is computed for nobody.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::prometheus::query;
use crate::support::{App, Launch, wait_until};

/// Queries that may wait for a thread.
const WAITING: usize = 16;

/// 11,000 windows of 20,000 samples each, which takes minutes and few samples.
const SLOW: &str = "quantile_over_time(0.5, vector(1)[20000s:1s])";

fn asked(app: &App, expr: &str) -> Result<(), String> {
    let server = format!("http://{}", app.address());
    query(&server, "query", &[("query", expr)]).map(drop).map_err(|(kind, _)| kind)
}

/// A client that has asked for [`SLOW`], and waits.
fn slow_client(app: &App) -> TcpStream {
    let mut client = TcpStream::connect(app.address()).unwrap();
    let form = format!("query={SLOW}&start=0&end=10999&step=1");
    let form = form.replace('[', "%5B").replace(']', "%5D");
    let head = format!(
        "POST /api/v1/query_range HTTP/1.1\r\nhost: {}\r\ncontent-type: \
         application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        app.address(),
        form.len()
    );
    client.write_all(head.as_bytes()).unwrap();
    client
}

#[test]
fn more_queries_than_may_wait_are_refused_and_those_of_clients_that_have_gone_are_canceled() {
    let app = Launch::new().with("QUERY_CONCURRENCY", 1).start();
    // One runs, and the last one is refused.
    let clients: Vec<TcpStream> = (0..WAITING + 2).map(|_| slow_client(&app)).collect();
    app.wait_for_metric("service_healthcheck_queries_total{result=\"unavailable\"}", 1.0);
    assert_eq!(asked(&app, "1"), Err("unavailable".to_owned()));
    drop(clients);
    // The one that runs; the others are never begun.
    app.wait_for_metric("service_healthcheck_queries_total{result=\"canceled\"}", 1.0);
    wait_until("a place", || asked(&app, "1") == Ok(()));
    let timed_out = app.metric("service_healthcheck_queries_total{result=\"timeout\"}");
    assert_eq!(timed_out, Some(0.0), "nothing was computed until its time was over");
}

#[test]
fn a_client_that_waits_is_answered_when_its_time_is_over() {
    let app = Launch::new().with("QUERY_TIMEOUT_SECONDS", 1).start();
    let mut text = String::new();
    let mut client = slow_client(&app);
    let mut bytes = [0; 1_024];
    while !text.contains("\r\n\r\n{") {
        let read = client.read(&mut bytes).unwrap();
        assert!(read > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    assert!(
        text.starts_with("HTTP/1.1 503") && text.contains("\"errorType\":\"timeout\""),
        "{text}"
    );
}
