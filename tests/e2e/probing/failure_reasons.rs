//! The reason and the sentence of each failure, and how reasons are stored, filtered and counted.

use serde_json::json;

use crate::support::{Authority, Behaviour, FullBacklog, Launch, Shape, Store, Target, stores};

stores!(reasons_are_stored_filtered_and_counted,);

#[test]
fn refused_reset_and_unanswered_connections_have_different_reasons() {
    let launch = Launch::new();
    let refused = launch.probe_command("http://127.0.0.1:1/").run();
    refused.assert_failed("refused", "connecting to 127.0.0.1:1: ");
    let cut = Target::start(Behaviour::Reset);
    launch.probe_command(&cut.url()).run().assert_failed("reset", "waiting for the response: ");
    let full = FullBacklog::new();
    let url = format!("http://127.0.0.1:{}/", full.port());
    let unanswered = launch.probe_command(&url).timeout(2.0).run();
    unanswered.assert_failed("connect_timeout", "still connecting");
}

#[test]
fn late_and_malformed_answers_have_different_reasons() {
    let launch = Launch::new();
    let raw = |bytes: &[u8]| Behaviour::Raw(bytes.to_vec());
    for (behaviour, reason, detail) in [
        (Behaviour::Hung, "timeout", "within 2s: still waiting for the response"),
        (Behaviour::Dripping, "timeout", "within 2s: still reading the body"),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "protocol", "the response is not HTTP"),
        (raw(b""), "protocol", "the connection was closed without a response"),
        (Behaviour::Status(503), "status", "503 Service Unavailable"),
    ] {
        let target = Target::start(behaviour);
        launch.probe_command(&target.url()).timeout(2.0).run().assert_failed(reason, detail);
    }
    let target = Target::healthy();
    let command = launch.probe_command(&target.url()).condition("[STATUS] == 204");
    command.run().assert_failed("condition", "[STATUS] (200) == 204");
}

#[test]
fn each_bad_target_has_its_reason_within_the_timeout() {
    const TIMEOUT_MS: f64 = 2_000.0;
    let app = Launch::new().start();
    let cases = [
        (Behaviour::Hung, "timeout", "still waiting for the response"),
        (Behaviour::DrippingHead, "timeout", "still waiting for the response"),
        (Behaviour::Dripping, "timeout", "still reading the body"),
        (Behaviour::Reset, "reset", ""),
        (Behaviour::RedirectLoop, "redirect_loop", "more than 10 redirects"),
        (
            Behaviour::Raw(
                b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n".to_vec(),
            ),
            "status",
            "404 Not Found",
        ),
        (
            Behaviour::Raw(b"HTTP/1.1 102 Processing\r\n\r\n".to_vec()),
            "protocol",
            "without a response",
        ),
        (Behaviour::Raw(b"".to_vec()), "protocol", "closed without a response"),
        (Behaviour::Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()), "protocol", "not HTTP"),
        (Behaviour::Raw(vec![0xff; 4_096]), "protocol", "not HTTP"),
        (Behaviour::EndlessHead, "protocol", "more than 131072 bytes of a response head"),
        (
            Behaviour::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab".to_vec()),
            "protocol",
            "before the body was complete",
        ),
        (
            Behaviour::Raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec()),
            "protocol",
            "",
        ),
    ];
    // All at once: the pool has a slot for each.
    let cases = cases.map(|(behaviour, reason, detail)| {
        let target = Target::start(behaviour.clone());
        let body =
            json!({"name": target.url(), "url": target.url(), "timeout_seconds": TIMEOUT_MS / 1e3});
        (app.add_with(&body), target, behaviour, reason, detail)
    });
    for (id, _target, behaviour, reason, detail) in cases {
        let service = app.wait_for_ticks(id, 2);
        let failure = &service["current_status"]["failure"];
        assert_eq!(failure["reason"], reason, "{behaviour:?}: {failure}");
        assert!(failure["detail"].as_str().unwrap().contains(detail), "{behaviour:?}: {failure}");
        let mean = service["metric"]["data"]["average_response_time_ms"].as_f64().unwrap();
        let most = TIMEOUT_MS * 1.5;
        assert!(mean < most, "{behaviour:?}: a mean of {mean} ms, timeout {TIMEOUT_MS} ms");
        if reason == "timeout" {
            assert!(mean >= TIMEOUT_MS, "{behaviour:?}: {mean} ms");
        }
    }
    app.db().assert_consistent();
}

fn reasons_are_stored_filtered_and_counted(store: Store) {
    let authority = Authority::new();
    let app = Launch::on(store).with("PROBE_CA_FILE", authority.file().display()).start();
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
            refused.errors().starts_with("reason: invalid value \"tls_bad\", expected"),
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
