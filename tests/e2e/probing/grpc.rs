//! gRPC targets.

use serde_json::json;

use crate::support::{Authority, GrpcHealth, Launch, Shape, Target, TlsServer};

/// A TLS server with a certificate of `authority`.
fn tls_server(authority: &Authority) -> TlsServer {
    TlsServer::new(authority.certify("127.0.0.1", Shape::Good))
}

#[test]
fn a_grpc_server_is_up_when_its_status_is_serving() {
    let (launch, server) = (Launch::new(), GrpcHealth::plain());
    let probe = |service: &str| {
        launch.probe_command(&server.url("grpc")).options(json!({"grpc_service": service}))
    };
    launch.probe_command(&server.url("grpc")).run().assert_up();
    probe("good").run().assert_up();
    probe("bad").run().assert_failed("status", "NOT_SERVING");
    probe("bad").condition("[BODY].status == NOT_SERVING").run().assert_up();
    let unknown = probe("who").run();
    unknown.assert_failed("status", "gRPC status 5 NOT_FOUND: unknown service");
    let web = Target::healthy();
    let probed = launch.probe_command(&web.url().replace("http:", "grpc:")).run();
    assert!(["protocol", "reset"].contains(&probed.reason()), "{probed:?}");
}

#[test]
fn grpc_over_tls_verifies_certificates_like_https() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let server = GrpcHealth::secured(tls_server(&authority).with_alpn("h2").config());
    let probe = |ca: String| {
        launch.probe_command(&server.url("grpcs")).options(json!({"tls": {"ca": ca}})).run()
    };
    let probed = probe(authority.pem());
    probed.assert_up();
    assert_eq!(probed.outcome["tls_version"], "TLS 1.3");
    probe(Authority::new().pem()).assert_failed("tls_untrusted", "in the TLS handshake");
}
