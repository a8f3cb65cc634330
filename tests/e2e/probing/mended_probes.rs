//! What probes once told wrongly of a target, each with the target that showed it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, ServerConnection, Stream};
use serde_json::{Value, json};

use crate::support::namespace::Hosts;
use crate::support::{
    Answer, Authority, Behaviour, Identity, Launch, NameServer, Peer, Shape, Target, Terms,
    greeter, text_record,
};

/// Reads the head of a request.
fn read_head(wire: &mut (impl Read + ?Sized)) -> io::Result<()> {
    let (mut lines, mut line) = (BufReader::new(wire), String::new());
    while lines.read_line(&mut line)? > "\r\n".len() {
        line.clear();
    }
    Ok(())
}

/// Answers any request with `bytes`, and then waits until the client has gone.
fn holding(bytes: &'static [u8]) -> Peer {
    Peer::plain(move |wire| {
        read_head(wire)?;
        wire.write_all(bytes)?;
        wire.flush()?;
        wire.read_exact(&mut [0])
    })
}

/// Answers any request with `bytes`, and then closes.
fn raw(bytes: &[u8]) -> Target {
    Target::start(Behaviour::Raw(bytes.to_vec()))
}

/// Answers any request with `body` and its length.
fn with_length(body: &[u8]) -> Target {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    raw(&[head.as_bytes(), body].concat())
}

/// Speaks TLS as `identity`, and wishes for a certificate of a client, but does not demand one.
fn wishing_for_clients(identity: &Identity) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = Arc::new(Authority::called("clients of another").roots());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_client_cert_verifier(verifier);
    Arc::new(builder.with_single_cert(identity.chain(), identity.key()).unwrap())
}

/// How `identity` is shown to a target that `authority` has certified.
fn shown(authority: &Authority, identity: &Identity) -> Value {
    json!({
        "ca": authority.pem(),
        "certificate": identity.certificate_pem(),
        "private_key": identity.key_pem(),
    })
}

#[test]
fn a_websocket_that_is_refused_is_down_where_a_message_is_expected() {
    let (launch, sick) = (Launch::new(), Target::start(Behaviour::Status(503)));
    let asking = launch.asking(&sick.url().replace("http:", "ws:"));
    let asking = asking.options(json!({"expect": "pong"})).condition("[RESPONSE_TIME] < 5000");
    asking.probe().assert_failed("status", "503 Service Unavailable instead of 101");
}

/// A question for the records of `name`, of which `expected` is expected.
fn question(name: &str, kind: &str, expected: &str) -> Value {
    json!({"dns": {"query_name": name, "query_type": kind, "expected": [expected]}})
}

#[test]
fn records_that_are_expected_do_not_come_with_an_error_whatever_the_conditions() {
    let (launch, server) = (Launch::new(), NameServer::start());
    server.says("sick.example", RecordType::A, Answer::Fails(ResponseCode::ServFail));
    for (name, reason, told) in [
        ("nowhere.example", "dns_no_such_name", "there is no nowhere.example"),
        ("sick.example", "dns_server", "the server answered SERVFAIL"),
    ] {
        let asking = launch.asking(&server.url()).options(question(name, "A", "192.0.2.1"));
        let probed = asking.condition("[RESPONSE_TIME] < 5000").probe();
        probed.assert_failed(reason, told);
    }
}

#[test]
fn a_text_record_in_another_case_is_another_text() {
    let (launch, server) = (Launch::new(), NameServer::start());
    let text = Answer::Records(vec![text_record("token=AbC")]);
    server.says("web.example", RecordType::TXT, text);
    let ask = |expected: &str| {
        let options = question("web.example", "TXT", expected);
        launch.asking(&server.url()).options(options).probe()
    };
    ask("token=AbC").assert_up();
    ask("token=abc").assert_failed("condition", "answers token=AbC instead of token=abc");
}

#[test]
fn a_name_with_a_slash_is_asked_for_as_it_stands() {
    let (launch, server) = (Launch::new(), NameServer::start());
    // As the library writes the slash of the question (RFC 2317).
    let asked = r"64\/26.2.0.192.in-addr.arpa";
    server.says(asked, RecordType::TXT, Answer::Records(vec![text_record("here")]));
    let options = question("64/26.2.0.192.in-addr.arpa", "TXT", "here");
    launch.asking(&server.url()).options(options).probe().assert_up();
    assert_eq!(server.asked(asked, RecordType::TXT), 1);
}

#[test]
fn a_name_that_does_not_exist_waits_for_no_other_family() {
    let (launch, server) = (Launch::new(), NameServer::start());
    server.says("web.example", RecordType::A, Answer::Fails(ResponseCode::NXDomain));
    server.says("web.example", RecordType::AAAA, Answer::Silence);
    let asking = launch.asking("http://web.example:1/");
    let probed = asking.options(json!({"resolver": server.as_resolver()})).probe();
    probed.assert_failed("dns_no_such_name", "looking up web.example: there is no such name");
    assert!(probed.took_ms() < 1_000.0, "{probed:?}");
}

#[test]
fn a_target_that_only_wishes_for_a_certificate_is_not_waited_for_long() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let config = wishing_for_clients(&authority.certify("127.0.0.1", Shape::Good));
    let peer = Peer::secured(config, |wire| wire.read_exact(&mut [0]));
    let options = json!({"tls": {"ca": authority.pem()}});
    let probed = launch.asking(&peer.url("tls")).options(options).probe();
    probed.assert_up();
    assert_eq!(probed.outcome["tls_version"], "TLS 1.3");
    assert!(probed.took_ms() < 500.0, "{probed:?}");
    let (tls, waiting) = (probed.phase_ms("tls"), probed.phase_ms("processing"));
    assert!(tls < waiting, "the wait, twice as long, is not part of it: {probed:?}");
}

#[test]
fn a_certificate_of_ours_that_is_refused_fails_in_the_handshake_over_bare_tls_too() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let terms = Terms::of(authority.certify("127.0.0.1", Shape::Good));
    let server = terms.demanding_clients_of(Authority::called("clients")).serve();
    let unknown = authority.certify("client.example", Shape::Good);
    let asking = launch.asking(&server.url("tls"));
    let probed = asking.options(json!({"tls": shown(&authority, &unknown)})).probe();
    probed.assert_failed("tls_handshake", "fatal alert");
}

#[test]
fn what_a_service_says_of_tls_with_its_own_target_is_not_said_to_another_origin() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let clients = Authority::called("clients");
    let known = clients.certify("client.example", Shape::Good);
    // It would refuse the certificate if it saw it.
    let there = wishing_for_clients(&authority.certify("localhost", Shape::Good));
    let there = Peer::secured(there, |wire| {
        read_head(wire)?;
        wire.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
        wire.flush()
    });
    let leads = format!(
        "HTTP/1.1 302 Found\r\nlocation: https://localhost:{}/\r\ncontent-length: 0\r\n\r\n",
        there.port()
    );
    let here = Terms::of(authority.certify("here.example", Shape::Good));
    let here = Peer::secured(here.demanding_clients_of(clients).config(), move |wire| {
        read_head(wire)?;
        wire.write_all(leads.as_bytes())?;
        wire.flush()
    });
    let mut tls = shown(&authority, &known);
    tls["server_name"] = json!("here.example");
    let probed = launch.asking(&here.url("https")).options(json!({"tls": tls})).probe();
    probed.assert_up();
    assert_eq!(probed.outcome["redirects"], 1);
}

#[test]
fn a_redirect_to_what_cannot_be_asked_lies_with_who_sent_us_there() {
    let launch = Launch::new();
    let long = format!("http://127.0.0.1/{}", "a".repeat(70_000));
    let many = "is multicast or broadcast";
    for (to, reason, told) in [
        (long.as_str(), "redirect_blocked", "what cannot be asked for: \"http://127.0.0.1/aaa"),
        ("http://a{b/", "redirect_blocked", "what cannot be asked for: \"http://a{b/\""),
        ("http://224.0.0.1/", "address_blocked", many),
        ("http://255.255.255.255/", "address_blocked", many),
    ] {
        let target = Target::start(Behaviour::RedirectTo(to.to_owned()));
        launch.asking(&target.url()).probe().assert_failed(reason, told);
    }
}

#[test]
fn an_answer_over_tcp_that_comes_in_pieces_is_judged_when_all_of_it_is_here() {
    let peer = Peer::plain(|wire| {
        wire.write_all(b"220 mail.")?;
        sleep(Duration::from_millis(200));
        wire.write_all(b"example ESMTP\r\n")?;
        wire.read_exact(&mut [0])
    });
    Launch::new().asking(&peer.url("tcp")).condition("[BODY] == pat(*ESMTP*)").probe().assert_up();
}

#[test]
fn an_answer_over_tcp_beyond_the_limit_is_too_large() {
    let (launch, peer) = (Launch::new(), Peer::plain(greeter));
    let asking = launch.asking(&peer.url("tcp")).options(json!({"body_limit_bytes": 4}));
    let probed = asking.condition("[BODY] == 220").probe();
    probed.assert_failed("too_large", "reading the answer: more than 4 bytes");
}

#[test]
fn a_flood_without_what_is_expected_does_not_stop_our_clock() {
    let peer = Peer::plain(|wire| {
        let block = vec![b'x'; 64 * 1_024];
        loop {
            wire.write_all(&block)?;
        }
    });
    let launch = Launch::new();
    let options = json!({"expect": "never", "body_limit_bytes": 67_108_864});
    let began = Instant::now();
    let probed = launch.asking(&peer.url("tcp")).options(options).timeout(1.0).probe();
    assert!(["timeout", "too_large"].contains(&probed.reason()), "{probed:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}: {probed:?}", began.elapsed());
}

#[test]
fn an_answer_that_is_whole_is_not_waited_for_though_the_connection_stays() {
    let launch = Launch::new();
    let old = holding(b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n");
    launch.asking(&old.url("http")).probe().assert_up();
    let head = holding(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n");
    let asking = launch.asking(&head.url("http")).options(json!({"method": "HEAD"}));
    asking.probe().assert_up();
    for bytes in [
        &b"HTTP/1.1 200 OK\r\nupgrade: websocket\r\ncontent-length: 2\r\n\r\nhi"[..],
        b"HTTP/1.1 200 OK\r\nupgrade: websocket\r\nconnection: upgrade\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\ncontent-length: 2\n\nhi",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\nhi",
    ] {
        let peer = holding(bytes);
        launch.asking(&peer.url("http")).condition("[BODY] == hi").probe().assert_up();
    }
}

#[test]
fn a_body_that_the_end_of_the_connection_ends_is_read() {
    let launch = Launch::new();
    let long = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\nhi", "y".repeat(20_000));
    for bytes in [
        "HTTP/1.0 200 OK\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nhi",
        long.as_str(),
    ] {
        let target = raw(bytes.as_bytes());
        launch.asking(&target.url()).condition("[BODY] == hi").probe().assert_up();
    }
}

#[test]
fn a_large_body_is_read_as_text_but_not_as_json() {
    let launch = Launch::new();
    let large = "x".repeat(5 * 1_024 * 1_024);
    let data = with_length(format!("{{\"a\": 1, \"more\": \"{large}\"}}").as_bytes());
    let text = with_length(large.as_bytes());
    let ask = |target: &Target, condition: &str| {
        let asking = launch.asking(&target.url()).options(json!({"body_limit_bytes": 8_388_608}));
        asking.condition(condition).probe()
    };
    ask(&data, "[BODY].a == 1").assert_failed("too_large", "is not read as JSON");
    ask(&text, "[BODY] == pat(x*)").assert_up();
}

#[test]
fn numbers_are_compared_as_what_they_are() {
    let launch = Launch::new();
    let target = with_length(b"{\"n\": 5.0, \"big\": 9007199254740993}");
    for condition in ["[BODY].n == 5", "[BODY].big > 9007199254740992"] {
        launch.asking(&target.url()).condition(condition).probe().assert_up();
    }
}

#[test]
fn a_server_that_does_not_agree_to_http_2_is_told_as_such() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let server = authority.serve_shape(Shape::Good);
    let options = json!({"http_version": "2", "tls": {"ca": authority.pem()}});
    let probed = launch.asking(&server.url("https")).options(options).probe();
    probed.assert_failed("protocol", "did not agree to HTTP/2 (ALPN)");
}

#[test]
fn garbage_behind_the_handshake_does_not_lie_with_the_handshake() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let config = Terms::of(authority.certify("127.0.0.1", Shape::Good)).config();
    let peer = Peer::start(move |mut connection| {
        let session = ServerConnection::new(Arc::clone(&config));
        let mut session = session.map_err(io::Error::other)?;
        read_head(&mut Stream::new(&mut session, &mut connection))?;
        connection.write_all(b"garbage, and no record")?;
        connection.read_exact(&mut [0])
    });
    let options = json!({"tls": {"ca": authority.pem()}});
    let probed = launch.asking(&peer.url("https")).options(options).probe();
    probed.assert_failed("protocol", "waiting for the answer: received corrupt message");
}

#[test]
fn a_route_of_ours_that_prohibits_is_no_downtime() {
    let Some(hosts) = Hosts::new("prohibits") else { return };
    hosts.go_far();
    let target = Target::start_at("0.0.0.0", Behaviour::Status(200));
    hosts.go_near();
    let url = format!("http://{}:{}/", hosts.far_address(), target.port());
    let app = Launch::new().with("SELF_CHECK_WINDOW_SECONDS", "1").start();
    let id = app.add("behind", &url);
    app.wait_for_state(id, "up");
    hosts.prohibit_the_way();
    let ours = "service_healthcheck_probes_total{result=\"ours\",reason=\"local_network\"}";
    // Longer than the window, in which nothing is judged; and the gateway answers.
    app.wait_for_metric(ours, 10.0);
    let service = app.wait_for_state(id, "up");
    assert_eq!(service["metric"]["data"]["down_count"], 0, "{service}");
    Launch::new().asking(&url).probe().assert_failed("local_network", "connecting to 10.231.8.2:");
}

#[test]
fn a_port_that_finds_itself_is_refused() {
    let Some(hosts) = Hosts::new("itself") else { return };
    hosts.go_near();
    // So few that the kernel soon takes the very port that is asked for.
    std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40009").unwrap();
    let launch = Launch::new();
    for _ in 0..50 {
        let probed = launch.asking("tcp://127.0.0.1:40004").probe();
        probed.assert_failed("refused", "connecting to 127.0.0.1:40004: ");
    }
}
