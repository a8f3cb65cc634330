//! Every route of the OpenAPI document with every kind of caller.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use service_healthcheck::clock::unix_ms;

use super::{API_TOKEN, Client, client::bearer};
use crate::support::{Launch, wait_for, wait_until};

/// What a route requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// As `Nothing`, but a wrong token is refused.
    Login,
    AnyToken,
    Scope(&'static str),
}

/// What a token of another group receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OtherGroup {
    /// What every token with the scope receives, without the services of the group.
    Filtered,
    /// 404: the service of the path does not exist.
    Hidden,
    /// 403.
    Refused,
}

use Needs::{AnyToken, Login, Nothing, Scope};
use OtherGroup::{Filtered, Hidden, Refused};

const READ: Needs = Scope("read");
const WRITE: Needs = Scope("write");
const ADMIN: Needs = Scope("admin");
const HEARTBEAT: Needs = Scope("heartbeat");

/// Method, path, and what it requires.
type Row = (&'static str, &'static str, Needs, OtherGroup);

/// The API of Prometheus.
const QUERIES: &[Row] = &[
    ("get", "/api/v1/query", READ, Filtered),
    ("post", "/api/v1/query", READ, Filtered),
    ("get", "/api/v1/query_range", READ, Filtered),
    ("post", "/api/v1/query_range", READ, Filtered),
    ("get", "/api/v1/labels", READ, Filtered),
    ("post", "/api/v1/labels", READ, Filtered),
    ("get", "/api/v1/series", READ, Filtered),
    ("post", "/api/v1/series", READ, Filtered),
    ("get", "/api/v1/query_exemplars", READ, Filtered),
    ("post", "/api/v1/query_exemplars", READ, Filtered),
    ("get", "/api/v1/label/{name}/values", READ, Filtered),
    ("get", "/api/v1/metadata", READ, Filtered),
    ("get", "/api/v1/rules", READ, Filtered),
    ("get", "/api/v1/alerts", READ, Filtered),
    ("get", "/api/v1/status/buildinfo", READ, Filtered),
    ("post", "/api/v1/read", READ, Filtered),
];

/// The operations of the OpenAPI document. Independent of the table of the program.
const TABLE: &[Row] = &[
    ("get", "/v1/services", READ, Filtered),
    ("post", "/v1/services", WRITE, Filtered),
    ("get", "/v1/services/{id}", READ, Hidden),
    ("patch", "/v1/services/{id}", WRITE, Hidden),
    ("delete", "/v1/services/{id}", WRITE, Hidden),
    ("get", "/v1/services/{id}/events", READ, Hidden),
    ("get", "/v1/services/{id}/ticks", READ, Hidden),
    ("get", "/v1/services/{id}/series", READ, Hidden),
    ("get", "/v1/services/{id}/uptime", READ, Hidden),
    ("get", "/v1/services/{id}/slo", READ, Hidden),
    ("post", "/v1/services/{id}/probe", Scope("probe"), Hidden),
    ("get", "/v1/services/{id}/heartbeat", HEARTBEAT, Hidden),
    ("post", "/v1/services/{id}/heartbeat", HEARTBEAT, Hidden),
    ("post", "/api/v1/endpoints/{key}/external", HEARTBEAT, Hidden),
    ("get", "/v1/overview", READ, Filtered),
    ("get", "/v1/stream", READ, Filtered),
    ("get", "/v1/uptime", READ, Filtered),
    ("get", "/v1/events", READ, Filtered),
    ("get", "/v1/maintenance", READ, Filtered),
    ("post", "/v1/maintenance", WRITE, Filtered),
    ("get", "/v1/maintenance/{id}", READ, Filtered),
    ("patch", "/v1/maintenance/{id}", WRITE, Filtered),
    ("delete", "/v1/maintenance/{id}", WRITE, Filtered),
    ("get", "/v1/channels", READ, Refused),
    ("post", "/v1/channels", WRITE, Refused),
    ("get", "/v1/channels/{id}", READ, Refused),
    ("patch", "/v1/channels/{id}", WRITE, Refused),
    ("delete", "/v1/channels/{id}", WRITE, Refused),
    ("post", "/v1/channels/{id}/test", WRITE, Refused),
    ("get", "/v1/channel-kinds", READ, Filtered),
    ("get", "/v1/policies", READ, Refused),
    ("post", "/v1/policies", WRITE, Refused),
    ("get", "/v1/policies/{id}", READ, Refused),
    ("patch", "/v1/policies/{id}", WRITE, Refused),
    ("delete", "/v1/policies/{id}", WRITE, Refused),
    ("get", "/v1/silences", READ, Filtered),
    ("post", "/v1/silences", WRITE, Filtered),
    ("get", "/v1/silences/{id}", READ, Filtered),
    ("patch", "/v1/silences/{id}", WRITE, Filtered),
    ("delete", "/v1/silences/{id}", WRITE, Filtered),
    ("get", "/v1/alerts", READ, Filtered),
    ("get", "/v1/alerts/{id}", READ, Filtered),
    ("post", "/v1/alerts/{id}/acknowledge", WRITE, Filtered),
    ("delete", "/v1/alerts/{id}/acknowledge", WRITE, Filtered),
    ("get", "/v1/deliveries", READ, Refused),
    ("post", "/v1/deliveries/{id}/retry", WRITE, Refused),
    ("get", "/v1/audit", ADMIN, Refused),
    ("get", "/v1/tokens", ADMIN, Refused),
    ("post", "/v1/tokens", ADMIN, Refused),
    ("delete", "/v1/tokens/{id}", ADMIN, Refused),
    ("get", "/v1/session", AnyToken, Filtered),
    ("post", "/v1/session", Login, Filtered),
    ("delete", "/v1/session", AnyToken, Filtered),
    ("get", "/v1/_internal/health", Nothing, Filtered),
    ("get", "/v1/_internal/ready", Nothing, Filtered),
    ("get", "/v1/_internal/storage", READ, Refused),
    ("get", "/v1/_internal/instances", READ, Refused),
    ("get", "/metrics", Scope("metrics"), Filtered),
    ("get", "/probe", Scope("probe"), Refused),
    ("get", "/openapi.json", READ, Filtered),
];

/// The scopes that include `needed`.
fn including(needed: &str) -> &'static [&'static str] {
    match needed {
        "metrics" => &["metrics", "read", "write", "admin"],
        "read" => &["read", "write", "admin"],
        "write" => &["write", "admin"],
        "probe" => &["probe", "admin"],
        "heartbeat" => &["heartbeat", "admin"],
        "admin" => &["admin"],
        other => panic!("{other}"),
    }
}

/// A kind of caller.
enum Caller {
    Nobody,
    ApiToken,
    Scoped(&'static str),
    OtherGroup,
    /// Expired, revoked, or never there.
    Wrong(&'static str),
}

/// The right answer.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// Neither 401 nor 403: the handler decides.
    Passes,
    Status(u16),
}

fn expected(caller: &Caller, needs: Needs, group: OtherGroup) -> Answer {
    match (caller, needs) {
        (Caller::Wrong(_), Nothing) | (_, Nothing) => Answer::Passes,
        (Caller::Wrong(_), _) => Answer::Status(401),
        (_, Login) => Answer::Passes,
        (Caller::Nobody, _) => Answer::Status(401),
        (Caller::Scoped(scope), Scope(needed)) if !including(needed).contains(scope) => {
            Answer::Status(403)
        }
        (Caller::OtherGroup, _) => match (needs, group) {
            (Scope("admin"), _) | (_, Refused) => Answer::Status(403),
            (_, Hidden) => Answer::Status(404),
            (_, Filtered) => Answer::Passes,
        },
        _ => Answer::Passes,
    }
}

/// The path of a request that changes nothing when it passes, except for heartbeats.
fn filled(path: &str, is_of_other_group: bool, service: i64, job: i64) -> String {
    let nobody = "999999".to_owned();
    let id = match path {
        path if path.ends_with("/heartbeat") => job.to_string(),
        path if path.starts_with("/v1/services/{id}") && is_of_other_group => service.to_string(),
        _ => nobody,
    };
    let path = path.replace("{id}", &id).replace("{key}", "core_job").replace("{name}", "job");
    if path.ends_with("/external") { format!("{path}?success=true") } else { path }
}

#[test]
fn every_route_answers_every_caller_by_its_scope_and_its_groups() {
    let app = Launch::new().with("API_TOKEN", API_TOKEN).with("API_READ", "token").start();
    let client = Client(&app);
    let service =
        json!({"name": "api", "group": "core", "url": "http://127.0.0.1:9/", "enabled": false});
    let service = client.add(&service);
    let job = json!({
        "name": "job", "group": "core", "url": "push://job", "interval_seconds": 3600,
        "heartbeat": {"token": "token-of-the-job"}
    });
    let job = client.add(&job);

    let text = |(_, text): (i64, String)| text;
    let scoped = ["metrics", "read", "write", "probe", "heartbeat", "admin"]
        .map(|scope| (Caller::Scoped(scope), Some(text(client.create(scope, &[scope], None)))));
    let other = text(client.create("other", &["write", "probe", "heartbeat"], Some(&["web"])));
    let (id, revoked) = client.create("revoked", &["admin"], None);
    client.revoke(id);
    // The time may be over before a slow machine has created the token.
    let expired = wait_for("a token that ends soon", || {
        let soon = unix_ms() / 1_000 + 2;
        let body = json!({"name": "old", "scopes": ["admin"], "expires_at": soon});
        let reply = client.with_token(API_TOKEN, "POST", "/v1/tokens", &body.to_string());
        let text = || reply.json()["data"]["token"]["data"]["text"].as_str().map(str::to_owned);
        (reply.status == 201).then(text).flatten()
    });
    wait_until("the token to expire", || client.get(&expired, "/v1/session").status == 401);
    let unknown = "shc_0123456789abcdefghijABCDEFGHIJ0000000000".to_owned();
    let callers = scoped.into_iter().chain([
        (Caller::Nobody, None),
        (Caller::ApiToken, Some(API_TOKEN.to_owned())),
        (Caller::OtherGroup, Some(other)),
        (Caller::Wrong("expired"), Some(expired)),
        (Caller::Wrong("revoked"), Some(revoked)),
        (Caller::Wrong("unknown"), Some(unknown)),
    ]);

    let document = client.get(API_TOKEN, "/openapi.json").json();
    let operations: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(|method| (method.clone(), path.clone()))
        })
        .collect();
    let all = TABLE.iter().chain(QUERIES);
    let rows: BTreeSet<(String, String)> =
        all.map(|(method, path, ..)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(operations, rows, "every operation of the document has a row, and only those");

    let mut wrong = Vec::new();
    let mut answers = 0;
    for (caller, token) in callers {
        for (method, path, needs, group) in TABLE.iter().chain(QUERIES) {
            let is_other = matches!(caller, Caller::OtherGroup);
            let filled = filled(path, is_other, service, job);
            let method = method.to_uppercase();
            let headers: Vec<String> = token.iter().map(|token| bearer(token)).collect();
            let body = if method == "GET" { "" } else { "{}" };
            let reply = client.send(&method, &filled, &headers, body);
            let right = expected(&caller, *needs, *group);
            let is_right = match right {
                Answer::Passes => ![401, 403, 429].contains(&reply.status),
                Answer::Status(status) => reply.status == status,
            };
            answers += 1;
            if !is_right {
                let who = match &caller {
                    Caller::Nobody => "no token",
                    Caller::ApiToken => "API_TOKEN",
                    Caller::Scoped(scope) => scope,
                    Caller::OtherGroup => "another group",
                    Caller::Wrong(why) => why,
                };
                wrong.push(format!("{method} {path} by {who}: {right:?}, {reply:?}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {answers} answers are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(answers, 12 * (TABLE.len() + QUERIES.len()));
    let path = format!("/v1/services/{service}");
    let kept = client.get(API_TOKEN, &path).json()["data"]["service"]["data"].clone();
    assert_eq!((&kept["name"], &kept["group"]), (&json!("api"), &json!("core")));
    assert_eq!(kept["metric"], Value::Null, "it was never probed");
    assert!(!app.log().contains("shc_"), "no token is in the log");
}
