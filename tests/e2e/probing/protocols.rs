//! Targets that speak something else than plain HTTP, each with a peer that does.

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use serde_json::{Value, json};

use crate::support::namespace::Hosts;
use crate::support::{
    Answer, Authority, Behaviour, GrpcHealth, Launch, Mail, NameServer, OldTls, Peer, Shape,
    Target, Terms, greeter, mail_server, record_of, text_record, websocket_echo,
    websocket_that_leaves,
};

/// How a server of `authority` speaks TLS.
fn terms(authority: &Authority) -> Terms {
    Terms::of(authority.certify("127.0.0.1", Shape::Good))
}

#[test]
fn a_websocket_is_up_when_it_shakes_hands_and_answers_what_is_expected() {
    let (launch, echo) = (Launch::new(), Peer::plain(websocket_echo));
    let url = echo.url("ws");
    let shaken = launch.asking(&url).probe();
    shaken.assert_up();
    assert_eq!(shaken.outcome["http_status"], 101);
    let talk = |options: Value| launch.asking(&url).options(options);
    talk(json!({"body": "ping 7", "expect": "ping *7"})).probe().assert_up();
    let judged = talk(json!({"body": "{\"state\": \"UP\"}"})).condition("[BODY].state == UP");
    judged.probe().assert_up();
    let silent = talk(json!({"body": "ping", "expect": "pong"})).timeout(0.4).probe();
    silent.assert_failed("timeout", "still reading the body");
}

#[test]
fn a_websocket_that_refuses_or_leaves_is_told_apart() {
    let launch = Launch::new();
    let forbids = Target::start(Behaviour::Status(403));
    let refused = launch.asking(&forbids.url().replace("http:", "ws:")).probe();
    refused.assert_failed("status", "403 Forbidden instead of 101 Switching Protocols");
    let leaves = Peer::plain(websocket_that_leaves);
    let options = json!({"body": "ping", "expect": "pong"});
    let unmet = launch.asking(&leaves.url("ws")).options(options).probe();
    unmet.assert_failed("condition", "closed by the peer before a message that contains \"pong\"");
    let nothing = Target::start(Behaviour::Raw(Vec::new()));
    let closed = launch.asking(&nothing.url().replace("http:", "ws:")).probe();
    closed.assert_failed("protocol", "the connection was closed without an answer");
}

#[test]
fn a_websocket_over_tls_is_checked_as_https_is() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let echo = Peer::secured(terms(&authority).config(), websocket_echo);
    let options = json!({"tls": {"ca": authority.pem()}, "body": "ping", "expect": "ping"});
    let probed = launch.asking(&echo.url("wss")).options(options).probe();
    probed.assert_up();
    assert_eq!(probed.outcome["tls_version"], "TLS 1.3");
    let options = json!({"tls": {"ca": Authority::new().pem()}});
    let probed = launch.asking(&echo.url("wss")).options(options).probe();
    probed.assert_failed("tls_untrusted", "in the TLS handshake");
}

#[test]
fn a_tcp_port_is_up_when_it_connects_and_says_what_is_expected() {
    let (launch, peer) = (Launch::new(), Peer::plain(greeter));
    let url = peer.url("tcp");
    launch.asking(&url).probe().assert_up();
    launch
        .asking("tcp://127.0.0.1:1")
        .probe()
        .assert_failed("refused", "connecting to 127.0.0.1:1");
    let talk = |options: Value| launch.asking(&url).options(options).probe();
    talk(json!({"expect": "220 *ESMTP"})).assert_up();
    talk(json!({"body": "NOOP\r\n", "expect": "you said NOOP"})).assert_up();
    let unmet = talk(json!({"body": "NOOP\r\n", "expect": "+PONG"}));
    unmet.assert_failed("condition", "does not contain \"+PONG\"");
    assert!(unmet.detail().contains("220 mail.example ESMTP\\r\\n"), "{}", unmet.detail());
}

#[test]
fn the_same_exchange_works_over_tls() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let peer = Peer::secured(terms(&authority).config(), greeter);
    let talk = |options: Value| launch.asking(&peer.url("tls")).options(options).probe();
    let ca = json!({"ca": authority.pem()});
    let probed = talk(json!({"tls": ca}));
    probed.assert_up();
    assert_eq!(probed.outcome["certificate_expires_at"], authority.expires_at());
    talk(json!({"tls": ca, "body": "NOOP\r\n", "expect": "you said NOOP"})).assert_up();
    let expired = authority.serve_shape(Shape::Expired);
    let probed = launch.asking(&expired.url("tls")).options(json!({"tls": ca})).probe();
    probed.assert_failed("tls_expired", "certificate expired");
    let old = OldTls::Alert.serve();
    let probed = launch.asking(&old.url("tls")).options(json!({"tls": ca})).probe();
    probed.assert_failed("tls_handshake", "ProtocolVersion");
}

#[test]
fn a_mail_server_is_up_when_it_turns_to_tls() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let ask = |mail: Mail, shape: Shape| {
        let server = mail.serve(Terms::of(authority.certify("127.0.0.1", shape)).config());
        let options = json!({"tls": {"ca": authority.pem()}});
        launch.asking(&server.url("starttls")).options(options).probe()
    };
    let good = ask(Mail::Good, Shape::Good);
    good.assert_up();
    assert_eq!(good.outcome["tls_version"], "TLS 1.3");
    assert_eq!(good.outcome["certificate_expires_at"], authority.expires_at());
    ask(Mail::Good, Shape::Expired).assert_failed("tls_expired", "certificate expired");
    let without = ask(Mail::WithoutStartTls, Shape::Good);
    without.assert_failed("tls_handshake", "the server does not offer STARTTLS");
    let refusing = ask(Mail::Refusing, Shape::Good);
    refusing.assert_failed("status", "SMTP 554 5.7.1 no service here");
    assert_eq!(refusing.outcome["http_status"], 554);
    let injecting = ask(Mail::Injecting, Shape::Good);
    injecting.assert_failed("protocol", "more came than was asked for");
}

/// A question to `server`.
fn question(name: &str, kind: &str, expected: &[&str]) -> Value {
    let mut dns = json!({"query_name": name, "query_type": kind});
    if !expected.is_empty() {
        dns["expected"] = json!(expected);
    }
    json!({"dns": dns})
}

#[test]
fn a_name_server_is_up_when_it_answers_what_is_expected() {
    let (launch, server) = (Launch::new(), NameServer::start());
    server.says("web.example", RecordType::A, Answer::address("192.0.2.1"));
    server.says("web.example", RecordType::AAAA, Answer::address("2001:db8::1"));
    let mail = vec![mail_server(10, "a.example."), mail_server(20, "b.example.")];
    server.says("web.example", RecordType::MX, Answer::Records(mail));
    let ask = |options: Value| launch.asking(&server.url()).options(options);
    ask(question("web.example", "A", &[])).probe().assert_up();
    ask(question("web.example.", "A", &["192.0.2.1"])).probe().assert_up();
    ask(question("web.example", "AAAA", &["2001:DB8:0::1"])).probe().assert_up();
    let in_any_order = ["20 B.example", "10 a.example"];
    ask(question("web.example", "MX", &in_any_order)).probe().assert_up();
    let hijacked = ask(question("web.example", "A", &["192.0.2.9"])).probe();
    hijacked.assert_failed("condition", "answers 192.0.2.1 instead of 192.0.2.9");
    let judged = ask(question("web.example", "A", &[])).condition("[BODY] == pat(192.0.2.*)");
    judged.condition("[DNS_RCODE] == NOERROR").probe().assert_up();
}

#[test]
fn a_name_server_that_has_no_good_answer_is_told_by_what_it_said() {
    let (launch, server) = (Launch::new(), NameServer::start());
    server.says("sick.example", RecordType::A, Answer::Fails(ResponseCode::ServFail));
    server.says("closed.example", RecordType::A, Answer::Fails(ResponseCode::Refused));
    server.says("empty.example", RecordType::TXT, Answer::Records(Vec::new()));
    server.says("mute.example", RecordType::A, Answer::Silence);
    let ask = |name: &str| launch.asking(&server.url()).options(question(name, "A", &[]));
    let missing = ask("nowhere.example").probe();
    missing
        .assert_failed("dns_no_such_name", "the server answered that there is no nowhere.example");
    ask("nowhere.example").condition("[DNS_RCODE] == NXDOMAIN").probe().assert_up();
    ask("empty.example").probe().assert_failed("dns_no_such_name", "no A record for empty.example");
    ask("sick.example").probe().assert_failed("dns_server", "the server answered SERVFAIL");
    ask("closed.example").probe().assert_failed("dns_server", "the server answered REFUSED");
    let mute = ask("mute.example").timeout(1.6).probe();
    assert!(["timeout", "dns_timeout"].contains(&mute.reason()), "{mute:?}");
    assert_eq!(server.asked("mute.example", RecordType::A), 2, "a datagram can be lost");
}

#[test]
fn an_answer_that_is_cut_is_asked_for_again_over_tcp() {
    let (launch, server) = (Launch::new(), NameServer::start());
    server.says("long.example", RecordType::TXT, Answer::Cut(vec![text_record("v=1 whole")]));
    let asking = launch.asking(&server.url());
    asking.options(question("long.example", "TXT", &["v=1 whole"])).probe().assert_up();
    assert_eq!(server.asked_over_tcp(), 1);
}

#[test]
fn an_answer_under_another_id_is_passed_over() {
    let (launch, server) = (Launch::new(), NameServer::start());
    let forged = Answer::ForgedFirst {
        forged: vec![record_of("203.0.113.66")],
        records: vec![record_of("192.0.2.1")],
    };
    server.says("web.example", RecordType::A, forged);
    let asking = launch.asking(&server.url());
    asking.options(question("web.example", "A", &["192.0.2.1"])).probe().assert_up();
    assert_eq!(server.asked("web.example", RecordType::A), 1);
}

#[test]
fn an_answer_that_changes_is_seen_by_the_next_probe() {
    let (launch, server) = (Launch::new(), NameServer::start());
    let turns = Answer::addresses_in_turn(&["192.0.2.1", "192.0.2.2"]);
    server.says("web.example", RecordType::A, turns);
    let ask = || {
        let options = question("web.example", "A", &["192.0.2.1"]);
        launch.asking(&server.url()).options(options).probe()
    };
    ask().assert_up();
    ask().assert_failed("condition", "answers 192.0.2.2 instead of 192.0.2.1");
    ask().assert_up();
}

#[test]
fn a_grpc_server_is_up_when_it_says_serving() {
    let (launch, server) = (Launch::new(), GrpcHealth::plain());
    let ask = |service: &str| {
        launch.asking(&server.url("grpc")).options(json!({"grpc_service": service}))
    };
    launch.asking(&server.url("grpc")).probe().assert_up();
    ask("good").probe().assert_up();
    ask("bad").probe().assert_failed("status", "NOT_SERVING");
    ask("bad").condition("[BODY].status == NOT_SERVING").probe().assert_up();
    let unknown = ask("who").probe();
    unknown.assert_failed("status", "gRPC status 5 NOT_FOUND: unknown service");
    let web = Target::healthy();
    let probed = launch.asking(&web.url().replace("http:", "grpc:")).probe();
    assert!(["protocol", "reset"].contains(&probed.reason()), "{probed:?}");
}

#[test]
fn a_grpc_server_over_tls_is_checked_as_https_is() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let server = GrpcHealth::secured(terms(&authority).speaking("h2").config());
    let ask = |ca: String| {
        launch.asking(&server.url("grpcs")).options(json!({"tls": {"ca": ca}})).probe()
    };
    let probed = ask(authority.pem());
    probed.assert_up();
    assert_eq!(probed.outcome["tls_version"], "TLS 1.3");
    ask(Authority::new().pem()).assert_failed("tls_untrusted", "in the TLS handshake");
}

/// Whether the kernel lets this group have ping sockets.
fn may_ping() -> bool {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap_or_default();
    let bounds: Vec<u32> = range.split_whitespace().filter_map(|gid| gid.parse().ok()).collect();
    let own = rustix::process::getegid().as_raw();
    matches!(bounds[..], [least, most] if (least..=most).contains(&own))
}

#[test]
fn a_host_is_up_when_it_echoes() {
    let probed = Launch::new().asking("icmp://127.0.0.1").probe();
    if may_ping() {
        probed.assert_up();
        assert!(probed.outcome["address"].as_str().unwrap().starts_with("127.0.0.1"), "{probed:?}");
    } else {
        probed.assert_failed("local_config", "net.ipv4.ping_group_range");
    }
}

#[test]
fn a_host_is_up_when_it_answers_an_echo_request_and_only_then() {
    let Some(hosts) = Hosts::new("icmp") else { return };
    hosts.go_near();
    hosts.allow_pings();
    let launch = Launch::new();
    for host in [hosts.far_address(), "127.0.0.1", "[::1]"] {
        let probed = launch.asking(&format!("icmp://{host}")).probe();
        probed.assert_up();
        assert_eq!(probed.outcome["address"], host.trim_matches(['[', ']']));
    }
    let nobody = launch.asking("icmp://10.231.7.77").timeout(0.5).probe();
    nobody.assert_failed("timeout", "still waiting for the answer");
    hosts.take_route_away();
    let cut_off = launch.asking(&format!("icmp://{}", hosts.far_address())).probe();
    cut_off.assert_failed("local_network", "asking 10.231.8.2: ");
}
