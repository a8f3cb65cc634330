//! Where the time of a probe goes, and what else is seen on the way; from the service and from the command line.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Authority, Behaviour, Launch, Target};

/// A probe from the command line, as JSON, with its exit code.
fn probe(launch: &Launch, url: &str) -> (Option<i32>, Value) {
    let (code, said) = launch.run(&["probe", url, "--json"]);
    (code, serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}")))
}

fn phase(outcome: &Value, name: &str) -> f64 {
    outcome["phases"][format!("{name}_ms")].as_f64().unwrap()
}

fn assert_adds_up(outcome: &Value) {
    let sum: f64 = ["resolve", "connect", "tls", "processing", "transfer"]
        .iter()
        .map(|name| phase(outcome, name))
        .sum();
    let whole = outcome["response_time_ms"].as_f64().unwrap();
    assert!((sum - whole).abs() < 1.0, "{sum} of {whole}");
}

#[test]
fn each_phase_has_the_time_that_the_target_took_in_it() {
    let launch = Launch::new();
    let wait = Duration::from_millis(120);
    let slow_head = Target::start(Behaviour::After(wait));
    let (code, outcome) = probe(&launch, &slow_head.url());
    assert_eq!(code, Some(0), "{outcome}");
    assert!((115.0..250.0).contains(&phase(&outcome, "processing")), "{outcome}");
    assert!(phase(&outcome, "transfer") < 100.0, "{outcome}");
    assert_adds_up(&outcome);

    let slow_body = Target::start(Behaviour::SlowBody(wait));
    let (_, outcome) = probe(&launch, &slow_body.url());
    assert!((115.0..250.0).contains(&phase(&outcome, "transfer")), "{outcome}");
    assert!(phase(&outcome, "processing") < 100.0, "{outcome}");
    assert_adds_up(&outcome);

    let authority = Authority::new();
    let port = authority.serve_after(wait, "127.0.0.1", false);
    let launch = launch.with("PROBE_CA_FILE", authority.file().display());
    let (_, outcome) = probe(&launch, &format!("https://127.0.0.1:{port}/"));
    assert!((115.0..250.0).contains(&phase(&outcome, "tls")), "{outcome}");
    assert_adds_up(&outcome);

    let first = Target::start(Behaviour::RedirectTo(slow_head.url()));
    let (_, outcome) = probe(&launch, &first.url());
    assert!((115.0..250.0).contains(&phase(&outcome, "processing")), "{outcome}");
    assert_eq!(outcome["redirects"], 1);
    assert_adds_up(&outcome);
}

#[test]
fn a_timeout_is_booked_to_the_phase_it_struck_in() {
    let hung = Target::start(Behaviour::Hung);
    let (code, said) = Launch::new().run(&["probe", &hung.url(), "--timeout", "0.3", "--json"]);
    let outcome: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &outcome["failure"]["reason"]), (Some(1), &json!("timeout")));
    assert!((285.0..450.0).contains(&phase(&outcome, "processing")), "{outcome}");
    assert_adds_up(&outcome);
}

#[test]
fn a_probe_from_the_command_line_tells_a_person_what_it_saw() {
    let (launch, target) = (Launch::new(), Target::start(Behaviour::Status(503)));
    let (code, said) = launch.run(&["probe", &target.url()]);
    assert_eq!(code, Some(1));
    assert!(said.contains("status: 503 Service Unavailable"), "{said}");
    assert!(said.contains(&format!("status 503, HTTP 1.1, 127.0.0.1:{}", target.port())), "{said}");
    assert!(said.contains("processing") && said.contains('█'), "{said}");
    let (code, said) = launch.run(&["probe", "ftp://a"]);
    assert!(code == Some(2) && said.contains("URL: \"ftp://a\""), "{said}");
    assert!(!launch.folder().join("db.db").exists(), "nothing is recorded");
}

#[test]
fn phases_are_kept_with_each_tick_and_told_on_metrics() {
    let authority = Authority::new();
    let expires = authority.expires_at();
    let app = Launch::new().with("PROBE_CA_FILE", authority.file().display()).start();
    let port = authority.serve("127.0.0.1", false);
    let secured = app.add("secured", &format!("https://127.0.0.1:{port}/"));
    let hops = Target::start(Behaviour::Hops);
    let plain = app.add("plain", &hops.at("/hops/3"));
    for id in [secured, plain] {
        app.wait_for_ticks(id, 3);
    }
    let off = "SELECT count(*) FROM service_ticks WHERE \
               abs(response_time_ms * 1000 - (dns_us + connect_us + tls_us + first_byte_us + transfer_us)) > 1000";
    let db = app.db();
    assert_eq!(db.number(off), 0, "they add up within a millisecond");
    assert!(db.number("SELECT min(tls_us) FROM service_ticks WHERE service_id = 1") > 0);

    let text = app.get("/metrics").text;
    for expected in [
        "probe_http_duration_seconds{service_id=\"1\",name=\"secured\",group=\"\",phase=\"tls\"} 0.0",
        "probe_http_duration_seconds{service_id=\"1\",name=\"secured\",group=\"\",phase=\"resolve\"} ",
        "probe_http_ssl{service_id=\"1\",name=\"secured\",group=\"\"} 1",
        "probe_http_version{service_id=\"1\",name=\"secured\",group=\"\"} 1.1",
        "probe_ip_protocol{service_id=\"1\",name=\"secured\",group=\"\"} 4",
        "probe_dns_lookup_time_seconds{service_id=\"1\"",
    ] {
        assert!(text.contains(expected), "{expected} in:\n{text}");
    }
    let expiry = app.metric("probe_ssl_earliest_cert_expiry{service_id=\"1\"").unwrap();
    assert_eq!(expiry, expires as f64);
    assert_eq!(app.metric("probe_ssl_earliest_cert_expiry{service_id=\"2\""), None);
    assert_eq!(app.metric("probe_http_redirects{service_id=\"2\""), Some(3.0));
}
