//! What a probe sends and follows, how many run at once, and how honest its times are.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{App, Authority, Behaviour, Launch, Target, wait_for};

fn failure_of(app: &App, url: &str) -> (String, String) {
    let id = app.add_with(&json!({"name": url, "url": url, "timeout_seconds": 3}));
    let service = app.wait_for_state(id, "down");
    let failure = &service["current_status"]["failure"];
    let word = |key: &str| failure[key].as_str().unwrap().to_owned();
    (word("reason"), word("detail"))
}

#[test]
fn a_probe_asks_as_a_plain_client_does() {
    let app = Launch::new().start();
    let target = Target::healthy();
    app.add("a", &target.at("/health?deep=1#not-sent").replace("http://", "http://u%40x:p@"));
    wait_for("a request", || (target.hits() > 0).then_some(()));
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

#[test]
fn ten_redirects_are_followed_and_no_more() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::Hops);
    // Not in slots, so that no other probe is under way while its requests are counted.
    let ten = json!({"name": "ten", "url": target.at("/hops/10"), "enabled": false});
    let id = app.add_with(&ten);
    let probed = app.send("POST", &format!("/v1/services/{id}/probe"), &json!({}));
    assert_eq!(probed.body["data"]["probe"]["data"]["success"], true, "{}", probed.text);
    assert_eq!(target.hits(), 11, "the request and ten redirects");
    let (reason, detail) = failure_of(&app, &target.at("/hops/11"));
    assert_eq!((reason.as_str(), detail.as_str()), ("redirect_loop", "more than 10 redirects"));
}

#[test]
fn a_redirect_is_judged_by_where_it_leads() {
    let app = Launch::new().start();
    let sick = Target::start(Behaviour::Status(500));
    let to_sick = Target::start(Behaviour::RedirectTo(sick.url()));
    assert_eq!(failure_of(&app, &to_sick.url()).0, "status");
    let to_file = Target::start(Behaviour::RedirectTo("file:///etc/passwd".into()));
    assert_eq!(failure_of(&app, &to_file.url()).0, "redirect_blocked");
    let nowhere = Target::start(Behaviour::Status(304));
    let id = app.add("not-modified", &nowhere.url());
    app.wait_for_state(id, "up");
    let unsent = Target::start(Behaviour::Raw(
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n".to_vec(),
    ));
    let id = app.add("length-of-a-body-that-is-not-sent", &unsent.url());
    app.wait_for_state(id, "up");
    let early =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec();
    let interim = Target::start(Behaviour::Raw(early));
    let id = app.add("interim", &interim.url());
    app.wait_for_state(id, "up");
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
fn certificates_are_checked_against_the_authorities_we_trust() {
    let (ours, other, plain) = (Authority::new(), Authority::new(), Target::healthy());
    let app = Launch::new().with("PROBE_CA_FILE", ours.file().display()).start();
    let good = app.add("good", &format!("https://127.0.0.1:{}/", ours.serve("127.0.0.1", false)));
    app.wait_for_state(good, "up");
    for (expected, port) in [
        ("tls_expired", ours.serve("127.0.0.1", true)),
        ("tls_hostname", ours.serve("else.example", false)),
        ("tls_untrusted", other.serve("127.0.0.1", false)),
        ("tls_handshake", plain.port()),
    ] {
        let (reason, detail) = failure_of(&app, &format!("https://127.0.0.1:{port}/"));
        assert_eq!(reason, expected, "{detail}");
    }
}

#[test]
fn never_more_probes_at_once_than_the_pool_has_slots() {
    let app = Launch::new().with("RUNNER_POOL_SIZE", 3).start();
    let target = Target::start(Behaviour::After(Duration::from_millis(100)));
    for name in 0..12 {
        app.add(&name.to_string(), &target.url());
    }
    // Twelve services at 0.2 s ask for 60 probes a second; three slots of 0.1 s give 30.
    app.wait_for_metric("service_healthcheck_probes_missed_total{reason=\"late\"}", 5.0);
    app.wait_for_metric("service_healthcheck_outcomes_total{result=\"recorded\"}", 30.0);
    assert_eq!(target.most_at_once(), 3);
    let list = app.get("/v1/services?status=down");
    assert!(list.list("services").is_empty(), "a missed slot is never down: {}", list.text);
}

#[test]
fn hung_targets_starve_nobody_and_are_told_as_down_in_their_own_time() {
    let app = Launch::new()
        .with("RUNNER_POOL_SIZE", 4)
        .with("RUNNER_SCRAPE_INTERVAL_SECONDS", "0.5")
        .with("RUNNER_HTTP_TIMEOUT_SECONDS", "3")
        .start();
    let (healthy, hung) = (Target::healthy(), Target::start(Behaviour::Hung));
    let hanging: Vec<i64> =
        (0..40).map(|nth| app.add(&format!("hung-{nth}"), &hung.url())).collect();
    let id = app.add("healthy", &healthy.url());
    app.wait_for_metric("service_healthcheck_probes_missed_total{reason=\"gave_way\"}", 10.0);
    wait_for("a hung service to be down", || {
        hanging.iter().find(|id| app.service(**id)["state"] == "down").copied()
    });
    let service = app.wait_for_ticks(id, 1);
    let before = service["metric"]["data"]["tick_count"].as_u64().unwrap();
    let started = Instant::now();
    let service = app.wait_for_ticks(id, before + 10);
    // Five seconds; in one line with the others, each tick would take half a minute.
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(service["state"], "up");
    let down = app.get("/v1/services?status=down&reason=timeout");
    assert!(!down.list("services").is_empty(), "{}", down.text);
}

#[test]
fn a_service_is_never_probed_twice_at_once() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::After(Duration::from_millis(700)));
    let id = app.add("slow", &target.url());
    let service = app.wait_for_ticks(id, 3);
    assert_eq!(target.most_at_once(), 1);
    assert_eq!(service["state"], "up");
    assert!(app.metric("service_healthcheck_probes_missed_total{reason=\"busy\"}").unwrap() >= 3.0);
}

#[test]
fn the_response_time_is_the_targets_and_not_ours() {
    // 32 services of 50 ms at 0.2 s want 8 slots; with 6 the pool is always busy and jobs wait in line.
    let app = Launch::new().with("RUNNER_POOL_SIZE", 6).start();
    let target = Target::start(Behaviour::After(Duration::from_millis(50)));
    for name in 0..32 {
        app.add(&name.to_string(), &target.url());
    }
    app.wait_for_metric("service_healthcheck_outcomes_total{result=\"recorded\"}", 300.0);
    assert!(app.metric("service_healthcheck_slots_waiting").is_some());
    let db = app.db();
    let median = "SELECT 1000 * response_time_ms FROM service_ticks ORDER BY response_time_ms \
                  LIMIT 1 OFFSET (SELECT count(*) / 2 FROM service_ticks)";
    let median_us = db.number(median);
    assert!((50_000..52_000).contains(&median_us), "{median_us} µs for a target of 50 ms");
}

#[test]
fn an_address_that_is_denied_by_rule_is_never_dialled() {
    let app = Launch::new()
        .with("PROBE_DENY_NETWORKS", "127.0.0.0/8")
        .with("PROBE_ALLOW_NETWORKS", "127.0.0.1")
        .start();
    let target = Target::healthy();
    let allowed = app.add("allowed", &target.url());
    app.wait_for_state(allowed, "up");
    let inside =
        Target::start(Behaviour::RedirectTo(format!("http://127.0.0.2:{}/", target.port())));
    for url in [
        format!("http://127.0.0.2:{}/", target.port()),
        format!("http://2130706434:{}/", target.port()),
        format!("http://0x7f.2:{}/", target.port()),
        format!("http://[::ffff:127.0.0.2]:{}/", target.port()),
        inside.url(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[fe80::1]/".to_owned(),
    ] {
        let (reason, detail) = failure_of(&app, &url);
        assert_eq!(reason, "address_blocked", "{url}: {detail}");
    }
}

#[test]
fn a_name_without_an_address_is_a_failure_of_dns() {
    let app = Launch::new().start();
    let (reason, detail) = failure_of(&app, "http://no-such-name.invalid/");
    assert_eq!(reason, "dns_no_such_name");
    assert!(detail.contains("no-such-name.invalid"), "{detail}");
    let target = Target::healthy();
    let id = app.add("localhost", &target.url().replace("127.0.0.1", "localhost"));
    app.wait_for_state(id, "up");
}
