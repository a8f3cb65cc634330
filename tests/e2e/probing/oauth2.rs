//! The client credentials grant of OAuth 2.0.

use serde_json::{Value, json};

use crate::support::wire::read_until;
use crate::support::{
    App, Behaviour, Credentials, Launch, Peer, Target, TokenServer, basic, has_line,
};

fn login(token_url: &str) -> Value {
    json!({
        "token_url": token_url, "client_id": "id", "client_secret": "s3cret",
        "scopes": ["openid", "https://a/.default"]
    })
}

/// A service that is probed on demand only.
fn paused(app: &App, target: &str, oauth2: Value) -> i64 {
    app.add_with(&json!({"name": "a", "url": target, "enabled": false, "oauth2": oauth2}))
}

fn probe(app: &App, id: i64) -> Value {
    let probed = app.send("POST", &format!("/v1/services/{id}/probe"), &json!({}));
    probed.body["data"]["probe"]["data"].clone()
}

fn sent_tokens(target: &Target) -> Vec<String> {
    let line = |head: &String| {
        let line = head.lines().find_map(|line| line.strip_prefix("authorization: "));
        line.unwrap_or_default().to_owned()
    };
    target.heads().iter().map(line).collect()
}

#[test]
fn a_token_is_fetched_once_and_renewed_when_the_target_refuses_it() {
    let (app, target) = (Launch::new().start(), Target::healthy());
    let tokens = TokenServer::start(Credentials::Header, 3_600);
    let id = paused(&app, &target.url(), login(&tokens.url()));
    for _ in 0..3 {
        assert_eq!(probe(&app, id)["success"], true);
    }
    let requests = tokens.requests();
    let [(head, form)] = &requests[..] else { panic!("{requests:?}") };
    assert!(head.starts_with("POST /token "), "{head}");
    assert!(has_line(head, "content-type: application/x-www-form-urlencoded"), "{head}");
    assert!(has_line(head, &basic("id:s3cret")), "{head}");
    assert_eq!(form, "grant_type=client_credentials&scope=openid+https%3A%2F%2Fa%2F.default");
    assert_eq!(sent_tokens(&target), ["Bearer token-1"; 3]);

    target.set_behaviour(Behaviour::OnceThen(401));
    assert_eq!(probe(&app, id)["success"], true, "with a new token");
    assert_eq!(sent_tokens(&target)[3..], ["Bearer token-1", "Bearer token-2"]);

    target.set_behaviour(Behaviour::Status(401));
    for _ in 0..3 {
        let outcome = probe(&app, id);
        assert_eq!(outcome["failure"]["detail"], "401 Unauthorized", "{outcome}");
    }
    assert_eq!(
        sent_tokens(&target)[5..],
        ["Bearer token-2", "Bearer token-3", "Bearer token-3", "Bearer token-3"],
        "one login, not one for each probe"
    );
}

#[test]
fn a_token_is_fetched_anew_before_it_expires_and_with_the_form() {
    let (app, target) = (Launch::new().start(), Target::healthy());
    let tokens = TokenServer::start(Credentials::Form, 0);
    let id = paused(&app, &target.url(), login(&tokens.url()));
    for _ in 0..2 {
        assert_eq!(probe(&app, id)["success"], true);
    }
    assert_eq!(sent_tokens(&target), ["Bearer token-1", "Bearer token-2"]);
    assert_eq!(tokens.requests().len(), 3, "the header is tried once");
}

#[test]
fn a_failed_login_is_a_failure_with_the_name_of_the_endpoint() {
    let (launch, target) = (Launch::new(), Target::healthy());
    let raw = |text: &str| {
        let length = text.len();
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}");
        Target::start(Behaviour::Raw(response.into_bytes()))
    };
    let (text, empty) = (raw("welcome"), raw("{}"));
    let sick = Target::start(Behaviour::Status(503));
    let hung = Target::start(Behaviour::Hung);
    let tokens = TokenServer::start(Credentials::Header, 60);
    let named = |detail: &str, url: &str| format!("the token endpoint {url}: {detail}");
    let closed = "http://127.0.0.1:1/token?key=s3cret".to_owned();
    let shown = "http://127.0.0.1:1/token?key=***";
    for (url, secret, reason, detail) in [
        (closed, "s3cret", "refused", named("connecting to 127.0.0.1:1", shown)),
        (tokens.url(), "wrong", "token", named("401 Unauthorized: invalid_client", &tokens.url())),
        (sick.url(), "s3cret", "token", named("503 Service Unavailable", &sick.url())),
        (text.url(), "s3cret", "token", named("the response has no JSON", &text.url())),
        (empty.url(), "s3cret", "token", named("the response has no access_token", &empty.url())),
        (
            hung.url(),
            "s3cret",
            "timeout",
            format!("still waiting for the response, at the token endpoint {}", hung.url()),
        ),
    ] {
        let mut oauth2 = login(&url);
        oauth2["client_secret"] = json!(secret);
        let timeout = if reason == "timeout" { 1.0 } else { 30.0 };
        let command = launch.probe_command(&target.url()).options(json!({"oauth2": oauth2}));
        let report = command.timeout(timeout).condition("[CONNECTED] == false").run();
        report.assert_failed(reason, &detail);
    }
    assert_eq!(target.request_count(), 0);
}

#[test]
fn the_token_is_sent_to_the_target_alone_and_shown_nowhere() {
    let launch = Launch::new();
    let tokens = TokenServer::start(Credentials::Header, 60);
    let options = json!({"oauth2": login(&tokens.url()), "headers": {"Authorization": "x"}});
    let there = Target::healthy();
    let here = Target::start(Behaviour::RedirectTo(there.url()));
    launch.probe_command(&here.url()).options(options.clone()).run().assert_up();
    assert_eq!(sent_tokens(&here), ["Bearer token-1"]);
    assert_eq!(sent_tokens(&there), [""]);
    let repeats = Peer::tcp(|wire| {
        let head = read_until(wire, b"\r\n\r\n")?;
        let line = head.lines().find(|line| line.starts_with("authorization: ")).unwrap_or("");
        wire.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{line}").as_bytes())?;
        wire.flush()
    });
    let command = launch.probe_command(&repeats.url("http")).options(options);
    let report = command.condition("[BODY] == ok").run();
    let text = report.outcome.to_string();
    assert!(text.contains("authorization: Bearer ***") && !text.contains("token-2"), "{text}");

    let app = launch.start();
    let id = paused(&app, &here.url(), login("http://id:s3cret@127.0.0.1:1/?key=s3cret"));
    let shown = app.service(id)["oauth2"].clone();
    let url = "http://id:***@127.0.0.1:1/?key=***";
    assert_eq!((&shown["token_url"], &shown["client_secret"]), (&json!(url), &json!("***")));
    let elsewhere = json!({"oauth2": {"token_url": "http://127.0.0.1:2/"}});
    let errors = app.rejected("PATCH", &format!("/v1/services/{id}"), &elsewhere);
    assert!(errors.starts_with("oauth2.client_secret: required in clear"), "{errors}");
}
