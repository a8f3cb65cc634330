//! Phases of a probe, checked against targets that delay each of them by a known time.
//!
//! Connecting is delayed by a full backlog, since not every kernel has netem: the first SYN gets no
//! answer, and the client sends the second one a second later (RFC 6298, section 2).

use std::time::Duration;

use hickory_resolver::proto::rr::RecordType;
use serde_json::{Value, json};

use crate::support::{
    Answer, Authority, Behaviour, Delays, FullBacklog, Launch, NameServer, Peer, ProbeReport,
    Shape, Target, TlsServer, ensure, record_of, retry_while_busy,
};

const PHASES: [&str; 5] = ["resolve", "connect", "tls", "processing", "transfer"];

/// Time after which a SYN is sent again.
const SYN_RETRY: Duration = Duration::from_secs(1);

/// How much shorter than its delay a phase may be: a server counts from its own send, the probe
/// from its own receipt.
const EARLY_MS: f64 = 20.0;

/// How much longer a phase may be, per hop.
const LATE_MS: f64 = 100.0;

/// The name of every slow target.
const NAME: &str = "slow.example";

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A name server that answers for [`NAME`] after `delay`.
fn slow_name_server(delay: Duration) -> NameServer {
    let server = NameServer::start();
    server.set_answer(NAME, RecordType::A, Answer::After(delay, vec![record_of("127.0.0.1")]));
    server
}

/// Options to resolve by that name server and to trust that authority.
fn options(server: &NameServer, authority: &Authority) -> Value {
    json!({"resolver": server.resolver_url(), "tls": {"ca": authority.pem()}})
}

/// A TLS server for [`NAME`] with a certificate of `authority`.
fn tls_server(authority: &Authority) -> TlsServer {
    TlsServer::new(authority.certify(NAME, Shape::Good))
}

/// The phases add up to the response time. This holds on any machine.
#[track_caller]
fn assert_adds_up(report: &ProbeReport) {
    let sum: f64 = PHASES.iter().map(|phase| report.phase_ms(phase)).sum();
    assert!((sum - report.response_time_ms()).abs() < 1.0, "sum {sum}: {report:?}");
}

/// Each phase takes as long as its delay, and a phase without a delay next to nothing.
///
/// In every attempt the phases add up and the response time contains all delays. A busy machine
/// lengthens single phases, so these must match in one attempt only; a program that books time to
/// the wrong phase matches in none.
#[track_caller]
fn assert_phases(delays: &[(&str, Duration)], mut probe: impl FnMut() -> ProbeReport) {
    retry_while_busy(|| {
        let report = probe();
        report.assert_up();
        assert_adds_up(&report);
        let all: Duration = delays.iter().map(|(_, delay)| *delay).sum();
        assert!(report.response_time_ms() >= all.as_secs_f64() * 1e3 - EARLY_MS, "{report:?}");
        let hops = report.outcome["redirects"].as_f64().unwrap() + 1.0;
        PHASES.iter().try_for_each(|phase| {
            let delay = delays.iter().find(|(delayed, _)| delayed == phase);
            let delay_ms = delay.map_or(0.0, |(_, delay)| delay.as_secs_f64() * 1e3);
            let expected = delay_ms - EARLY_MS..=delay_ms + hops * LATE_MS;
            let found = report.phase_ms(phase);
            ensure(expected.contains(&found), || {
                format!("{phase}: {found} ms, expected {delay_ms} ms: {report:?}")
            })
        })
    });
}

#[test]
fn a_slow_name_server_lengthens_resolve() {
    let (server, target) = (slow_name_server(ms(150)), Target::healthy());
    let (launch, url) = (Launch::new(), target.url().replace("127.0.0.1", NAME));
    let resolver = json!({"resolver": server.resolver_url()});
    assert_phases(&[("resolve", ms(150))], || {
        launch.probe_command(&url).options(resolver.clone()).run()
    });
}

#[test]
fn a_repeated_syn_lengthens_connect() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let server = slow_name_server(Duration::ZERO);
    assert_phases(&[("connect", SYN_RETRY)], || {
        let backlog = FullBacklog::new();
        let url = format!("https://{NAME}:{}/", backlog.port());
        let serve = Delays::default().over_tls(tls_server(&authority).config());
        let accepting = std::thread::spawn(move || backlog.accept_after_syn(serve));
        let report = launch.probe_command(&url).options(options(&server, &authority)).run();
        accepting.join().unwrap();
        report
    });
}

#[test]
fn a_slow_handshake_lengthens_tls() {
    let authority = Authority::new();
    let launch = Launch::new().with("PROBE_CA_FILE", authority.file().display());
    let port = authority.serve_after(ms(150), "127.0.0.1", false);
    let url = format!("https://127.0.0.1:{port}/");
    assert_phases(&[("tls", ms(150))], || launch.probe_command(&url).run());
}

#[test]
fn a_slow_response_head_lengthens_processing() {
    let (launch, target) = (Launch::new(), Target::start(Behaviour::After(ms(150))));
    assert_phases(&[("processing", ms(150))], || launch.probe_command(&target.url()).run());
}

#[test]
fn a_slow_response_body_lengthens_transfer() {
    let (launch, target) = (Launch::new(), Target::start(Behaviour::SlowBody(ms(150))));
    assert_phases(&[("transfer", ms(150))], || launch.probe_command(&target.url()).run());
}

#[test]
fn all_five_delays_of_one_probe_are_told_apart() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let server = slow_name_server(ms(150));
    let delays = Delays { tls: ms(300), head: ms(450), body: ms(600) };
    let expected = [
        ("resolve", ms(150)),
        ("connect", SYN_RETRY),
        ("tls", delays.tls),
        ("processing", delays.head),
        ("transfer", delays.body),
    ];
    assert_phases(&expected, || {
        let backlog = FullBacklog::new();
        let url = format!("https://{NAME}:{}/", backlog.port());
        let serve = delays.over_tls(tls_server(&authority).config());
        let accepting = std::thread::spawn(move || backlog.accept_after_syn(serve));
        let report = launch.probe_command(&url).options(options(&server, &authority)).run();
        accepting.join().unwrap();
        report
    });
}

#[test]
fn over_two_redirects_each_phase_is_the_sum_of_three_hops() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let delays = Delays { tls: ms(250), head: ms(400), body: ms(300) };
    let peer = Peer::start(delays.over_tls(tls_server(&authority).config()));
    let url = format!("https://{NAME}:{}/hops/2", peer.port());
    let expected = [
        ("resolve", 3 * ms(150)),
        ("tls", 3 * delays.tls),
        ("processing", 3 * delays.head),
        // Only the last response has a body.
        ("transfer", delays.body),
    ];
    assert_phases(&expected, || {
        let server = slow_name_server(ms(150));
        let report = launch.probe_command(&url).options(options(&server, &authority)).run();
        assert_eq!(report.outcome["redirects"], 2);
        assert_eq!(server.query_count(NAME, RecordType::A), 3, "one query per hop");
        report
    });
}

#[test]
fn a_redirect_to_a_slow_target_lengthens_processing() {
    let (launch, slow) = (Launch::new(), Target::start(Behaviour::After(ms(150))));
    let first = Target::start(Behaviour::RedirectTo(slow.url()));
    assert_phases(&[("processing", ms(150))], || {
        let report = launch.probe_command(&first.url()).run();
        assert_eq!(report.outcome["redirects"], 1);
        report
    });
}

#[test]
fn a_timeout_counts_to_the_phase_in_which_it_expires() {
    const TIMEOUT_MS: f64 = 1_000.0;
    let (launch, hung) = (Launch::new(), Target::start(Behaviour::Hung));
    retry_while_busy(|| {
        let report = launch.probe_command(&hung.url()).timeout(TIMEOUT_MS / 1e3).run();
        report.assert_failed("timeout", "");
        assert_adds_up(&report);
        assert!(report.response_time_ms() >= TIMEOUT_MS, "{report:?}");
        let processing = report.phase_ms("processing");
        let expected = TIMEOUT_MS - LATE_MS..TIMEOUT_MS + LATE_MS;
        ensure(expected.contains(&processing), || format!("{report:?}"))
    });
}

#[test]
fn phases_are_stored_with_each_tick_and_exposed_as_metrics() {
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
    let wrong_sum = "SELECT count(*) FROM service_ticks WHERE abs(response_time_ms * 1000 - \
                     (dns_us + connect_us + tls_us + first_byte_us + transfer_us)) > 1000";
    let db = app.db();
    assert_eq!(db.number(wrong_sum), 0, "the phases add up within a millisecond");
    assert!(db.number("SELECT min(tls_us) FROM service_ticks WHERE service_id = 1") > 0);

    let labels = "service_id=\"1\",name=\"secured\",group=\"\"";
    let text = app.get("/metrics").text;
    for expected in [
        &format!("probe_http_duration_seconds{{{labels},phase=\"tls\"}} "),
        &format!("probe_http_duration_seconds{{{labels},phase=\"resolve\"}} "),
        &format!("probe_http_ssl{{{labels}}} 1"),
        &format!("probe_http_version{{{labels}}} 1.1"),
        &format!("probe_ip_protocol{{{labels}}} 4"),
        "probe_dns_lookup_time_seconds{service_id=\"1\"",
    ] {
        assert!(text.contains(expected), "{expected} in:\n{text}");
    }
    let tls = app.metric(&format!("probe_http_duration_seconds{{{labels},phase=\"tls\"}}"));
    assert!(tls.unwrap() > 0.0, "{text}");
    let expiry = app.metric("probe_ssl_earliest_cert_expiry{service_id=\"1\"").unwrap();
    assert_eq!(expiry, expires as f64);
    assert_eq!(app.metric("probe_ssl_earliest_cert_expiry{service_id=\"2\""), None);
    assert_eq!(app.metric("probe_http_redirects{service_id=\"2\""), Some(3.0));
}
