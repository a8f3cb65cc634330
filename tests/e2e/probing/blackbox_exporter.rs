//! Comparison with Debian's prometheus-blackbox-exporter, which probes the same targets in the same
//! test and must give the same results. Where the definitions differ, the test shows how.

use std::time::Duration;

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use serde_json::{Value, json};

use crate::support::{
    Answer, Authority, Behaviour, Blackbox, Exported, GrpcHealth, Launch, MailServer, NameServer,
    Peer, ProbeReport, Shape, Target, TlsServer, ensure, retry_while_busy, smtp_greeting,
    wait_until,
};

/// Timeout of both, in seconds.
const TIMEOUT: f64 = 3.0;

/// How much the two may differ in a duration.
const TOLERANCE_MS: f64 = 60.0;

/// Fields of the JSON of a probe, and the exporter's series for each.
const SAME: [(&str, &str); 6] = [
    ("success", "probe_success"),
    ("http_status", "probe_http_status_code"),
    ("http_version", "probe_http_version"),
    ("redirects", "probe_http_redirects"),
    ("certificate_expires_at", "probe_ssl_earliest_cert_expiry"),
    ("verified_chain_expires_at", "probe_ssl_last_chain_expiry_timestamp_seconds"),
];

/// The program and the exporter, which trust the same authority.
struct Both {
    launch: Launch,
    authority: Authority,
    exporter: Blackbox,
}

/// A module of the exporter.
fn module(prober: &str, mut options: Value) -> Value {
    options["preferred_ip_protocol"] = json!("ip4");
    json!({"prober": prober, "timeout": format!("{TIMEOUT}s"), prober: options})
}

impl Both {
    /// With modules of the exporter for an authority.
    fn with(modules: impl Fn(&Authority) -> Value) -> Self {
        let authority = Authority::new();
        let launch = Launch::new()
            .with("PROBE_CA_FILE", authority.file().display())
            .with("RUNNER_HTTP_TIMEOUT_SECONDS", TIMEOUT);
        let exporter = Blackbox::start(&modules(&authority));
        Self { launch, authority, exporter }
    }

    /// With the modules `http`, which applies the rule of this program (up is a final status below
    /// 400), and `http_2xx`, which applies the exporter's own.
    fn over_http() -> Self {
        let below_400: Vec<u16> = (200..400).collect();
        Self::with(|authority| {
            let tls = json!({"ca_file": authority.file()});
            json!({
                "http": module("http", json!({"valid_status_codes": below_400, "tls_config": tls})),
                "http_2xx": module("http", json!({"tls_config": tls})),
            })
        })
    }

    /// The results of both for `url`.
    fn probe(&self, url: &str) -> (ProbeReport, Exported) {
        (self.launch.probe_command(url).run(), self.exporter.probe("http", url))
    }

    /// Both must agree on `url`, which this program probes with `options`.
    #[track_caller]
    fn agree_with(&self, url: &str, options: Value) -> ProbeReport {
        let ours = self.launch.probe_command(url).options(options).run();
        let theirs = self.exporter.probe("http", url);
        for (field, series) in SAME {
            // What is null here is 0 or absent there.
            let (one, other) = (number(&ours.outcome[field]), theirs.value(series).unwrap_or(0.0));
            if field == "certificate_expires_at" && theirs.tls_version().is_none() {
                // The exporter has no expiry when the certificate makes the handshake fail.
                continue;
            }
            assert_eq!(one, other, "{field} of {ours:?}, {theirs:?}");
        }
        assert_eq!(ours.outcome["tls_version"].as_str(), theirs.tls_version(), "{ours:?}");
        assert!(ours.outcome["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{ours:?}");
        assert_eq!(theirs.value("probe_ip_protocol"), Some(4.0), "{theirs:?}");
        ours
    }

    /// Both must agree on `url`.
    #[track_caller]
    fn agree_on(&self, url: &str) -> ProbeReport {
        self.agree_with(url, json!({}))
    }

    /// Both must agree on whether the target is up. The exporter gets host and port, and the rest
    /// is part of `module`. Returns both results.
    #[track_caller]
    fn assert_verdict(
        &self,
        module: &str,
        url: &str,
        options: Value,
        is_up: bool,
    ) -> (ProbeReport, Exported) {
        let (_, target) = url.split_once("://").unwrap();
        let ours = self.launch.probe_command(url).options(options).run();
        let theirs = self.exporter.probe(module, target);
        assert_eq!((ours.is_up(), theirs.is_up()), (is_up, is_up), "{module}: {ours:?} {theirs:?}");
        (ours, theirs)
    }
}

/// A JSON value as the exporter exposes it.
fn number(value: &Value) -> f64 {
    match value {
        Value::Null => 0.0,
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        Value::String(version) => version.parse().unwrap(),
        other => other.as_f64().unwrap(),
    }
}

fn raw(answer: &str) -> Behaviour {
    Behaviour::Raw(answer.as_bytes().to_vec())
}

#[test]
fn verdict_status_and_version_agree_over_http() {
    let both = Both::over_http();
    for (behaviour, is_up, status) in [
        (Behaviour::Status(200), true, json!(200)),
        (Behaviour::Status(204), true, json!(204)),
        (Behaviour::Status(304), true, json!(304)),
        (Behaviour::Status(404), false, json!(404)),
        (Behaviour::Status(503), false, json!(503)),
        (raw("HTTP/1.0 200 OK\r\n\r\nold"), true, json!(200)),
        (raw("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n"), true, json!(302)),
        (raw("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"), true, json!(204)),
        (raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"), false, json!(200)),
        (Behaviour::Dripping, false, json!(200)),
        (raw("SSH-2.0-OpenSSH_9.2\r\n\r\n"), false, Value::Null),
        (raw(""), false, Value::Null),
        (Behaviour::Reset, false, Value::Null),
    ] {
        let target = Target::start(behaviour);
        let report = both.agree_on(&target.url());
        assert_eq!(
            (report.is_up(), &report.outcome["http_status"]),
            (is_up, &status),
            "{report:?}"
        );
    }
    assert!(!both.agree_on("http://127.0.0.1:1/").is_up());
}

#[test]
fn redirects_are_followed_and_counted_the_same() {
    let both = Both::over_http();
    let (hops, missing) = (Target::start(Behaviour::Hops), Target::start(Behaviour::Status(404)));
    let location = format!("location: {}\r\ncontent-length: 0", hops.at("/hops/2"));
    let moved = Target::start(raw(&format!("HTTP/1.1 301 Moved\r\n{location}\r\n\r\n")));
    let lost = Target::start(Behaviour::RedirectTo(missing.url()));
    for (url, redirects, status) in [
        (hops.at("/hops/3"), 3, 200),
        (hops.at("/hops/10"), 10, 200),
        (moved.url(), 3, 200),
        (lost.url(), 1, 404),
    ] {
        let report = both.agree_on(&url).outcome;
        assert_eq!(
            (&report["redirects"], &report["http_status"]),
            (&json!(redirects), &json!(status))
        );
    }
}

#[test]
fn a_redirect_loop_is_down_whatever_its_status() {
    let both = Both::over_http();
    let target = Target::start(Behaviour::RedirectLoop);
    let (ours, theirs) = both.probe(&target.url());
    ours.assert_failed("redirect_loop", "more than 10 redirects");
    assert_eq!(ours.outcome["http_status"], 302);
    assert_eq!(theirs.value("probe_http_status_code"), Some(302.0));
    // Both follow ten. The exporter then judges the last response by its status, so that the target
    // is up when 302 is accepted; and it counts the redirect that it did not follow.
    assert!(theirs.is_up(), "{theirs:?}");
    assert!(!both.exporter.probe("http_2xx", &target.url()).is_up());
    assert_eq!(ours.outcome["redirects"], 10);
    assert_eq!(theirs.value("probe_http_redirects"), Some(11.0));
}

#[test]
fn a_redirect_to_an_unusable_destination_is_down_for_both() {
    let both = Both::over_http();
    // This program reports the status of the last response and the redirects that were followed;
    // the exporter reports no status, and also counts the redirect that it rejects.
    for (location, reason, followed) in
        [("http://127.0.0.1:1/", "refused", 1), ("file:///etc/passwd", "redirect_blocked", 0)]
    {
        let target = Target::start(Behaviour::RedirectTo(location.to_owned()));
        let (ours, theirs) = both.probe(&target.url());
        ours.assert_failed(reason, "");
        assert_eq!(ours.outcome["redirects"], followed, "{ours:?}");
        assert_eq!(ours.outcome["http_status"], 302, "{ours:?}");
        assert!(!theirs.is_up(), "{theirs:?}");
        assert_eq!(theirs.value("probe_http_redirects"), Some(1.0));
        assert_eq!(theirs.value("probe_http_status_code"), Some(0.0));
    }
}

#[test]
fn both_give_up_a_hung_target_at_the_timeout() {
    let both = Both::over_http();
    let target = Target::start(Behaviour::Hung);
    retry_while_busy(|| {
        let (ours, theirs) = both.probe(&target.url());
        ours.assert_failed("timeout", "still waiting for the response");
        assert!(!theirs.is_up(), "{theirs:?}");
        // The exporter counts a phase once it is over, and so not the one in which the timeout
        // expired.
        assert!(theirs.phase_ms("processing") < 1.0, "{theirs:?}");
        let timeout_ms = TIMEOUT * 1e3;
        assert!(ours.response_time_ms() >= timeout_ms, "{ours:?}");
        let expected = timeout_ms - 10.0..timeout_ms + 250.0;
        let found = [ours.response_time_ms(), theirs.response_time_ms()];
        let is_close = found.iter().all(|ms| expected.contains(ms))
            && ours.phase_ms("processing") > timeout_ms - 50.0;
        ensure(is_close, || format!("{ours:?} {theirs:?}"))
    });
}

#[test]
fn durations_and_phases_agree_for_a_slow_target() {
    const DELAY_MS: f64 = 150.0;
    let both = Both::over_http();
    let delay = Duration::from_millis(DELAY_MS as u64);
    let slow_head = Target::start(Behaviour::After(delay));
    let slow_body = Target::start(Behaviour::SlowBody(delay));
    let slow_tls = both.authority.serve_after(delay, "127.0.0.1", false);
    for (url, phase) in [
        (slow_head.url(), "processing"),
        (slow_body.url(), "transfer"),
        (format!("https://127.0.0.1:{slow_tls}/"), "tls"),
    ] {
        retry_while_busy(|| {
            let (ours, theirs) = both.probe(&url);
            let is_close = |one: f64, other: f64| (one - other).abs() < TOLERANCE_MS;
            let agree = is_close(ours.response_time_ms(), theirs.response_time_ms())
                && is_close(ours.phase_ms(phase), DELAY_MS)
                && ["resolve", "connect", "tls", "processing", "transfer"]
                    .iter()
                    .all(|name| is_close(ours.phase_ms(name), theirs.phase_ms(name)));
            ensure(agree, || format!("{phase}: {ours:?} {theirs:?}"))
        });
    }
}

#[test]
fn verdict_version_and_expiry_agree_over_https() {
    let both = Both::over_http();
    for (shape, is_up) in [
        (Shape::Good, true),
        (Shape::WithIntermediate, true),
        (Shape::MissingIntermediate, false),
        (Shape::Expired, false),
        (Shape::NotYetValid, false),
        (Shape::WrongName, false),
        (Shape::SelfSigned, false),
    ] {
        let server = both.authority.serve_shape(shape);
        let report = both.agree_on(&server.url("https"));
        assert_eq!(report.is_up(), is_up, "{shape:?}: {report:?}");
        // In 2021.
        const EXPIRED: i64 = 1_609_459_200;
        let expires = if shape == Shape::Expired { EXPIRED } else { both.authority.expires_at() };
        assert_eq!(report.outcome["certificate_expires_at"], expires, "{shape:?}");
    }
    for untrusted in [Authority::named("a stranger"), Authority::new()] {
        let server = untrusted.serve_shape(Shape::Good);
        assert!(!both.agree_on(&server.url("https")).is_up());
    }
    let terms = TlsServer::new(both.authority.certify("127.0.0.1", Shape::Good)).only_tls12();
    let report = both.agree_on(&terms.serve().url("https"));
    assert_eq!((report.is_up(), &report.outcome["tls_version"]), (true, &json!("TLS 1.2")));
}

#[test]
fn verdict_status_and_redirects_agree_over_http_2() {
    let both = Both::over_http();
    let terms = TlsServer::new(both.authority.certify("127.0.0.1", Shape::Good)).with_alpn("h2");
    let server = GrpcHealth::secured(terms.config());
    for (path, status) in [("/", 200), ("/hop", 200), ("/status/503", 503)] {
        // The exporter uses HTTP/2 whenever the server offers it, this program only when the
        // service requires it.
        let url = format!("{}{path}", server.url("https"));
        let report = both.agree_with(&url, json!({"http_version": "2"}));
        assert_eq!(report.outcome["http_status"], status, "{report:?}");
        assert_eq!(report.outcome["http_version"], "2", "{report:?}");
    }
}

#[test]
fn metrics_have_the_names_and_values_of_the_exporter() {
    let both = Both::over_http();
    let app = both.launch.start();
    let (healthy, sick) = (Target::healthy(), Target::start(Behaviour::Status(503)));
    let hops = Target::start(Behaviour::Hops);
    let (good, old) =
        (both.authority.serve_shape(Shape::Good), both.authority.serve_shape(Shape::Expired));
    for (name, url) in [
        ("healthy", healthy.url()),
        ("sick", sick.url()),
        ("moved", hops.at("/hops/3")),
        ("gone", "http://127.0.0.1:1/".to_owned()),
        ("secured", good.url("https")),
        ("expired", old.url("https")),
    ] {
        let id = app.add(name, &url);
        app.wait_for_metric(&format!("probe_duration_seconds{{service_id=\"{id}\""), 0.0);
        let theirs = both.exporter.probe("http", &url);
        for gauge in [
            "probe_success",
            "probe_http_status_code",
            "probe_http_redirects",
            "probe_http_version",
            "probe_http_ssl",
            "probe_ip_protocol",
            "probe_ssl_earliest_cert_expiry",
            "probe_ssl_last_chain_expiry_timestamp_seconds",
        ] {
            if (name, gauge) == ("expired", "probe_ssl_earliest_cert_expiry") {
                // The exporter has no expiry when the certificate makes the handshake fail.
                continue;
            }
            // The exporter exposes version 0 of HTTP where none was spoken; this service exposes
            // none.
            let theirs = theirs.value(gauge).unwrap_or(0.0);
            wait_until(&format!("{gauge} of {name} to be {theirs}"), || {
                let ours = app.metric(&format!("{gauge}{{service_id=\"{id}\""));
                ours.unwrap_or(0.0) == theirs
            });
        }
        for seconds in ["probe_duration_seconds", "probe_dns_lookup_time_seconds"] {
            let is_exposed = theirs.value(seconds).is_some();
            wait_until(&format!("{seconds} of {name}: exposed {is_exposed}"), || {
                app.metric(&format!("{seconds}{{service_id=\"{id}\"")).is_some() == is_exposed
            });
        }
        for phase in ["resolve", "connect", "tls", "processing", "transfer"] {
            let service = format!("service_id=\"{id}\",name=\"{name}\",group=\"\"");
            let series = format!("probe_http_duration_seconds{{{service},phase=\"{phase}\"}}");
            let ours = app.metric(&series);
            assert!(ours.is_some() && theirs.phase_ms(phase) >= 0.0, "{phase} of {name}");
        }
    }
}

#[test]
fn verdicts_agree_on_tcp_ports_and_their_responses() {
    let talk = |answer: &str| {
        let steps = json!([{"expect": "^220 .*ESMTP"}, {"send": "NOOP\r"}, {"expect": answer}]);
        module("tcp", json!({"query_response": steps}))
    };
    let both = Both::with(|_| {
        json!({
            "tcp": module("tcp", json!({})),
            "noop": talk("^you said NOOP$"),
            "pong": talk("^\\+PONG"),
        })
    });
    let peer = Peer::tcp(smtp_greeting);
    let url = peer.url("tcp");
    both.assert_verdict("tcp", &url, json!({}), true);
    both.assert_verdict("tcp", "tcp://127.0.0.1:1", json!({}), false);
    let noop = json!({"body": "NOOP\r\n", "expect": "you said NOOP"});
    both.assert_verdict("noop", &url, noop, true);
    both.assert_verdict("pong", &url, json!({"body": "NOOP\r\n", "expect": "+PONG"}), false);
}

#[test]
fn verdict_version_and_expiry_agree_over_tls_and_starttls() {
    let both = Both::with(|authority| {
        let tls = json!({"ca_file": authority.file()});
        let steps = json!([
            {"expect": "^220 "},
            {"send": "EHLO prober.example\r"},
            {"expect": "^250[ -]STARTTLS"},
            {"send": "STARTTLS\r"},
            {"expect": "^220 "},
            {"starttls": true},
        ]);
        json!({
            "tls": module("tcp", json!({"tls": true, "tls_config": tls})),
            "starttls": module("tcp", json!({"query_response": steps, "tls_config": tls})),
        })
    });
    let mail = |mail: MailServer, shape: Shape| {
        mail.serve(TlsServer::new(both.authority.certify("127.0.0.1", shape)).config())
    };
    for (scheme, peer, is_up) in [
        ("tls", both.authority.serve_shape(Shape::Good), true),
        ("tls", both.authority.serve_shape(Shape::Expired), false),
        ("tls", both.authority.serve_shape(Shape::WrongName), false),
        ("tls", Authority::new().serve_shape(Shape::Good), false),
        ("starttls", mail(MailServer::Good, Shape::Good), true),
        ("starttls", mail(MailServer::Good, Shape::Expired), false),
        ("starttls", mail(MailServer::WithoutStartTls, Shape::Good), false),
        ("starttls", mail(MailServer::Rejecting, Shape::Good), false),
    ] {
        let (ours, theirs) = both.assert_verdict(scheme, &peer.url(scheme), json!({}), is_up);
        assert_eq!(ours.outcome["tls_version"].as_str(), theirs.tls_version(), "{ours:?}");
        let expires = theirs.value("probe_ssl_earliest_cert_expiry");
        if is_up {
            assert_eq!(ours.outcome["certificate_expires_at"].as_f64(), expires, "{ours:?}");
        } else {
            assert_eq!(expires, None, "{theirs:?}");
        }
    }
}

#[test]
fn verdicts_agree_on_name_servers() {
    let asks = |name: &str, answer: &str| {
        let mut question = json!({"query_name": name, "query_type": "A"});
        question["validate_answer_rrs"] = json!({"fail_if_none_matches_regexp": [answer]});
        module("dns", question)
    };
    let names =
        ["web.example", "nowhere.example", "sick.example", "closed.example", "mute.example"];
    let both = Both::with(|_| {
        let mut modules = json!({});
        for name in names {
            modules[name] = asks(name, "192\\.0\\.2\\.1$");
        }
        modules["hijacked"] = asks("web.example", "192\\.0\\.2\\.9$");
        modules["empty"] = module("dns", json!({"query_name": "empty.example", "query_type": "A"}));
        modules
    });
    let server = NameServer::start();
    server.set_answer("web.example", RecordType::A, Answer::address("192.0.2.1"));
    server.set_answer("sick.example", RecordType::A, Answer::Fails(ResponseCode::ServFail));
    server.set_answer("closed.example", RecordType::A, Answer::Fails(ResponseCode::Refused));
    server.set_answer("mute.example", RecordType::A, Answer::Silence);
    server.set_answer("empty.example", RecordType::A, Answer::Records(Vec::new()));
    let question = |name: &str, expected: &str| {
        let dns = json!({"query_name": name, "query_type": "A", "expected": [expected]});
        json!({"dns": dns})
    };
    for name in names {
        let options = question(name, "192.0.2.1");
        both.assert_verdict(name, &server.url(), options, name == "web.example");
    }
    let hijacked = question("web.example", "192.0.2.9");
    both.assert_verdict("hijacked", &server.url(), hijacked, false);

    // The exporter accepts an answer without records; for this program the name has no such record.
    assert!(both.exporter.probe("empty", &server.address()).is_up());
    let options = json!({"dns": {"query_name": "empty.example", "query_type": "A"}});
    let ours = both.launch.probe_command(&server.url()).options(options).run();
    ours.assert_failed("dns_no_such_name", "no A record for empty.example");
}

#[test]
fn verdicts_agree_on_grpc_health() {
    let both = Both::with(|authority| {
        let secured = json!({"tls": true, "tls_config": {"ca_file": authority.file()}});
        json!({
            "whole": module("grpc", json!({})),
            "good": module("grpc", json!({"service": "good"})),
            "bad": module("grpc", json!({"service": "bad"})),
            "who": module("grpc", json!({"service": "who"})),
            "secured": module("grpc", secured),
        })
    });
    let server = GrpcHealth::plain();
    let url = server.url("grpc");
    both.assert_verdict("whole", &url, json!({}), true);
    both.assert_verdict("good", &url, json!({"grpc_service": "good"}), true);
    let (ours, theirs) = both.assert_verdict("bad", &url, json!({"grpc_service": "bad"}), false);
    ours.assert_failed("status", "NOT_SERVING");
    let report = theirs.value("probe_grpc_healthcheck_response{serving_status=\"NOT_SERVING\"}");
    assert_eq!(report, Some(1.0), "{theirs:?}");
    let (ours, theirs) = both.assert_verdict("who", &url, json!({"grpc_service": "who"}), false);
    ours.assert_failed("status", "gRPC status 5 NOT_FOUND");
    assert_eq!(theirs.value("probe_grpc_status_code"), Some(5.0), "{theirs:?}");

    let terms = TlsServer::new(both.authority.certify("127.0.0.1", Shape::Good)).with_alpn("h2");
    let server = GrpcHealth::secured(terms.config());
    let (ours, theirs) = both.assert_verdict("secured", &server.url("grpcs"), json!({}), true);
    let expires = theirs.value("probe_ssl_earliest_cert_expiry");
    assert_eq!(ours.outcome["certificate_expires_at"].as_f64(), expires, "{theirs:?}");
}
