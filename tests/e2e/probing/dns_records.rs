//! Record types, names, and the texts that conditions and expectations compare.

use hickory_resolver::proto::rr::rdata::svcb::{Alpn, SVCB, SvcParamKey, SvcParamValue};
use hickory_resolver::proto::rr::rdata::{CNAME, HTTPS, NAPTR, NS, NULL, PTR, SRV, TLSA};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use serde_json::json;

use crate::support::{Answer, Launch, NameServer, ProbeReport, mail_server, record_of};

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// A name server, and the program that queries it.
struct Asked {
    launch: Launch,
    server: NameServer,
}

impl Asked {
    fn new() -> Self {
        Self { launch: Launch::new(), server: NameServer::start() }
    }

    fn answers(&self, name: &str, kind: RecordType, records: Vec<RData>) {
        self.server.set_answer(name, kind, Answer::Records(records));
    }

    fn expecting(&self, name: &str, kind: &str, expected: &[&str]) -> ProbeReport {
        let dns = json!({"query_name": name, "query_type": kind, "expected": expected});
        self.launch.probe_command(&self.server.url()).options(json!({"dns": dns})).run()
    }

    fn judged(&self, name: &str, kind: &str, condition: &str) -> ProbeReport {
        let dns = json!({"query_name": name, "query_type": kind});
        let command = self.launch.probe_command(&self.server.url()).options(json!({"dns": dns}));
        command.condition(condition).run()
    }
}

#[test]
fn records_of_each_type_are_compared_in_presentation_form() {
    let asked = Asked::new();
    let alpn = SvcParamValue::Alpn(Alpn(vec!["h2".to_owned(), "h3".to_owned()]));
    let svcb = SVCB::new(1, Name::root(), vec![(SvcParamKey::Alpn, alpn)]);
    let ds = NULL::with(vec![0xec, 0x45, 5, 1, 0x2b, 0xb1]);
    let naptr = NAPTR::new(
        100,
        10,
        Box::from(*b"S"),
        Box::from(*b"SIP+D2U"),
        Box::from(*b""),
        name("_sip._udp.a.example."),
    );
    let tlsa = TLSA::new(3.into(), 1.into(), 1.into(), vec![0xd2, 0xab]);
    for (kind, data, text) in [
        ("NAPTR", RData::NAPTR(naptr), r#"100 10 "S" "SIP+D2U" "" _sip._udp.a.example."#),
        ("TLSA", RData::TLSA(tlsa), "3 1 1 D2AB"),
        ("HTTPS", RData::HTTPS(HTTPS(svcb.clone())), "1 . alpn=\"h2,h3\""),
        ("SVCB", RData::SVCB(svcb), "1 . alpn=\"h2,h3\""),
        ("DS", RData::Unknown { code: RecordType::DS, rdata: ds }, "60485 5 1 2BB1"),
    ] {
        let record_type: RecordType = kind.parse().unwrap();
        asked.answers("a.example", record_type, vec![data]);
        asked.expecting("a.example", kind, &[text]).assert_up();
        asked.expecting("a.example", kind, &[&text.to_lowercase()]).assert_up();
        asked.judged("a.example", kind, &format!("[BODY] == {text}")).assert_up();
        let other = asked.expecting("a.example", kind, &["1 2 3"]);
        other.assert_failed("condition", &format!("answered {text} instead of 1 2 3"));
    }
}

#[test]
fn any_asks_for_all_types() {
    let asked = Asked::new();
    let records = vec![record_of("192.0.2.1"), mail_server(10, "mail.test.")];
    asked.answers("a.example", RecordType::ANY, records);
    asked.expecting("a.example", "ANY", &["MX 10 mail.test", "A 192.0.2.1"]).assert_up();
    let missing = asked.expecting("a.example", "ANY", &["192.0.2.1"]);
    missing.assert_failed("condition", "answered A 192.0.2.1, MX 10 mail.test. instead of");
    asked.judged("a.example", "ANY", "[BODY] == MX 10 mail.test.").assert_up();
}

#[test]
fn the_body_of_records_is_that_of_gatus() {
    let asked = Asked::new();
    asked.answers("mx.example", RecordType::MX, vec![mail_server(10, "mail.test.")]);
    let srv = RData::SRV(SRV::new(1, 2, 5_060, name("sip.test.")));
    asked.answers("_sip.example", RecordType::SRV, vec![srv]);
    let several = ["192.0.2.1", "192.0.2.2"].map(record_of);
    asked.answers("a.example", RecordType::A, several.to_vec());
    let bücher = RData::CNAME(CNAME(name("xn--bcher-kva.example.")));
    asked.answers("alias.example", RecordType::CNAME, vec![bücher]);
    for (name, kind, condition) in [
        ("mx.example", "MX", "[BODY] == mail.test."),
        ("mx.example", "MX", "len([BODY]) == 10"),
        ("mx.example", "MX", "[BODY] == 10 mail.test."),
        ("_sip.example", "SRV", "[BODY] == sip.test.:5060"),
        ("_sip.example", "SRV", "[BODY] == pat(*:5060)"),
        ("_sip.example", "SRV", "[BODY] == 1 2 5060 sip.test."),
        ("a.example", "A", "[BODY] == 192.0.2.1"),
        ("a.example", "A", "[BODY] == 192.0.2.2"),
        ("a.example", "A", "[BODY] == any(192.0.2.2, 192.0.2.9)"),
        ("a.example", "A", "[BODY] == pat(192.0.2.*)"),
        ("a.example", "A", "[BODY] != 192.0.2.9"),
        ("alias.example", "CNAME", "[BODY] == xn--bcher-kva.example."),
        ("alias.example", "CNAME", "[BODY] == bücher.example."),
    ] {
        asked.judged(name, kind, condition).assert_up();
    }
    let failed = asked.judged("a.example", "A", "[BODY] == any(192.0.2.8, 192.0.2.9)");
    failed.assert_failed("condition", "== any(192.0.2.8, 192.0.2.9)");
    asked.judged("a.example", "A", "[BODY] != 192.0.2.1").assert_failed("condition", "[BODY]");
    asked.expecting("mx.example", "MX", &["10 mail.test"]).assert_up();
}

#[test]
fn names_are_asked_for_in_ascii() {
    let asked = Asked::new();
    let address = || vec![record_of("192.0.2.1")];
    asked.answers("xn--bcher-kva.example", RecordType::A, address());
    asked.expecting("Bücher.example", "A", &["192.0.2.1"]).assert_up();
    asked.answers("_sip.xn--bcher-kva.example", RecordType::A, address());
    asked.expecting("_sip.bücher.example.", "A", &["192.0.2.1"]).assert_up();
    asked.answers("", RecordType::NS, vec![RData::NS(NS(name("a.root.test.")))]);
    asked.expecting(".", "NS", &["a.root.test"]).assert_up();
}

#[test]
fn an_address_asked_with_ptr_is_turned_into_its_reverse_name() {
    let asked = Asked::new();
    let v6 = format!("1.{}8.b.d.0.1.0.0.2.ip6.arpa", "0.".repeat(23));
    for (address, reverse) in [("192.0.2.1", "1.2.0.192.in-addr.arpa"), ("2001:db8::1", &v6)] {
        asked.answers(reverse, RecordType::PTR, vec![RData::PTR(PTR(name("host.test.")))]);
        for query_name in [address, &format!("{address}."), reverse] {
            asked.judged(query_name, "PTR", "[BODY] == host.test.").assert_up();
        }
    }
}
