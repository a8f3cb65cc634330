//! Name servers as targets.

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use serde_json::{Value, json};

use crate::support::{
    Answer, Launch, NameServer, ensure, mail_server, record_of, retry_while_busy, text_record,
};

/// The option `dns`.
fn question(name: &str, kind: &str, expected: &[&str]) -> Value {
    let mut dns = json!({"query_name": name, "query_type": kind});
    if !expected.is_empty() {
        dns["expected"] = json!(expected);
    }
    json!({"dns": dns})
}

#[test]
fn a_name_server_is_up_when_it_answers_the_expected_records() {
    let (launch, server) = (Launch::new(), NameServer::start());
    server.set_answer("web.example", RecordType::A, Answer::address("192.0.2.1"));
    server.set_answer("web.example", RecordType::AAAA, Answer::address("2001:db8::1"));
    let mail = vec![mail_server(10, "a.example."), mail_server(20, "b.example.")];
    server.set_answer("web.example", RecordType::MX, Answer::Records(mail));
    let probe = |options: Value| launch.probe_command(&server.url()).options(options);
    probe(question("web.example", "A", &[])).run().assert_up();
    probe(question("web.example.", "A", &["192.0.2.1"])).run().assert_up();
    probe(question("web.example", "AAAA", &["2001:DB8:0::1"])).run().assert_up();
    let in_any_order = ["20 B.example", "10 a.example"];
    probe(question("web.example", "MX", &in_any_order)).run().assert_up();
    let hijacked = probe(question("web.example", "A", &["192.0.2.9"])).run();
    hijacked.assert_failed("condition", "answered 192.0.2.1 instead of 192.0.2.9");
    let command = probe(question("web.example", "A", &[])).condition("[BODY] == pat(192.0.2.*)");
    command.condition("[DNS_RCODE] == NOERROR").run().assert_up();
}

#[test]
fn each_error_of_a_name_server_has_its_reason() {
    let (launch, server) = (Launch::new(), NameServer::start());
    server.set_answer("sick.example", RecordType::A, Answer::Fails(ResponseCode::ServFail));
    server.set_answer("closed.example", RecordType::A, Answer::Fails(ResponseCode::Refused));
    server.set_answer("empty.example", RecordType::TXT, Answer::Records(Vec::new()));
    let probe = |name: &str| launch.probe_command(&server.url()).options(question(name, "A", &[]));
    let missing = probe("nowhere.example").run();
    missing
        .assert_failed("dns_no_such_name", "the server answered that there is no nowhere.example");
    probe("nowhere.example").condition("[DNS_RCODE] == NXDOMAIN").run().assert_up();
    probe("empty.example").run().assert_failed("dns_no_such_name", "no A record for empty.example");
    probe("sick.example").run().assert_failed("dns_server", "the server answered SERVFAIL");
    probe("closed.example").run().assert_failed("dns_server", "the server answered REFUSED");
    // A datagram can be lost, so the question is repeated each second.
    retry_while_busy(|| {
        server.set_answer("mute.example", RecordType::A, Answer::Silence);
        let silent = probe("mute.example").timeout(1.6).run();
        assert!(["timeout", "dns_timeout"].contains(&silent.reason()), "{silent:?}");
        let count = server.query_count("mute.example", RecordType::A);
        assert!(count <= 2, "{count} queries");
        ensure(count == 2, || format!("{count} queries: {silent:?}"))
    });
}

#[test]
fn an_error_response_never_satisfies_expected_records() {
    let (launch, server) = (Launch::new(), NameServer::start());
    server.set_answer("sick.example", RecordType::A, Answer::Fails(ResponseCode::ServFail));
    for (name, reason, detail) in [
        ("nowhere.example", "dns_no_such_name", "there is no nowhere.example"),
        ("sick.example", "dns_server", "the server answered SERVFAIL"),
    ] {
        let command =
            launch.probe_command(&server.url()).options(question(name, "A", &["192.0.2.1"]));
        let probed = command.condition("[RESPONSE_TIME] < 5000").run();
        probed.assert_failed(reason, detail);
    }
}

#[test]
fn txt_records_are_compared_case_sensitively() {
    let (launch, server) = (Launch::new(), NameServer::start());
    let text = Answer::Records(vec![text_record("token=AbC")]);
    server.set_answer("web.example", RecordType::TXT, text);
    let probe = |expected: &str| {
        let options = question("web.example", "TXT", &[expected]);
        launch.probe_command(&server.url()).options(options).run()
    };
    probe("token=AbC").assert_up();
    probe("token=abc").assert_failed("condition", "answered token=AbC instead of token=abc");
}

#[test]
fn a_name_with_a_slash_is_queried_unchanged() {
    let (launch, server) = (Launch::new(), NameServer::start());
    // The resolver library escapes the slash of the query (RFC 2317).
    let query = r"64\/26.2.0.192.in-addr.arpa";
    server.set_answer(query, RecordType::TXT, Answer::Records(vec![text_record("here")]));
    let options = question("64/26.2.0.192.in-addr.arpa", "TXT", &["here"]);
    launch.probe_command(&server.url()).options(options).run().assert_up();
    assert_eq!(server.query_count(query, RecordType::TXT), 1);
}

#[test]
fn a_truncated_answer_is_queried_again_over_tcp() {
    let (launch, server) = (Launch::new(), NameServer::start());
    server.set_answer("long.example", RecordType::TXT, Answer::Cut(vec![text_record("v=1 whole")]));
    let command = launch.probe_command(&server.url());
    command.options(question("long.example", "TXT", &["v=1 whole"])).run().assert_up();
    assert_eq!(server.tcp_query_count(), 1);
}

#[test]
fn an_answer_with_another_id_is_ignored() {
    let (launch, server) = (Launch::new(), NameServer::start());
    let forged = Answer::ForgedFirst {
        forged: vec![record_of("203.0.113.66")],
        records: vec![record_of("192.0.2.1")],
    };
    server.set_answer("web.example", RecordType::A, forged);
    let command = launch.probe_command(&server.url());
    command.options(question("web.example", "A", &["192.0.2.1"])).run().assert_up();
    assert_eq!(server.query_count("web.example", RecordType::A), 1);
}

#[test]
fn a_changed_answer_is_used_by_the_next_probe() {
    let (launch, server) = (Launch::new(), NameServer::start());
    let turns = Answer::addresses_in_turn(&["192.0.2.1", "192.0.2.2"]);
    server.set_answer("web.example", RecordType::A, turns);
    let probe = || {
        let options = question("web.example", "A", &["192.0.2.1"]);
        launch.probe_command(&server.url()).options(options).run()
    };
    probe().assert_up();
    probe().assert_failed("condition", "answered 192.0.2.2 instead of 192.0.2.1");
    probe().assert_up();
}
