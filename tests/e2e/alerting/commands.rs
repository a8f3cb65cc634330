//! `service-healthcheck alert …` against a running service.

use super::alerts::{add_channel, add_policy, wait_for_alert};
use crate::support::{App, Behaviour, Launch, Target};

/// Runs `alert` with these words; returns exit code and output.
fn alert(launch: &Launch, app: &App, words: &[&str]) -> (Option<i32>, String) {
    let port = app.address().rsplit(':').next().unwrap();
    let words: Vec<&str> = ["alert"].into_iter().chain(words.iter().copied()).collect();
    launch.clone().with("API_PORT", port).run(&words)
}

#[test]
fn alerts_are_listed_acknowledged_and_silenced() {
    let launch = Launch::new().with("API_TOKEN", "token-of-the-api");
    let open = Launch::new();
    let app = open.start();
    assert_eq!(alert(&open, &app, &["list"]), (Some(0), "no open alerts\n".to_owned()));
    let (receiver, target) = (Target::healthy(), Target::start(Behaviour::Status(503)));
    add_channel(&app, &receiver);
    add_policy(&app);
    app.add("pay", &target.url());
    let id = wait_for_alert(&app, "state=firing")["id"].to_string();
    let (code, list) = alert(&open, &app, &["list"]);
    assert!(list.starts_with(&format!("{id} firing critical down pay since ")), "{list}");
    assert_eq!(code, Some(0));

    let note = ["ack", &id, "--by", "ann", "--note", "on it"];
    let expected = format!("alert {id} is acknowledged\n");
    assert_eq!(alert(&open, &app, &note), (Some(0), expected));
    assert!(alert(&open, &app, &["list"]).1.contains("acknowledged by ann"));
    let expected = format!("alert {id} is firing\n");
    assert_eq!(alert(&open, &app, &["ack", &id, "--undo"]), (Some(0), expected));
    assert_eq!(alert(&open, &app, &["ack", "999"]), (Some(1), "record not found\n".to_owned()));

    let add = ["silence", "add", "--name", "pay*", "--for", "2h", "--note", "new disks"];
    let (code, added) = alert(&open, &app, &add);
    assert_eq!((code, added.starts_with("1 active until ")), (Some(0), true), "{added}");
    assert!(added.ends_with(": name pay* (new disks)\n"), "{added}");
    assert_eq!(alert(&open, &app, &["silence", "list"]), (Some(0), added));
    let ended = alert(&open, &app, &["silence", "end", "1"]);
    assert_eq!(ended, (Some(0), "silence 1 is deleted\n".to_owned()));
    assert_eq!(alert(&open, &app, &["silence", "list"]), (Some(0), String::new()));
    for wrong in [&["silence", "add", "--for", "2h"][..], &["silence", "add", "--name", "a"]] {
        assert_eq!(alert(&open, &app, wrong).0, Some(2), "{wrong:?}");
    }

    target.set_behaviour(Behaviour::Status(200));
    wait_for_alert(&app, "state=resolved");
    assert_eq!(alert(&open, &app, &["list"]).1, "no open alerts\n");
    assert!(alert(&open, &app, &["list", "--all"]).1.contains("resolved critical down pay"));
    app.stop();
    // Nothing listens there any more, or something else does.
    let (code, error) = launch.with("API_PORT", "1").run(&["alert", "list"]);
    assert_eq!((code, error.contains("http://127.0.0.1:1/v1/alerts")), (Some(1), true), "{error}");
}

#[test]
fn a_channel_is_tested_with_the_token() {
    let launch = Launch::new().with("API_TOKEN", "token-of-the-api");
    let app = launch.start();
    let receiver = Target::healthy();
    let keys = serde_json::json!({"url": receiver.url()});
    let channel = serde_json::json!({"name": "ops", "kind": "webhook", "keys": keys}).to_string();
    let headers =
        [("authorization", "Bearer token-of-the-api"), ("content-type", "application/json")];
    assert_eq!(app.request("POST", "/v1/channels", &headers, &channel).status, 201);
    let (code, output) = alert(&launch, &app, &["test", "ops"]);
    assert_eq!(
        (code, output.starts_with("ops: delivered (HTTP 200)")),
        (Some(0), true),
        "{output}"
    );
    assert_eq!(receiver.request_count(), 1);
    receiver.set_behaviour(Behaviour::Status(503));
    let (code, output) = alert(&launch, &app, &["test", "ops", "--state", "digest"]);
    assert_eq!((code, output.starts_with("ops: not delivered (HTTP 503)")), (Some(1), true));
    let (code, output) = alert(&launch, &app, &["test", "boss"]);
    let expected = "CHANNEL: invalid value \"boss\", expected one of ops";
    assert_eq!((code, output.contains(expected)), (Some(2), true), "{output}");
}

/// A services file with a webhook to `receiver`.
fn services_file(receiver: &Target) -> String {
    let port = receiver.port();
    format!(
        "
        alerting:
          webhook: {{url: \"http://127.0.0.1:{port}/${{PATH_OF_HOOK}}\"}}
        endpoints: [{{name: a, url: \"http://127.0.0.1:9/\", enabled: false}}]
        "
    )
}

#[test]
fn a_channel_of_a_file_is_rendered_and_tested_without_a_service() {
    let receiver = Target::healthy();
    let launch = Launch::new().with("PATH_OF_HOOK", "s3cret");
    launch.write_file("alerts.yaml", &services_file(&receiver));
    let render = ["alert", "render", "webhook", "--file", "alerts.yaml", "--state", "resolved"];
    let (code, output) = launch.run(&render);
    assert_eq!(code, Some(0), "{output}");
    let first = format!("POST http://127.0.0.1:{}/***\n", receiver.port());
    assert!(output.starts_with(&first), "{output}");
    assert!(output.contains("This is a test") && !output.contains("s3cret"), "{output}");
    assert_eq!(receiver.request_count(), 0, "nothing is sent");

    let test = ["alert", "test", "webhook", "--file", "alerts.yaml"];
    let (code, output) = launch.run(&test);
    assert_eq!((code, output.as_str()), (Some(0), "webhook: delivered (HTTP 200)\n"));
    assert!(receiver.last_head().starts_with("POST /s3cret "), "{}", receiver.last_head());
    receiver.set_behaviour(Behaviour::Status(403));
    let (code, output) = launch.run(&test);
    assert_eq!((code, output.starts_with("webhook: not delivered (HTTP 403)")), (Some(1), true));
    let (code, output) = launch.run(&["alert", "test", "slack", "--file", "alerts.yaml"]);
    let expected = "CHANNEL: invalid value \"slack\", expected one of webhook";
    assert_eq!((code, output.contains(expected)), (Some(2), true), "{output}");
    let (code, output) = launch.run(&["alert", "render", "a", "--file", "missing.yaml"]);
    assert_eq!((code, output.contains("missing.yaml")), (Some(2), true), "{output}");
}

#[test]
fn a_channel_of_the_store_is_rendered_whether_the_service_runs_or_not() {
    let launch = Launch::new();
    let app = launch.start();
    let receiver = Target::healthy();
    add_channel(&app, &receiver);
    let render = || launch.run(&["alert", "render", "ops", "--state", "digest"]);
    let (code, running) = render();
    let first = format!("POST http://127.0.0.1:{}/***\n", receiver.port());
    assert_eq!((code, running.starts_with(&first)), (Some(0), true), "{running}");
    app.stop();
    assert_eq!(render().0, Some(0));
    assert_eq!(receiver.request_count(), 0);
}
