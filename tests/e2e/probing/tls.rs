//! Certificates and handshakes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, ServerConnection, Stream};
use serde_json::{Value, json};

use crate::support::{Authority, Behaviour, Identity, Launch, OldTls, Peer, Shape, Target, Terms};

/// Reads the head of a request.
fn read_head(wire: &mut (impl Read + ?Sized)) -> io::Result<()> {
    let (mut lines, mut line) = (BufReader::new(wire), String::new());
    while lines.read_line(&mut line)? > "\r\n".len() {
        line.clear();
    }
    Ok(())
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
fn certificates_are_checked_against_the_authorities_we_trust() {
    let (ours, other, plain) = (Authority::new(), Authority::new(), Target::healthy());
    let app = Launch::new().with("PROBE_CA_FILE", ours.file().display()).start();
    let good = app.add("good", &format!("https://127.0.0.1:{}/", ours.serve("127.0.0.1", false)));
    app.wait_for_state(good, "up");
    for (expected, port) in [
        ("tls_expired", ours.serve("127.0.0.1", true)),
        ("tls_hostname", ours.serve("else.example", false)),
        ("tls_untrusted", other.serve("127.0.0.1", false)),
        ("tls_handshake", plain.port()),
    ] {
        let (reason, detail) = app.failure_of(&format!("https://127.0.0.1:{port}/"));
        assert_eq!(reason, expected, "{detail}");
    }
}

#[test]
fn every_flaw_of_a_certificate_is_told_as_such() {
    let authority = Authority::new();
    let launch = Launch::new().with("PROBE_CA_FILE", authority.file().display());
    for (shape, reason, told) in [
        (Shape::Expired, "tls_expired", "certificate expired"),
        (Shape::NotYetValid, "tls_not_yet_valid", "not valid yet"),
        (Shape::ForAnotherName, "tls_hostname", "not valid for name"),
        (Shape::SelfSigned, "tls_untrusted", "UnknownIssuer"),
        (Shape::OfAnAuthority, "tls_untrusted", ""),
        (Shape::IntermediateLeftOut, "tls_untrusted", "UnknownIssuer"),
    ] {
        let server = authority.serve_shape(shape);
        let probed = launch.asking(&server.url("https")).probe();
        probed.assert_failed(reason, "in the TLS handshake: ");
        probed.assert_failed(reason, told);
    }
    for shape in [Shape::Good, Shape::ThroughIntermediate] {
        let server = authority.serve_shape(shape);
        launch.asking(&server.url("https")).probe().assert_up();
    }
}

#[test]
fn a_stranger_is_untrusted_even_under_the_name_of_an_authority_we_trust() {
    let authority = Authority::new();
    let launch = Launch::new().with("PROBE_CA_FILE", authority.file().display());
    for stranger in [Authority::called("a stranger"), Authority::new()] {
        let server = stranger.serve_shape(Shape::Good);
        let probed = launch.asking(&server.url("https")).probe();
        probed.assert_failed("tls_untrusted", "in the TLS handshake: ");
    }
}

#[test]
fn a_service_says_whom_it_trusts_and_under_which_name() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let ask = |shape: Shape, options: Value| {
        let server = authority.serve_shape(shape);
        launch.asking(&server.url("https")).options(options).probe()
    };
    let ca = authority.pem();
    ask(Shape::Good, json!({"tls": {"ca": ca}})).assert_up();
    let stranger = Authority::called("a stranger").pem();
    ask(Shape::Good, json!({"tls": {"ca": stranger}})).assert_failed("tls_untrusted", "");
    let named = json!({"tls": {"ca": ca, "server_name": "else.example"}});
    ask(Shape::ForAnotherName, named.clone()).assert_up();
    ask(Shape::Good, named).assert_failed("tls_hostname", "not valid for name");
    for shape in [Shape::SelfSigned, Shape::Expired, Shape::ForAnotherName, Shape::OfAnAuthority] {
        ask(shape, json!({"insecure": true})).assert_up();
    }
}

#[test]
fn a_server_that_is_too_old_or_leaves_fails_in_the_handshake() {
    let authority = Authority::new();
    let launch = Launch::new().with("PROBE_CA_FILE", authority.file().display());
    for (manner, told) in [
        (OldTls::Alert, "ProtocolVersion"),
        (OldTls::Hello, "in the TLS handshake: "),
        (OldTls::Leaves, "the connection was closed in the TLS handshake"),
    ] {
        let server = manner.serve();
        launch.asking(&server.url("https")).probe().assert_failed("tls_handshake", told);
    }
}

#[test]
fn a_service_that_wants_tls_1_3_is_not_content_with_less() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let old = Terms::of(authority.certify("127.0.0.1", Shape::Good)).only_tls12().serve();
    let ask = |version: &str| {
        let tls = json!({"ca": authority.pem(), "min_version": version});
        launch.asking(&old.url("https")).options(json!({"tls": tls})).probe()
    };
    let probed = ask("1.2");
    probed.assert_up();
    assert_eq!(probed.outcome["tls_version"], "TLS 1.2");
    ask("1.3").assert_failed("tls_handshake", "in the TLS handshake: ");
}

#[test]
fn a_service_shows_its_certificate_to_a_target_that_demands_one() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let clients = Authority::called("clients");
    let (known, unknown) = (
        clients.certify("client.example", Shape::Good),
        authority.certify("client.example", Shape::Good),
    );
    let terms = Terms::of(authority.certify("127.0.0.1", Shape::Good));
    let server = terms.demanding_clients_of(clients).serve();
    let ask = |identity: &Identity| {
        let tls = json!({
            "ca": authority.pem(),
            "certificate": identity.certificate_pem(),
            "private_key": identity.key_pem(),
        });
        launch.asking(&server.url("https")).options(json!({"tls": tls})).probe()
    };
    ask(&known).assert_up();
    ask(&unknown).assert_failed("tls_handshake", "fatal alert");
}

#[test]
fn a_client_without_the_certificate_that_is_demanded_fails_in_the_handshake() {
    let authority = Authority::new();
    let launch = Launch::new().with("PROBE_CA_FILE", authority.file().display());
    let terms = || Terms::of(authority.certify("127.0.0.1", Shape::Good));
    // Over TLS 1.3 the client is done before the server looks at its certificate, so it is told with the answer.
    for terms in [terms(), terms().only_tls12()] {
        let server = terms.demanding_clients_of(Authority::called("clients")).serve();
        launch.asking(&server.url("https")).probe().assert_failed("tls_handshake", "fatal alert");
    }
}

#[test]
fn a_target_that_demands_a_certificate_is_down_for_those_who_have_none() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let clients = Authority::called("clients");
    let terms = Terms::of(authority.certify("127.0.0.1", Shape::Good));
    let server = terms.demanding_clients_of(clients).serve();
    for scheme in ["tls", "https", "wss"] {
        let options = json!({"tls": {"ca": authority.pem()}});
        let probed = launch.asking(&server.url(scheme)).options(options).probe();
        probed.assert_failed("tls_handshake", "fatal alert");
    }
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
fn a_handshake_that_is_never_answered_is_a_timeout_of_tls() {
    let authority = Authority::new();
    let launch = Launch::new().with("PROBE_CA_FILE", authority.file().display());
    let mute = Target::start(Behaviour::Hung);
    let url = format!("https://127.0.0.1:{}/", mute.port());
    let probed = launch.asking(&url).timeout(0.4).probe();
    probed.assert_failed("tls_timeout", "still in the TLS handshake");
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
