//! Expectations of an HTTP response: status, body and headers, over HTTP/1.1 and HTTP/2.

use serde_json::{Value, json};

use crate::support::{Authority, Behaviour, GrpcHealth, Launch, Shape, Target, TlsServer};

/// 203 with two headers `X-Node` and a body.
fn target() -> Target {
    let head = "HTTP/1.1 203 Fine\r\nx-node: a\r\nX-Node: b\r\ncontent-length: 12\r\n\r\n";
    Target::start(Behaviour::Raw(format!("{head}ready\nsteady").into_bytes()))
}

#[test]
fn each_field_is_judged_beside_conditions_and_named_when_it_fails() {
    let (launch, target) = (Launch::new(), target());
    for (options, reason, detail) in [
        (json!({"accept_status": ["200-299"]}), "", ""),
        (
            json!({"accept_status": ["200", "404"]}),
            "status",
            "accept_status 200, 404: 203 Non Authoritative Information",
        ),
        (json!({"body_matches": ["^ready$\\n?", "steady$"]}), "condition", "\"^ready$\\\\n?\""),
        (json!({"body_matches": ["^ready", "(?m)^steady$"]}), "", ""),
        (json!({"body_lacks": ["error", "unready"]}), "", ""),
        (json!({"body_lacks": ["stea.y"]}), "condition", "body_lacks \"stea.y\": a match"),
        (json!({"header_matches": [{"name": "X-NODE", "regex": "^b$"}]}), "", ""),
        (
            json!({"header_matches": [{"name": "X-Node", "regex": "c"}]}),
            "condition",
            "header_matches X-Node \"c\": no match",
        ),
        (
            json!({"header_matches": [{"name": "X-Zone", "regex": "."}]}),
            "condition",
            "header_matches X-Zone \".\": no such header",
        ),
        (json!({"header_lacks": [{"name": "x-node", "regex": "c"}]}), "", ""),
        (
            json!({"header_lacks": [{"name": "x-node", "regex": "a"}]}),
            "condition",
            "header_lacks x-node \"a\": a match",
        ),
    ] {
        for condition in [None, Some("[RESPONSE_TIME] < 600000")] {
            let probe = launch.probe_command(&target.url()).options(options.clone());
            let report = match condition {
                Some(condition) => probe.condition(condition).run(),
                None => probe.run(),
            };
            match reason {
                "" => report.assert_up(),
                reason => report.assert_failed(reason, detail),
            }
        }
    }
}

#[test]
fn a_missing_header_a_redirect_and_a_refused_status_are_as_the_fields_say() {
    let (launch, there) = (Launch::new(), target());
    let allowed = json!([{"name": "X-Zone", "regex": "a", "allow_missing": true}]);
    let options = json!({"header_matches": allowed, "header_lacks": allowed});
    launch.probe_command(&there.url()).options(options).run().assert_up();
    let moved = Target::start(Behaviour::RedirectTo(there.url()));
    let options = json!({"accept_status": ["302"], "follow_redirects": false});
    launch.probe_command(&moved.url()).options(options).run().assert_up();
    let options = json!({"accept_status": ["203"], "body_matches": ["steady"]});
    launch.probe_command(&moved.url()).options(options).run().assert_up();
    let sick = Target::start(Behaviour::Status(503));
    let probe = |options: Value| launch.probe_command(&sick.url()).options(options).run();
    probe(json!({"accept_status": ["500-599"], "body_matches": ["^ok$"]})).assert_up();
    // Without a list, a status below 400 is up, whatever the body is.
    probe(json!({"body_matches": ["ok"]})).assert_failed("status", "503 Service Unavailable");
    // No response at all is never expected then.
    let closed = launch.probe_command("http://127.0.0.1:1/");
    let closed = closed.options(json!({"accept_status": ["200"]}));
    closed.condition("[CONNECTED] == false").run().assert_failed("refused", "");
}

#[test]
fn a_body_is_read_up_to_its_limit_only() {
    let launch = Launch::new();
    let target = Target::start(Behaviour::Endless);
    let probe = |options: Value| launch.probe_command(&target.url()).options(options).run();
    for field in ["body_matches", "body_lacks"] {
        let report = probe(json!({field: ["0123"], "body_limit_bytes": 10_000}));
        report.assert_failed("too_large", "more than 10000 bytes");
    }
    // Headers and status need no body.
    probe(json!({"accept_status": ["200"], "body_limit_bytes": 10_000})).assert_up();
}

#[test]
fn http_2_is_judged_alike() {
    let authority = Authority::new();
    let launch = Launch::new().with("PROBE_CA_FILE", authority.file().display());
    let terms = TlsServer::new(authority.certify("127.0.0.1", Shape::Good)).with_alpn("h2");
    let server = GrpcHealth::secured(terms.config());
    let probe = |path: &str, mut options: Value| {
        options["http_version"] = json!("2");
        launch.probe_command(&format!("{}{path}", server.url("https"))).options(options).run()
    };
    probe("/status/503", json!({"accept_status": ["503"]})).assert_up();
    probe("/", json!({"accept_status": ["503"]})).assert_failed("status", "accept_status 503: 200");
    probe("/", json!({"body_lacks": ["^none such$"]})).assert_up();
    let missing = json!({"header_matches": [{"name": "X-None", "regex": "."}]});
    probe("/", missing).assert_failed("condition", "no such header");
}

#[test]
fn a_service_has_the_fields_and_an_on_demand_probe_lists_them() {
    let (app, target) = (Launch::new().start(), target());
    let id = app.add_with(&json!({
        "name": "a", "url": target.url(), "accept_status": ["200-299"], "body_lacks": ["steady"],
        "conditions": ["[STATUS] == 203"],
    }));
    app.wait_for_state(id, "down");
    let service = app.service(id);
    assert_eq!(service["accept_status"], json!(["200-299"]));
    let probed = app.send("POST", &format!("/v1/services/{id}/probe"), &json!({}));
    let expected = json!([
        {"condition": "accept_status 200-299", "success": true},
        {"condition": "body_lacks \"steady\": a match", "success": false},
        {"condition": "[STATUS] == 203", "success": true},
    ]);
    assert_eq!(probed.body["data"]["probe"]["data"]["conditions"], expected, "{}", probed.text);
    app.change(id, &json!({"body_lacks": null}));
    app.wait_for_state(id, "up");
}
