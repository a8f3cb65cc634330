//! Phases, checked against targets that delay each of them by a known time.
//!
//! Connecting is delayed by a full queue, since not every kernel has netem: the first SYN gets no answer, and the
//! client sends its second one a second later (RFC 6298, section 2).

use std::time::Duration;

use hickory_resolver::proto::rr::RecordType;
use serde_json::{Value, json};

use crate::support::{
    Answer, Authority, Behaviour, Delays, FullQueue, Launch, NameServer, Peer, Probed, Shape,
    Target, Terms, record_of,
};

const PHASES: [&str; 5] = ["resolve", "connect", "tls", "processing", "transfer"];

/// After this time a SYN is sent again.
const SECOND_KNOCK: Duration = Duration::from_secs(1);

/// How much less than the delay a phase may take: a server counts from when it has sent something, and the probe from
/// when it has read it.
const EARLY_MS: f64 = 20.0;

/// How much more it may take, on each hop.
const LATE_MS: f64 = 100.0;

/// The name of every slow target.
const NAME: &str = "slow.example";

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A name server that knows [`NAME`], and takes `wait` to say so.
fn slow_name_server(wait: Duration) -> NameServer {
    let server = NameServer::start();
    server.says(NAME, RecordType::A, Answer::After(wait, vec![record_of("127.0.0.1")]));
    server
}

/// Asks that name server, and trusts that authority.
fn options(server: &NameServer, authority: &Authority) -> Value {
    json!({"resolver": server.as_resolver(), "tls": {"ca": authority.pem()}})
}

/// How a server of `authority` that is called [`NAME`] speaks TLS.
fn terms(authority: &Authority) -> Terms {
    Terms::of(authority.certify(NAME, Shape::Good))
}

/// It is up; each phase took as long as it was delayed, and those that were not took next to nothing; and together they
/// are the response time.
#[track_caller]
fn assert_took(probed: &Probed, delays: &[(&str, Duration)]) {
    probed.assert_up();
    let hops = probed.outcome["redirects"].as_f64().unwrap() + 1.0;
    for phase in PHASES {
        let delay = delays.iter().find(|(delayed, _)| *delayed == phase);
        let delay_ms = delay.map_or(0.0, |(_, delay)| delay.as_secs_f64() * 1e3);
        let expected = delay_ms - EARLY_MS..=delay_ms + hops * LATE_MS;
        let took = probed.phase_ms(phase);
        assert!(expected.contains(&took), "{phase}: {took} of {delay_ms} ms in {probed:?}");
    }
    let sum: f64 = PHASES.iter().map(|phase| probed.phase_ms(phase)).sum();
    assert!((sum - probed.took_ms()).abs() < 1.0, "{sum} in all of {probed:?}");
}

#[test]
fn a_slow_name_server_is_time_of_resolving() {
    let (server, target) = (slow_name_server(ms(150)), Target::healthy());
    let (launch, url) = (Launch::new(), target.url().replace("127.0.0.1", NAME));
    let asking = launch.asking(&url).options(json!({"resolver": server.as_resolver()}));
    assert_took(&asking.probe(), &[("resolve", ms(150))]);
}

#[test]
fn a_host_that_answers_the_second_knock_is_time_of_connecting() {
    let (launch, authority, queue) = (Launch::new(), Authority::new(), FullQueue::new());
    let server = slow_name_server(Duration::ZERO);
    let url = format!("https://{NAME}:{}/", queue.port());
    let serve = Delays::default().over_tls(terms(&authority).config());
    let opening = std::thread::spawn(move || queue.let_in(serve));
    let probed = launch.asking(&url).options(options(&server, &authority)).probe();
    assert_took(&probed, &[("connect", SECOND_KNOCK)]);
    opening.join().unwrap();
}

#[test]
fn a_slow_handshake_is_time_of_tls() {
    let authority = Authority::new();
    let launch = Launch::new().with("PROBE_CA_FILE", authority.file().display());
    let port = authority.serve_after(ms(150), "127.0.0.1", false);
    let probed = launch.asking(&format!("https://127.0.0.1:{port}/")).probe();
    assert_took(&probed, &[("tls", ms(150))]);
}

#[test]
fn a_slow_head_is_time_of_processing() {
    let target = Target::start(Behaviour::After(ms(150)));
    assert_took(&Launch::new().asking(&target.url()).probe(), &[("processing", ms(150))]);
}

#[test]
fn a_slow_body_is_time_of_transfer() {
    let target = Target::start(Behaviour::SlowBody(ms(150)));
    assert_took(&Launch::new().asking(&target.url()).probe(), &[("transfer", ms(150))]);
}

#[test]
fn all_five_delays_of_one_probe_are_told_apart() {
    let (launch, authority, queue) = (Launch::new(), Authority::new(), FullQueue::new());
    let server = slow_name_server(ms(150));
    let delays = Delays { tls: ms(300), head: ms(450), body: ms(600) };
    let url = format!("https://{NAME}:{}/", queue.port());
    let serve = delays.over_tls(terms(&authority).config());
    let opening = std::thread::spawn(move || queue.let_in(serve));
    let probed = launch.asking(&url).options(options(&server, &authority)).probe();
    assert_took(
        &probed,
        &[
            ("resolve", ms(150)),
            ("connect", SECOND_KNOCK),
            ("tls", delays.tls),
            ("processing", delays.head),
            ("transfer", delays.body),
        ],
    );
    opening.join().unwrap();
}

#[test]
fn over_two_redirects_each_phase_is_the_sum_of_three_hops() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let server = slow_name_server(ms(150));
    let delays = Delays { tls: ms(250), head: ms(400), body: ms(300) };
    let peer = Peer::start(delays.over_tls(terms(&authority).config()));
    let url = format!("https://{NAME}:{}/hops/2", peer.port());
    let probed = launch.asking(&url).options(options(&server, &authority)).probe();
    assert_eq!(probed.outcome["redirects"], 2);
    assert_eq!(server.asked(NAME, RecordType::A), 3, "every hop asks anew");
    // Only the last answer has a body.
    assert_took(
        &probed,
        &[
            ("resolve", 3 * ms(150)),
            ("tls", 3 * delays.tls),
            ("processing", 3 * delays.head),
            ("transfer", delays.body),
        ],
    );
}

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
