//! STARTTLS of protocols other than SMTP.

use serde_json::json;

use crate::support::upgrade::{Step, read, upgrading_server, write};
use crate::support::{Authority, Launch, ProbeReport, Shape, TlsServer};

/// A dialogue up to the server's consent, which is the last step.
struct Dialogue {
    protocol: &'static str,
    steps: Vec<Step>,
    /// An answer to the last request that refuses, and a part of the sentence about it.
    refusal: (&'static [u8], &'static str),
    /// The same for an answer that offers no TLS, and the number of steps before it.
    not_offered: (usize, &'static [u8], &'static str),
}

fn dialogues() -> Vec<Dialogue> {
    let xmpp = "<?xml version='1.0'?><stream:stream to='127.0.0.1' version='1.0' \
                xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
    let stream = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
                  xmlns:stream='http://etherx.jabber.org/streams' from='127.0.0.1'>";
    let features = format!(
        "{stream}<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\
         </stream:features>"
    );
    let start_tls = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
    vec![
        Dialogue {
            protocol: "imap",
            steps: vec![
                write("* OK ready\r\n"),
                read("a1 CAPABILITY\r\n"),
                write("* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK\r\n"),
                read("a2 STARTTLS\r\n"),
                write("a2 OK begin\r\n"),
            ],
            refusal: (b"a2 BAD not now\r\n", "IMAP: a2 BAD not now"),
            not_offered: (2, b"* CAPABILITY IMAP4rev1\r\na1 OK\r\n", "offer STARTTLS"),
        },
        Dialogue {
            protocol: "pop3",
            steps: vec![
                write("+OK ready\r\n"),
                read("CAPA\r\n"),
                write("+OK\r\nUSER\r\nSTLS\r\n.\r\n"),
                read("STLS\r\n"),
                write("+OK begin\r\n"),
            ],
            refusal: (b"-ERR not now\r\n", "POP3: -ERR not now"),
            not_offered: (2, b"+OK\r\nUSER\r\n.\r\n", "offer STLS"),
        },
        Dialogue {
            protocol: "ftp",
            steps: vec![
                write("220-hello\r\n all\r\n220 ready\r\n"),
                read("AUTH TLS\r\n"),
                write("234 begin\r\n"),
            ],
            refusal: (b"431 not now\r\n", "FTP 431 not now"),
            not_offered: (2, b"502 what\r\n", "offer AUTH TLS: FTP 502 what"),
        },
        Dialogue {
            protocol: "ldap",
            steps: vec![
                read(start_tls),
                write(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"),
            ],
            refusal: (
                b"\x30\x0f\x02\x01\x01\x78\x0a\x0a\x01\x34\x04\x00\x04\x03not",
                "LDAP: result 52 not",
            ),
            not_offered: (
                1,
                b"\x30\x0f\x02\x01\x01\x78\x0a\x0a\x01\x02\x04\x00\x04\x03wat",
                "offer StartTLS: wat",
            ),
        },
        Dialogue {
            protocol: "postgresql",
            steps: vec![read([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]), write("S")],
            refusal: (b"E\0\0\0\x0eMtoo many\0", "PostgreSQL: too many"),
            not_offered: (1, b"N", "offer TLS"),
        },
        Dialogue {
            protocol: "xmpp",
            steps: vec![
                read(xmpp),
                write(features),
                read("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
                write("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
            ],
            refusal: (b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "XMPP: failure"),
            not_offered: (
                1,
                b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>\
                  <stream:features/>",
                "offer STARTTLS",
            ),
        },
    ]
}

#[test]
fn each_protocol_is_upgraded_and_its_failures_are_told_apart() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let config = TlsServer::new(authority.certify("127.0.0.1", Shape::Good)).config();
    let expired = TlsServer::new(authority.certify("127.0.0.1", Shape::Expired)).config();
    for Dialogue { protocol, steps, refusal, not_offered } in dialogues() {
        let probe_with = |config, steps| -> ProbeReport {
            let server = upgrading_server(config, steps);
            let options = json!({"tls": {"ca": authority.pem()}, "starttls_protocol": protocol});
            launch.probe_command(&server.url("starttls")).options(options).run()
        };
        let probe = |steps| probe_with(config.clone(), steps);
        let up = probe(steps.clone());
        up.assert_up();
        assert_eq!(up.outcome["tls_version"], "TLS 1.3", "{protocol}");
        assert_eq!(up.outcome["own_certificate_expires_at"], authority.expires_at());
        probe_with(expired.clone(), steps.clone()).assert_failed("tls_expired", "expired");
        let (last, before) = steps.split_last().unwrap();
        let Step::Write(consent) = last else { panic!("{protocol} ends with a consent") };
        let ending = |end: &[u8]| [before, &[write(end)]].concat();
        // What an attacker in between appends would count as data over TLS.
        let injecting = probe(ending(&[consent, b"injected".as_slice()].concat()));
        injecting.assert_failed("protocol", "unexpected data after the reply");
        probe(ending(refusal.0)).assert_failed("status", refusal.1);
        let (length, answer, detail) = not_offered;
        let without = [&steps[..length], &[write(answer)]].concat();
        probe(without).assert_failed("tls_handshake", detail);
        let another = [&steps[..steps.len() - 1], &[write("\r\n?>")]].concat();
        probe(another).assert_failed("protocol", "is not a reply of");
    }
}

#[test]
fn endless_replies_are_limited() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let config = TlsServer::new(authority.certify("127.0.0.1", Shape::Good)).config();
    for (protocol, reply, detail) in [
        ("imap", "* OK\r\n* 1\r\n".repeat(200), "more than 100 lines of a reply"),
        ("pop3", "+OK".repeat(40_000), "more than 65536 bytes"),
        ("ftp", "220-\r\n".repeat(200), "more than 100 lines of a reply"),
        (
            "xmpp",
            format!(
                "<s:stream xmlns:s='http://etherx.jabber.org/streams'><s:features>{}",
                "<a/>".repeat(400)
            ),
            "more than 300 tags of a reply",
        ),
    ] {
        let steps = if protocol == "xmpp" { vec![read("<")] } else { Vec::new() };
        let server = upgrading_server(config.clone(), [steps, vec![write(reply)]].concat());
        let options = json!({"starttls_protocol": protocol});
        let probed = launch.probe_command(&server.url("starttls")).options(options).run();
        probed.assert_failed("protocol", detail);
    }
}

mod on_postgres {
    use super::*;
    use crate::support::{Cluster, ClusterOptions};

    #[test]
    fn a_real_postgresql_is_up_with_its_certificate() {
        let (launch, authority) = (Launch::new(), Authority::new());
        let identity = authority.certify("127.0.0.1", Shape::Good);
        let tls = ClusterOptions::default().tls(&identity.certificate_pem(), &identity.key_pem());
        let server = Cluster::new(&tls.tcp());
        let url = format!("starttls://127.0.0.1:{}", server.port());
        let probe = |tls: serde_json::Value| {
            let options = json!({"tls": tls, "starttls_protocol": "postgresql"});
            launch.probe_command(&url).options(options).run()
        };
        let up = probe(json!({"ca": authority.pem()}));
        up.assert_up();
        assert_eq!(up.outcome["own_certificate_expires_at"], authority.expires_at());
        probe(json!({})).assert_failed("tls_untrusted", "UnknownIssuer");
    }
}
