//! gRPC targets.

use serde_json::json;

use crate::support::{Authority, GrpcHealth, Launch, Shape, Target, Terms};

/// How a server of `authority` speaks TLS.
fn terms(authority: &Authority) -> Terms {
    Terms::of(authority.certify("127.0.0.1", Shape::Good))
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
