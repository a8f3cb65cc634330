//! The life of a token.

use serde_json::json;

use super::{API_TOKEN, Client};
use crate::support::{Launch, Store, stores, wait_for, wait_until};

stores!(a_token_holds_until_it_is_revoked_also_after_a_restart);

fn a_token_holds_until_it_is_revoked_also_after_a_restart(store: Store) {
    let launch = Launch::on(store).with("API_TOKEN", API_TOKEN);
    let app = launch.start();
    let client = Client(&app);
    let (id, token) = client.create("deploy", &["write"], None);
    assert_eq!((token.len(), &token[..4]), (40, "shc_"));
    let body = json!({"name": "a", "url": "http://127.0.0.1:9/", "enabled": false}).to_string();
    assert_eq!(client.with_token(&token, "POST", "/v1/services", &body).status, 201);
    let basic = base64_of(&format!("anyone:{token}"));
    let reply = client.send("GET", "/v1/session", &[format!("Authorization: Basic {basic}")], "");
    let session = reply.json()["data"]["session"]["data"].clone();
    assert_eq!(session["actor"], "token deploy");
    assert_eq!(session["scopes"], json!(["metrics", "read", "write"]));

    let listed = client.get(API_TOKEN, "/v1/tokens");
    assert!(!listed.body.contains(&token[8..]), "a list shows no token");
    let listed = &listed.json()["data"]["tokens"]["data"][0];
    assert_eq!((&listed["shown"], &listed["state"]), (&json!(token[..8]), &json!("active")));
    assert_eq!(listed["created_by"], "API_TOKEN");
    wait_until("its use to be stored", || {
        let reply = client.get(API_TOKEN, "/v1/tokens").json();
        reply["data"]["tokens"]["data"][0]["last_used_at"].is_i64()
    });
    let again = json!({"name": "deploy", "scopes": ["read"]}).to_string();
    assert_eq!(client.with_token(API_TOKEN, "POST", "/v1/tokens", &again).status, 409);
    let bad = json!({"name": "b", "scopes": ["admin"], "groups": ["core"]}).to_string();
    let refused = client.with_token(API_TOKEN, "POST", "/v1/tokens", &bad);
    assert_eq!((refused.status, refused.body.contains("groups: ")), (422, true), "{refused:?}");
    app.stop();

    let app = launch.start();
    let client = Client(&app);
    assert_eq!(client.get(&token, "/v1/session").status, 200, "it is loaded");
    client.revoke(id);
    let reply = client.get(&token, "/v1/services");
    assert_eq!((reply.status, reply.body.contains("the token was revoked")), (401, true));
    let path = format!("/v1/tokens/{id}");
    assert_eq!(client.with_token(API_TOKEN, "DELETE", &path, "").status, 404, "once");
    assert_ne!(client.create("deploy", &["read"], None).0, id, "the name is free again");
    app.stop();

    let app = launch.start();
    assert_eq!(Client(&app).get(&token, "/v1/services").status, 401, "it stays revoked");
    if store == Store::Sqlite {
        let file = std::fs::read(launch.folder().join("db.db")).unwrap();
        let holds = |text: &str| file.windows(text.len()).any(|bytes| bytes == text.as_bytes());
        assert!(holds(&token[..8]) && !holds(&token), "a copy of the store has no token in it");
    }
}

#[test]
fn a_right_token_passes_while_wrong_ones_of_its_address_are_throttled() {
    let app = Launch::new().with("API_TOKEN", API_TOKEN).start();
    let (_, token) = Client(&app).create("a", &["read"], None);
    let get = |token: &str| {
        let authorization = format!("Bearer {token}");
        app.request("GET", "/v1/session", &[("authorization", &authorization)], "")
    };
    let wrong = format!("{}0", &token[..39]);
    let wrong = if wrong == token { format!("{}1", &token[..39]) } else { wrong };
    let first = get(&wrong);
    assert_eq!((first.status, first.header("www-authenticate")), (401, "Bearer"));
    let throttled =
        wait_for("too many wrong tokens", || Some(get(&wrong)).filter(|reply| reply.status == 429));
    assert!((1..=6).contains(&throttled.header("retry-after").parse::<u64>().unwrap()));
    assert_eq!(get(&token).status, 200);
    let metric = "service_healthcheck_auth_failures_total{reason=\"unknown\"}";
    assert!(app.metric(metric).unwrap() >= 10.0);
    let read_only = app.request(
        "POST",
        "/v1/services",
        &[("authorization", &format!("Bearer {token}")), ("content-type", "application/json")],
        "{}",
    );
    assert_eq!(read_only.status, 403, "{}", read_only.text);
    assert!(read_only.errors().contains("the scope write, which token a lacks"));
    assert_eq!(app.metric("service_healthcheck_auth_failures_total{reason=\"scope\"}"), Some(1.0));
}

fn base64_of(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}
