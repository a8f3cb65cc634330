//! HTTP/2, and the version of HTTP that a service requires.

use serde_json::json;

use crate::support::{Authority, Behaviour, GrpcHealth, Launch, Shape, Target, TlsServer};

#[test]
fn http_2_is_used_when_the_service_requires_it() {
    let authority = Authority::new();
    let (plain, launch) = (GrpcHealth::plain(), Launch::new());
    let secured = GrpcHealth::secured(
        TlsServer::new(authority.certify("127.0.0.1", Shape::Good)).with_alpn("h2").config(),
    );
    for (server, scheme) in [(&plain, "http"), (&secured, "https")] {
        let probe = |path: &str, condition: &str| {
            let options = json!({
                "http_version": "2", "method": "PUT", "headers": {"X-Seen": "yes", "Host": "named"},
                "tls": {"ca": authority.pem()}
            });
            let url = format!("{}{path}", server.url(scheme));
            launch.probe_command(&url).options(options).condition(condition).run()
        };
        let probed = probe("/", "[BODY].method == PUT");
        probed.assert_up();
        assert_eq!(probed.outcome["http_version"], "2");
        probe("/", "[BODY].host == named").assert_up();
        probe("/hop", "[BODY].seen == yes").assert_up();
        probe("/status/503", "[STATUS] == 503").assert_up();
        let options = json!({"http_version": "2", "insecure": true});
        let url = format!("{}/status/503", server.url(scheme));
        launch.probe_command(&url).options(options).run().assert_failed("status", "503 Service");
    }
    let one = Target::healthy();
    let probed = launch.probe_command(&one.url()).options(json!({"http_version": "2"})).run();
    probed.assert_failed("protocol", "HTTP/2");
}

#[test]
fn cookies_and_packed_bodies_are_the_same_over_http_2() {
    let (launch, server) = (Launch::new(), GrpcHealth::plain());
    for (path, condition) in [
        ("/", "[BODY].cookie == written=1"),
        ("/hop", "[BODY].cookie == written=1; hop=1"),
        ("/packed", "[BODY].method == GET"),
    ] {
        let options = json!({"http_version": "2", "headers": {"Cookie": "written=1"}});
        let command = launch.probe_command(&format!("{}{path}", server.url("http")));
        command.options(options).condition(condition).run().assert_up();
    }
}

#[test]
fn a_server_without_http_2_is_a_protocol_error() {
    let (launch, authority) = (Launch::new(), Authority::new());
    let server = authority.serve_shape(Shape::Good);
    let options = json!({"http_version": "2", "tls": {"ca": authority.pem()}});
    let probed = launch.probe_command(&server.url("https")).options(options).run();
    probed.assert_failed("protocol", "did not agree to HTTP/2 (ALPN)");
}

#[test]
fn the_http_version_must_match_the_required_one() {
    let launch = Launch::new();
    let (new, old) = (
        Target::healthy(),
        Target::start(Behaviour::Raw(b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec())),
    );
    let probe = |target: &Target, version: &str| {
        launch.probe_command(&target.url()).options(json!({"http_version": version})).run()
    };
    probe(&new, "1.1").assert_up();
    probe(&old, "1.0").assert_up();
    probe(&new, "1.0").assert_failed("protocol", "the target spoke HTTP 1.1, expected HTTP 1.0");
    probe(&old, "1.1").assert_failed("protocol", "the target spoke HTTP 1.0, expected HTTP 1.1");
}

#[test]
fn a_request_over_http_2_has_the_length_of_its_body() {
    let (launch, server) = (Launch::new(), GrpcHealth::plain());
    for (method, body, path, length) in [
        ("POST", "", "/", "0"),
        ("PATCH", "", "/hop", "0"),
        ("PUT", "hi", "/", "2"),
        ("DELETE", "hi", "/", "2"),
        ("GET", "", "/", ""),
        ("DELETE", "", "/", ""),
    ] {
        let options = json!({"http_version": "2", "method": method, "body": body});
        let command = launch.probe_command(&format!("{}{path}", server.url("http")));
        let command = command.options(options).condition(&format!("[BODY].method == {method}"));
        command.condition(&format!("len([BODY].length) == {}", length.len())).run().assert_up();
    }
}
