//! Certificates and handshakes.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::{ServerConnection, Stream};
use serde_json::{Value, json};

use crate::support::tls::{client_certificate_option, optional_client_certificate, read_head};
use crate::support::{
    Authority, Behaviour, Identity, Launch, OldTls, Peer, Shape, Target, TlsServer, ensure,
    retry_while_busy,
};

#[test]
fn certificates_are_verified_against_the_trusted_authorities() {
    let (trusted, other, plain) = (Authority::new(), Authority::new(), Target::healthy());
    let app = Launch::new().with("PROBE_CA_FILE", trusted.file().display()).start();
    let good =
        app.add("good", &format!("https://127.0.0.1:{}/", trusted.serve("127.0.0.1", false)));
    app.wait_for_state(good, "up");
    for (expected, port) in [
        ("tls_expired", trusted.serve("127.0.0.1", true)),
        ("tls_hostname", trusted.serve("else.example", false)),
        ("tls_untrusted", other.serve("127.0.0.1", false)),
        ("tls_handshake", plain.port()),
    ] {
        let (reason, detail) = app.failure_of(&format!("https://127.0.0.1:{port}/"));
        assert_eq!(reason, expected, "{detail}");
    }
}

#[test]
fn each_certificate_error_has_its_reason() {
    let authority = Authority::new();
    let launch = Launch::new().with("PROBE_CA_FILE", authority.file().display());
    for (shape, reason, detail) in [
        (Shape::Expired, "tls_expired", "certificate expired"),
        (Shape::NotYetValid, "tls_not_yet_valid", "not valid yet"),
        (Shape::WrongName, "tls_hostname", "not valid for name"),
        (Shape::SelfSigned, "tls_untrusted", "UnknownIssuer"),
        (Shape::AuthorityCertificate, "tls_untrusted", ""),
        (Shape::MissingIntermediate, "tls_untrusted", "UnknownIssuer"),
    ] {
        let server = authority.serve_shape(shape);
        let probed = launch.probe_command(&server.url("https")).run();
        probed.assert_failed(reason, "in the TLS handshake: ");
        probed.assert_failed(reason, detail);
    }
    for shape in [Shape::Good, Shape::WithIntermediate] {
        let server = authority.serve_shape(shape);
        launch.probe_command(&server.url("https")).run().assert_up();
    }
}

#[test]
fn an_authority_with_the_name_of_a_trusted_one_is_untrusted() {
    let authority = Authority::new();
    let launch = Launch::new().with("PROBE_CA_FILE", authority.file().display());
    for untrusted in [Authority::named("a stranger"), Authority::new()] {
        let server = untrusted.serve_shape(Shape::Good);
        let probed = launch.probe_command(&server.url("https")).run();
        probed.assert_failed("tls_untrusted", "in the TLS handshake: ");
    }
}

#[test]
fn a_service_configures_trust_and_server_name() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let probe = |shape: Shape, options: Value| {
        let server = authority.serve_shape(shape);
        launch.probe_command(&server.url("https")).options(options).run()
    };
    let ca = authority.pem();
    probe(Shape::Good, json!({"tls": {"ca": ca}})).assert_up();
    let untrusted = Authority::named("a stranger").pem();
    probe(Shape::Good, json!({"tls": {"ca": untrusted}})).assert_failed("tls_untrusted", "");
    let named = json!({"tls": {"ca": ca, "server_name": "else.example"}});
    probe(Shape::WrongName, named.clone()).assert_up();
    probe(Shape::Good, named).assert_failed("tls_hostname", "not valid for name");
    for shape in [Shape::SelfSigned, Shape::Expired, Shape::WrongName, Shape::AuthorityCertificate]
    {
        probe(shape, json!({"insecure": true})).assert_up();
    }
}

#[test]
fn an_old_or_closing_tls_server_fails_in_the_handshake() {
    let authority = Authority::new();
    let launch = Launch::new().with("PROBE_CA_FILE", authority.file().display());
    for (manner, detail) in [
        (OldTls::Alert, "ProtocolVersion"),
        (OldTls::Hello, "in the TLS handshake: "),
        (OldTls::Closes, "the connection was closed in the TLS handshake"),
    ] {
        let server = manner.serve();
        launch.probe_command(&server.url("https")).run().assert_failed("tls_handshake", detail);
    }
}

#[test]
fn a_minimum_tls_version_is_enforced() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let old = TlsServer::new(authority.certify("127.0.0.1", Shape::Good)).only_tls12().serve();
    let probe = |version: &str| {
        let tls = json!({"ca": authority.pem(), "min_version": version});
        launch.probe_command(&old.url("https")).options(json!({"tls": tls})).run()
    };
    let probed = probe("1.2");
    probed.assert_up();
    assert_eq!(probed.outcome["tls_version"], "TLS 1.2");
    probe("1.3").assert_failed("tls_handshake", "in the TLS handshake: ");
}

#[test]
fn a_client_certificate_is_sent_to_a_target_that_requires_one() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let clients = Authority::named("clients");
    let (known, unknown) = (
        clients.certify("client.example", Shape::Good),
        authority.certify("client.example", Shape::Good),
    );
    let terms = TlsServer::new(authority.certify("127.0.0.1", Shape::Good));
    let server = terms.requiring_clients_of(clients).serve();
    let probe = |identity: &Identity| {
        let tls = json!({
            "ca": authority.pem(),
            "certificate": identity.certificate_pem(),
            "private_key": identity.key_pem(),
        });
        launch.probe_command(&server.url("https")).options(json!({"tls": tls})).run()
    };
    probe(&known).assert_up();
    probe(&unknown).assert_failed("tls_handshake", "fatal alert");
}

#[test]
fn a_missing_client_certificate_fails_in_the_handshake() {
    let authority = Authority::new();
    let launch = Launch::new().with("PROBE_CA_FILE", authority.file().display());
    let terms = || TlsServer::new(authority.certify("127.0.0.1", Shape::Good));
    // With TLS 1.3 the client finishes before the server verifies the client certificate, so the
    // alert arrives instead of the response.
    for terms in [terms(), terms().only_tls12()] {
        let server = terms.requiring_clients_of(Authority::named("clients")).serve();
        launch
            .probe_command(&server.url("https"))
            .run()
            .assert_failed("tls_handshake", "fatal alert");
    }
}

#[test]
fn a_target_that_requires_a_client_certificate_is_down_over_every_scheme() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let clients = Authority::named("clients");
    let terms = TlsServer::new(authority.certify("127.0.0.1", Shape::Good));
    let server = terms.requiring_clients_of(clients).serve();
    for scheme in ["tls", "https", "wss"] {
        let options = json!({"tls": {"ca": authority.pem()}});
        let probed = launch.probe_command(&server.url(scheme)).options(options).run();
        probed.assert_failed("tls_handshake", "fatal alert");
    }
}

#[test]
fn a_rejected_client_certificate_fails_in_the_handshake_over_plain_tls() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let terms = TlsServer::new(authority.certify("127.0.0.1", Shape::Good));
    let server = terms.requiring_clients_of(Authority::named("clients")).serve();
    let unknown = authority.certify("client.example", Shape::Good);
    let command = launch.probe_command(&server.url("tls"));
    let probed =
        command.options(json!({"tls": client_certificate_option(&authority, &unknown)})).run();
    probed.assert_failed("tls_handshake", "fatal alert");
}

#[test]
fn an_optional_client_certificate_delays_the_probe_only_briefly() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let config = optional_client_certificate(&authority.certify("127.0.0.1", Shape::Good));
    let peer = Peer::tls(config, |wire| wire.read_exact(&mut [0]));
    let options = json!({"tls": {"ca": authority.pem()}});
    retry_while_busy(|| {
        let report = launch.probe_command(&peer.url("tls")).options(options.clone()).run();
        report.assert_up();
        assert_eq!(report.outcome["tls_version"], "TLS 1.3");
        // The wait for a refusal is twice as long as the handshake, and counts as processing.
        let is_short = report.response_time_ms() < 500.0;
        let is_apart = report.phase_ms("tls") < report.phase_ms("processing");
        ensure(is_short && is_apart, || format!("{report:?}"))
    });
}

#[test]
fn an_unanswered_handshake_is_a_tls_timeout() {
    let authority = Authority::new();
    let launch = Launch::new().with("PROBE_CA_FILE", authority.file().display());
    let silent = Target::start(Behaviour::Hung);
    let url = format!("https://127.0.0.1:{}/", silent.port());
    let probed = launch.probe_command(&url).timeout(2.0).run();
    probed.assert_failed("tls_timeout", "still in the TLS handshake");
}

#[test]
fn garbage_after_the_handshake_is_a_protocol_error() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let config = TlsServer::new(authority.certify("127.0.0.1", Shape::Good)).config();
    let peer = Peer::start(move |mut connection| {
        let session = ServerConnection::new(Arc::clone(&config));
        let mut session = session.map_err(io::Error::other)?;
        read_head(&mut Stream::new(&mut session, &mut connection))?;
        connection.write_all(b"garbage, and no record")?;
        connection.read_exact(&mut [0])
    });
    let options = json!({"tls": {"ca": authority.pem()}});
    let probed = launch.probe_command(&peer.url("https")).options(options).run();
    probed.assert_failed("protocol", "waiting for the response: received corrupt message");
}
