//! Name resolution of targets, and the addresses that may be connected to.

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use serde_json::json;

use crate::support::{Answer, Behaviour, Launch, NameServer, Target, ensure, retry_while_busy};

#[test]
fn a_name_without_an_address_fails_with_a_dns_reason() {
    let app = Launch::new().start();
    let (reason, detail) = app.failure_of("http://no-such-name.invalid/");
    assert_eq!(reason, "dns_no_such_name");
    assert!(detail.contains("no-such-name.invalid"), "{detail}");
    let target = Target::healthy();
    let id = app.add("localhost", &target.url().replace("127.0.0.1", "localhost"));
    app.wait_for_state(id, "up");
}

#[test]
fn a_missing_name_and_a_failing_name_server_have_different_reasons() {
    let (launch, server) = (Launch::new(), NameServer::start());
    let sick =
        [("servfail.example", ResponseCode::ServFail), ("refused.example", ResponseCode::Refused)];
    for (name, code) in sick {
        for kind in [RecordType::A, RecordType::AAAA] {
            server.set_answer(name, kind, Answer::Fails(code));
        }
    }
    server.set_answer("empty.example", RecordType::TXT, Answer::Records(Vec::new()));
    for (name, reason, detail) in [
        (
            "nowhere.example",
            "dns_no_such_name",
            "looking up nowhere.example: there is no such name",
        ),
        ("empty.example", "dns_no_such_name", "looking up empty.example: the name has no address"),
        ("servfail.example", "dns_server", "looking up servfail.example: "),
        ("refused.example", "dns_server", "looking up refused.example: "),
    ] {
        let command = launch.probe_command(&format!("http://{name}:1/"));
        let probed = command.options(json!({"resolver": server.resolver_url()})).run();
        probed.assert_failed(reason, detail);
    }
}

#[test]
fn a_silent_name_server_is_a_dns_timeout() {
    let (launch, server) = (Launch::new(), NameServer::start());
    for kind in [RecordType::A, RecordType::AAAA] {
        server.set_answer("web.example", kind, Answer::Silence);
    }
    let command = launch.probe_command("http://web.example:1/").timeout(1.5);
    let probed = command.options(json!({"resolver": server.resolver_url()})).run();
    probed.assert_failed("dns_timeout", "still looking up the name");
    assert!(server.query_count("web.example", RecordType::A) >= 1, "the name server was queried");
}

#[test]
fn a_missing_name_does_not_wait_for_the_other_address_family() {
    let (launch, server) = (Launch::new(), NameServer::start());
    server.set_answer("web.example", RecordType::A, Answer::Fails(ResponseCode::NXDomain));
    server.set_answer("web.example", RecordType::AAAA, Answer::Silence);
    retry_while_busy(|| {
        let command = launch.probe_command("http://web.example:1/");
        let report = command.options(json!({"resolver": server.resolver_url()})).run();
        report.assert_failed("dns_no_such_name", "looking up web.example: there is no such name");
        ensure(report.response_time_ms() < 1_000.0, || format!("{report:?}"))
    });
}

#[test]
fn a_changed_address_is_used_by_the_next_probe() {
    let (names, target) = (NameServer::start(), Target::healthy());
    let moves_to =
        |address: &str| names.set_answer("web.example", RecordType::A, Answer::address(address));
    moves_to("127.0.0.1");
    let app = Launch::new().start();
    let id = app.add_with(&json!({
        "name": "moving",
        "url": target.url().replace("127.0.0.1", "web.example"),
        "resolver": names.resolver_url(),
    }));
    app.wait_for_state(id, "up");
    // The target listens on one address only.
    moves_to("127.0.0.9");
    let down = app.wait_for_state(id, "down");
    assert_eq!(down["current_status"]["failure"]["reason"], "refused");
    moves_to("127.0.0.1");
    app.wait_for_state(id, "up");
}

#[test]
fn a_tcp_resolver_is_queried_over_tcp() {
    let (names, target) = (NameServer::start(), Target::healthy());
    names.set_answer("web.example", RecordType::A, Answer::address("127.0.0.1"));
    let url = target.url().replace("127.0.0.1", "web.example");
    let options = json!({"resolver": names.resolver_url().replace("udp:", "tcp:")});
    Launch::new().probe_command(&url).options(options).run().assert_up();
    assert!(names.tcp_query_count() >= 1);
}

#[test]
fn an_address_of_the_wrong_family_is_not_used() {
    let target = Target::healthy();
    let launch = Launch::new();
    let probe = |family: &str| {
        launch.probe_command(&target.url()).options(json!({"ip_family": family})).run()
    };
    probe("ip4").assert_up();
    probe("ip6").assert_failed("dns_no_such_name", "127.0.0.1 is not of the address family");
    assert_eq!(target.request_count(), 1);
}

#[test]
fn a_denied_address_is_never_connected_to() {
    let app = Launch::new()
        .with("PROBE_DENY_NETWORKS", "127.0.0.0/8")
        .with("PROBE_ALLOW_NETWORKS", "127.0.0.1")
        .start();
    app.wait_for_log("127.0.0.0/8 is denied, but not ::1/128");
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
        "http://[fec0::1]/".to_owned(),
        "http://[2001:0:102:304::80ff:fffd]/".to_owned(),
        "http://[2001:db8::5efe:127.0.0.2]/".to_owned(),
    ] {
        let (reason, detail) = app.failure_of(&url);
        assert_eq!(reason, "address_blocked", "{url}: {detail}");
    }
}
