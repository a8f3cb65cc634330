//! Each reason of a failure, from a real socket and with its sentence; and how reasons are kept, filtered by and counted.

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType;
use serde_json::json;

use crate::support::{
    Answer, Authority, Behaviour, FullQueue, Launch, NameServer, OldTls, Shape, Target, Terms,
};

#[test]
fn a_name_that_does_not_exist_is_told_apart_from_a_server_that_fails() {
    let (launch, server) = (Launch::new(), NameServer::start());
    let sick =
        [("servfail.example", ResponseCode::ServFail), ("refused.example", ResponseCode::Refused)];
    for (name, code) in sick {
        for kind in [RecordType::A, RecordType::AAAA] {
            server.says(name, kind, Answer::Fails(code));
        }
    }
    server.says("empty.example", RecordType::TXT, Answer::Records(Vec::new()));
    for (name, reason, told) in [
        (
            "nowhere.example",
            "dns_no_such_name",
            "looking up nowhere.example: there is no such name",
        ),
        ("empty.example", "dns_no_such_name", "looking up empty.example: the name has no address"),
        ("servfail.example", "dns_server", "looking up servfail.example: "),
        ("refused.example", "dns_server", "looking up refused.example: "),
    ] {
        let asking = launch.asking(&format!("http://{name}:1/"));
        let probed = asking.options(json!({"resolver": server.as_resolver()})).probe();
        probed.assert_failed(reason, told);
    }
}

#[test]
fn a_name_server_that_is_silent_is_a_timeout_of_dns() {
    let (launch, server) = (Launch::new(), NameServer::start());
    for kind in [RecordType::A, RecordType::AAAA] {
        server.says("web.example", kind, Answer::Silence);
    }
    let asking = launch.asking("http://web.example:1/").timeout(0.4);
    let probed = asking.options(json!({"resolver": server.as_resolver()})).probe();
    probed.assert_failed("dns_timeout", "still looking up the name");
    assert!(server.asked("web.example", RecordType::A) >= 1, "it was asked");
}

#[test]
fn a_connection_that_is_refused_cut_or_never_made_is_told_as_such() {
    let launch = Launch::new();
    let refused = launch.asking("http://127.0.0.1:1/").probe();
    refused.assert_failed("refused", "connecting to 127.0.0.1:1: ");
    let cut = Target::start(Behaviour::Reset);
    launch.asking(&cut.url()).probe().assert_failed("reset", "waiting for the answer: ");
    let full = FullQueue::new();
    let url = format!("http://127.0.0.1:{}/", full.port());
    let unanswered = launch.asking(&url).timeout(0.4).probe();
    unanswered.assert_failed("connect_timeout", "still connecting");
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
fn a_handshake_that_is_never_answered_is_a_timeout_of_tls() {
    let authority = Authority::new();
    let launch = Launch::new().with("PROBE_CA_FILE", authority.file().display());
    let mute = Target::start(Behaviour::Hung);
    let url = format!("https://127.0.0.1:{}/", mute.port());
    let probed = launch.asking(&url).timeout(0.4).probe();
    probed.assert_failed("tls_timeout", "still in the TLS handshake");
}

#[test]
fn an_answer_that_is_late_or_wrong_is_told_by_what_is_wrong_with_it() {
    let launch = Launch::new();
    let raw = |bytes: &[u8]| Behaviour::Raw(bytes.to_vec());
    for (behaviour, reason, told) in [
        (Behaviour::Hung, "timeout", "within 400ms: still waiting for the answer"),
        (Behaviour::Dripping, "timeout", "within 400ms: still reading the body"),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "protocol", "the answer is not HTTP"),
        (raw(b""), "protocol", "the connection was closed without an answer"),
        (Behaviour::Status(503), "status", "503 Service Unavailable"),
    ] {
        let target = Target::start(behaviour);
        launch.asking(&target.url()).timeout(0.4).probe().assert_failed(reason, told);
    }
    let target = Target::healthy();
    let asking = launch.asking(&target.url()).condition("[STATUS] == 204");
    asking.probe().assert_failed("condition", "[STATUS] (200) == 204");
}

#[test]
fn a_body_beyond_the_limit_is_a_failure_only_when_a_condition_needs_it() {
    let launch = Launch::new();
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
    let without_length = b"HTTP/1.1 200 OK\r\n\r\n";
    for head in [&head[..], &without_length[..]] {
        let target = Target::start(Behaviour::Raw([head, &[b'x'; 100]].concat()));
        let asking =
            |limit: usize| launch.asking(&target.url()).options(json!({"body_limit_bytes": limit}));
        asking(10).probe().assert_up();
        let probed = asking(10).condition("[BODY] == pat(x*)").probe();
        probed.assert_failed("too_large", "reading the body: more than 10 bytes");
        asking(100).condition("[BODY] == pat(x*)").probe().assert_up();
    }
}

#[test]
fn redirects_that_lead_nowhere_good_are_told_by_where_they_lead() {
    let launch = Launch::new();
    let metadata = "http://169.254.169.254/latest/meta-data/";
    for (behaviour, reason, told) in [
        (Behaviour::RedirectLoop, "redirect_loop", "more than 10 redirects"),
        (
            Behaviour::RedirectTo("file:///etc/passwd".into()),
            "redirect_blocked",
            "not http or https",
        ),
        (Behaviour::RedirectTo("gopher://a/".into()), "redirect_blocked", "\"gopher://a/\""),
        (Behaviour::RedirectTo("http://[".into()), "redirect_blocked", "is no URL"),
        (
            Behaviour::RedirectTo(metadata.into()),
            "address_blocked",
            "169.254.169.254 is link-local",
        ),
    ] {
        let target = Target::start(behaviour);
        launch.asking(&target.url()).probe().assert_failed(reason, told);
    }
}

#[test]
fn reasons_are_kept_filtered_by_and_counted() {
    let authority = Authority::new();
    let app = Launch::new().with("PROBE_CA_FILE", authority.file().display()).start();
    let (expired, healthy) = (authority.serve_shape(Shape::Expired), Target::healthy());
    let gone = app.add("gone", "http://127.0.0.1:1/");
    let old = app.add("old", &expired.url("https"));
    let good = app.add("good", &healthy.url());
    app.wait_for_state(gone, "down");
    app.wait_for_state(old, "down");
    app.wait_for_state(good, "up");

    for (reason, names) in
        [("refused", &["gone"][..]), ("tls_expired", &["old"][..]), ("tls_untrusted", &[][..])]
    {
        let reply = app.get(&format!("/v1/services?reason={reason}"));
        let found: Vec<&str> =
            reply.list("services").iter().filter_map(|service| service["name"].as_str()).collect();
        assert_eq!(found, names, "{reason}");
    }
    let events = |query: &str| app.get(&format!("/v1/services/{gone}/events{query}"));
    let found = events("?reason=refused");
    assert_eq!(found.list("events").len(), 1);
    assert_eq!(found.list("events")[0]["failure"]["reason"], "refused");
    assert!(events("?reason=tls_expired").list("events").is_empty());

    for path in ["/v1/services".to_owned(), format!("/v1/services/{gone}/events")] {
        let refused = app.get(&format!("{path}?reason=tls_bad"));
        assert_eq!(refused.status, 400, "{}", refused.text);
        assert!(
            refused.errors().starts_with("reason: \"tls_bad\" is not accepted"),
            "{}",
            refused.text
        );
        assert!(refused.errors().contains("dns_no_such_name, dns_server"), "{}", refused.text);
    }

    for reason in ["refused", "tls_expired"] {
        let counted =
            format!("service_healthcheck_probes_total{{result=\"down\",reason=\"{reason}\"}}");
        app.wait_for_metric(&counted, 1.0);
        let kept = format!("SELECT count(*) FROM service_ticks WHERE failure = '{reason}'");
        assert!(app.db().number(&kept) >= 1, "{reason} is in the record");
    }
    app.db().assert_consistent();
}
