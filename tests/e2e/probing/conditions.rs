//! Conditions from the API, the services file and the command line, judged by real answers.

use serde_json::json;

use crate::support::{Behaviour, Launch, Target};

/// Answers any request with `bytes` and then closes.
fn raw(bytes: &[u8]) -> Target {
    Target::start(Behaviour::Raw(bytes.to_vec()))
}

/// Answers any request with `body` and a `content-length`.
fn with_length(body: &[u8]) -> Target {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    raw(&[head.as_bytes(), body].concat())
}

fn answering(status: u16, body: &str) -> Target {
    let head = format!("HTTP/1.1 {status} Told\r\ncontent-length: {}\r\n\r\n", body.len());
    Target::start(Behaviour::Raw([head.as_bytes(), body.as_bytes()].concat()))
}

#[test]
fn a_service_is_up_only_when_every_condition_holds() {
    let app = Launch::new().start();
    let sick = answering(503, r#"{"status": "DEGRADED", "items": [1, 2]}"#);
    let add = |name: &str, conditions: &[&str]| {
        app.add_with(&json!({"name": name, "url": sick.url(), "conditions": conditions}))
    };
    let expected = add("a-503-is-what-we-want", &["[STATUS] == 503", "[BODY].status == pat(DEG*)"]);
    let failing = add(
        "fails",
        &["[STATUS] == any(200, 204)", "len([BODY].items) == 2", "[BODY].status == UP"],
    );
    let without_json = add("no-such-path", &["[BODY].nothing == 1"]);
    let up = app.wait_for_state(expected, "up");
    assert_eq!(up["conditions"], json!(["[STATUS] == 503", "[BODY].status == pat(DEG*)"]));
    let down = app.wait_for_state(failing, "down");
    assert_eq!(
        down["current_status"]["failure"],
        json!({"reason": "condition", "detail": "[STATUS] (503) == any(200, 204); [BODY].status \
        (DEGRADED) == UP"})
    );
    let down = app.wait_for_state(without_json, "down");
    assert_eq!(down["current_status"]["failure"]["detail"], "[BODY].nothing (INVALID) == 1");

    let path = format!("/v1/services/{failing}");
    let changed = app.send("PATCH", &path, &json!({"conditions": ["[RESPONSE_TIME] < 5s"]}));
    assert_eq!(changed.status, 200, "{}", changed.text);
    app.wait_for_state(failing, "up");
    app.send("PATCH", &path, &json!({"conditions": null}));
    let plain = app.wait_for_state(failing, "down");
    assert_eq!(plain["current_status"]["failure"]["reason"], "status", "the default rule again");
    assert_eq!(plain["conditions"], json!([]));
    app.db().assert_consistent();
}

#[test]
fn a_target_without_an_answer_fails_with_the_error_and_not_with_a_condition() {
    let app = Launch::new().start();
    let id = app.add_with(
        &json!({"name": "a", "url": "http://127.0.0.1:1/", "conditions": ["[STATUS] == 200"]}),
    );
    let down = app.wait_for_state(id, "down");
    assert_eq!(down["current_status"]["failure"]["reason"], "refused");
}

#[test]
fn a_port_that_must_be_closed_is_up_while_it_is() {
    let app = Launch::new().start();
    let open = answering(200, "");
    let add = |name: &str, url: &str, condition: &str| {
        let conditions = [condition, "[RESPONSE_TIME] < 10s"];
        app.add_with(&json!({"name": name, "url": url, "conditions": conditions}))
    };
    let closed = "127.0.0.1:1";
    let up = [
        add("http", &format!("http://{closed}/"), "[CONNECTED] == false"),
        add("status", &format!("https://{closed}/"), "[STATUS] == 0"),
        add("tcp", &format!("tcp://{closed}"), "[CONNECTED] != true"),
    ];
    for id in up {
        app.wait_for_state(id, "up");
    }
    let down = add("open", &open.url(), "[CONNECTED] == false");
    let down = app.wait_for_state(down, "down");
    assert_eq!(down["current_status"]["failure"]["detail"], "[CONNECTED] (true) == false");
    let not_200 = add("not-200", &format!("http://{closed}/"), "[STATUS] != 200");
    let down = app.wait_for_state(not_200, "down");
    assert_eq!(down["current_status"]["failure"]["reason"], "refused");
    app.db().assert_consistent();
}

#[test]
fn an_invalid_condition_is_rejected_with_its_location() {
    let app = Launch::new().start();
    for (conditions, expected) in [
        (json!(["[STATSU] == 200"]), "conditions: invalid value \"[STATSU] == 200\""),
        (json!(["[STATUS] >= 200 && [STATUS] < 300"]), "expected one comparison; a list of"),
        (json!(["[STATUS] == 200 || [STATUS] == 204"]), "expected one comparison; any(…)"),
        (json!(["[BODY].load < high"]), "expected numbers or durations on both sides"),
        (json!(["[DOMAIN_EXPIRATION] > 720h"]), "with a target below a registered domain"),
        (json!("[STATUS] == 200"), "a list of at most 50 conditions"),
        (json!([200]), "expected a string"),
    ] {
        let body = json!({"name": "a", "url": "http://a/", "conditions": conditions});
        let reply = app.send("POST", "/v1/services", &body);
        assert_eq!(
            (reply.status, reply.errors().contains(expected)),
            (422, true),
            "{}",
            reply.text
        );
    }
    let text = "endpoints:\n  - name: a\n    url: http://a/\n    conditions:\n      - \"[STATUS] \
    == 200\"\n      - \"[STATUS]\"\n";
    let launch = Launch::new().with_services_file(text);
    let (code, output) = launch.run_to_end();
    assert_eq!(code, Some(2), "{output}");
    assert!(
        output.contains("services.yaml:5: endpoint 1 (a): conditions: invalid value \"[STATUS]\""),
        "{output}"
    );
}

#[test]
fn conditions_from_the_services_file_and_the_command_line_are_evaluated() {
    let target = answering(200, "pong\n");
    let text = format!(
        "endpoints:\n  - name: a\n    url: {}\n    conditions: [\"[BODY] == pong\", \"[CONNECTED] \
         == true\"]\n",
        target.url()
    );
    let launch = Launch::new().with_services_file(&text);
    let app = launch.start();
    let service = app.wait_for_state(1, "up");
    assert_eq!(service["conditions"][0], "[BODY] == pong");
    app.stop();
    let app = launch.start();
    assert!(app.log().contains("changed: 0"), "what is stored is what was written: {}", app.log());

    let (code, output) = launch.run(&["probe", &target.url(), "--condition", "[BODY] == ping"]);
    assert_eq!(code, Some(1));
    assert!(output.contains("condition: [BODY] (pong) == ping"), "{output}");
    let good = [
        "probe",
        &target.url(),
        "--condition",
        "[BODY] == pong",
        "--condition",
        "[IP] == 127.0.0.1",
    ];
    assert_eq!(launch.run(&good).0, Some(0));
}

#[test]
fn a_body_beyond_the_limit_is_a_failure_only_when_a_condition_needs_it() {
    let launch = Launch::new();
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
    let without_length = b"HTTP/1.1 200 OK\r\n\r\n";
    for head in [&head[..], &without_length[..]] {
        let target = Target::start(Behaviour::Raw([head, &[b'x'; 100]].concat()));
        let command = |limit: usize| {
            launch.probe_command(&target.url()).options(json!({"body_limit_bytes": limit}))
        };
        command(10).run().assert_up();
        let probed = command(10).condition("[BODY] == pat(x*)").run();
        probed.assert_failed("too_large", "reading the body: more than 10 bytes");
        command(100).condition("[BODY] == pat(x*)").run().assert_up();
    }
}

#[test]
fn a_large_body_is_read_as_text_but_not_as_json() {
    let launch = Launch::new();
    let large = "x".repeat(5 * 1_024 * 1_024);
    let data = with_length(format!("{{\"a\": 1, \"more\": \"{large}\"}}").as_bytes());
    let text = with_length(large.as_bytes());
    let probe = |target: &Target, condition: &str| {
        let command =
            launch.probe_command(&target.url()).options(json!({"body_limit_bytes": 8_388_608}));
        command.condition(condition).run()
    };
    probe(&data, "[BODY].a == 1").assert_failed("too_large", "is not parsed as JSON");
    probe(&text, "[BODY] == pat(x*)").assert_up();
}

#[test]
fn numbers_are_compared_by_value_and_without_rounding() {
    let launch = Launch::new();
    let target = with_length(
        b"{\"n\": 5.0, \"big\": 9007199254740993, \"price\": 1.10, \"version\": \"1.10\", \
        \"id\": 12345678901234567890, \"a.b\": {\"c d\": 1}, \"none\": null}",
    );
    for condition in [
        "[BODY].n == 5",
        "[BODY].big > 9007199254740992",
        "[BODY].price == 1.1",
        "[BODY].version != 1.1",
        "[BODY].id > 12345678901234567889",
        "[STATUS] == 200.0",
        "[status] == pat(2[0-9]?)",
        "[BODY][\"a.b\"].c d == 1",
        "has([BODY].none) == false",
        "[CERTIFICATE_EXPIRATION] == 0",
    ] {
        launch.probe_command(&target.url()).condition(condition).run().assert_up();
    }
}
