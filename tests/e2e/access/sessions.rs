//! Sessions of browsers.

use serde_json::{Value, json};

use super::client::Response;
use super::{API_TOKEN, Client};
use crate::support::{Launch, Store, stores};

stores!(a_session_stands_for_its_token_until_either_ends);

fn log_in(client: &Client<'_>, token: &str, headers: &[String]) -> Response {
    let body = json!({"token": token}).to_string();
    client.send("POST", "/v1/session", headers, &body)
}

fn cookie_of(reply: &Response) -> String {
    assert_eq!(reply.status, 201, "{reply:?}");
    format!("Cookie: {}", reply.cookie())
}

fn a_session_stands_for_its_token_until_either_ends(store: Store) {
    let launch = Launch::on(store).with("API_TOKEN", API_TOKEN).with("API_READ", "token");
    let app = launch.start();
    let client = Client(&app);
    let (id, token) = client.create("ann", &["write"], None);
    let reply = log_in(&client, &token, &[]);
    let head = &reply.head;
    for part in ["shc_session=", "; httponly", "; samesite=strict", "; path=/", "; max-age="] {
        assert!(head.contains(part), "{part} in {head}");
    }
    assert!(!head.contains("; secure") && !head.contains("domain="), "{head}");
    let cookie = cookie_of(&reply);
    let who = client.send("GET", "/v1/session", std::slice::from_ref(&cookie), "").json();
    let session = &who["data"]["session"]["data"];
    assert_eq!(session["actor"], "token ann");
    assert!(session["session_expires_at"].is_i64(), "{session}");
    let audit = client.get(API_TOKEN, "/v1/audit?action=session.create");
    let row = &audit.json()["data"]["audit"]["data"][0];
    assert_eq!((&row["actor"], &row["after"]["token_id"]), (&json!("token ann"), &json!(id)));
    assert!(!audit.body.contains(cookie.split('=').nth(1).unwrap()), "{audit:?}");

    // A page of another site has no cookie, since it is strict; should it have one, it is refused.
    let body = json!({"name": "a", "url": "http://127.0.0.1:9/", "enabled": false}).to_string();
    let change = |headers: &[&str]| {
        let headers: Vec<String> =
            headers.iter().map(|header| (*header).to_owned()).chain([cookie.clone()]).collect();
        client.send("POST", "/v1/services", &headers, &body).status
    };
    let own = format!("Origin: http://{}", app.address());
    for (headers, expected) in [
        (&[][..], 403),
        (&["Origin: http://evil.example"], 403),
        (&["Origin: null"], 403),
        (&["Sec-Fetch-Site: cross-site"], 403),
        (&["Sec-Fetch-Site: same-site"], 403),
        (&["Sec-Fetch-Site: none"], 403),
        (&["Sec-Fetch-Site: same-origin", "Origin: http://evil.example"], 403),
        (&[own.as_str()], 201),
        (&["Sec-Fetch-Site: same-origin"], 409),
    ] {
        assert_eq!(change(headers), expected, "{headers:?}");
    }
    let foreign = log_in(&client, &token, &["Origin: http://evil.example".to_owned()]);
    assert_eq!(foreign.status, 403, "another site logs nobody in");
    assert_eq!(log_in(&client, "shc_wrong", &[]).status, 401);

    app.stop();
    let app = launch.start();
    let client = Client(&app);
    assert_eq!(
        client.send("GET", "/v1/services", std::slice::from_ref(&cookie), "").status,
        200,
        "restarted"
    );
    let other = cookie_of(&log_in(&client, &token, &[]));
    let log_out = [other.clone(), "Sec-Fetch-Site: same-origin".to_owned()];
    let ended = client.send("DELETE", "/v1/session", &log_out, "");
    assert_eq!((ended.status, ended.head.contains("max-age=0")), (204, true), "{ended:?}");
    assert_eq!(client.send("GET", "/v1/services", &[other], "").status, 401);
    assert_eq!(client.send("GET", "/v1/services", std::slice::from_ref(&cookie), "").status, 200);
    client.revoke(id);
    assert_eq!(client.send("GET", "/v1/services", &[cookie], "").status, 401, "with its token");
}

#[test]
fn over_tls_the_cookie_is_bound_to_the_host() {
    let app =
        Launch::new().with("API_TOKEN", API_TOKEN).with("API_DOMAIN", "mon.example.org").start();
    let client = Client(&app);
    let proxied = ["Origin: https://mon.example.org".to_owned()];
    let reply = log_in(&client, API_TOKEN, &proxied);
    assert!(reply.head.contains("; secure"), "{reply:?}");
    let cookie = cookie_of(&reply);
    assert!(cookie.starts_with("Cookie: __host-shc_session="), "{cookie}");
    let cookie = cookie.replace("__host-", "__Host-");
    let who = client.send("GET", "/v1/session", &[cookie], "").json();
    assert_eq!(who["data"]["session"]["data"]["actor"], "API_TOKEN");
    let unknown = log_in(&client, API_TOKEN, &["X-Forwarded-Proto: https".to_owned()]);
    assert!(!unknown.head.contains("; secure"), "any client can write it: {unknown:?}");
}

#[test]
fn a_trusted_proxy_says_whether_its_client_uses_tls() {
    let launch = Launch::new().with("API_TOKEN", API_TOKEN);
    let app = launch.with("API_TRUSTED_PROXIES", "127.0.0.0/8").start();
    let client = Client(&app);
    for (proto, is_secure) in [("https", true), ("http", false), ("https, http", false)] {
        let reply = log_in(&client, API_TOKEN, &[format!("X-Forwarded-Proto: {proto}")]);
        assert_eq!(reply.cookie().starts_with("__host-"), is_secure, "{proto}: {reply:?}");
        assert_eq!(reply.head.contains("; secure"), is_secure, "{proto}: {reply:?}");
    }
    let headers = ["X-Forwarded-Proto: https".to_owned()];
    let page = client.send("GET", "/services/new", &headers, "");
    assert_eq!(page.status, 200, "{page:?}");
}

#[test]
fn only_a_token_of_read_alone_keeps_its_session() {
    let app = Launch::new().with("API_TOKEN", API_TOKEN).start();
    let client = Client(&app);
    let keep = |token: &str| {
        let body = json!({"token": token, "keep": true}).to_string();
        client.send("POST", "/v1/session", &[], &body)
    };
    let (_, wall) = client.create("wall", &["read"], None);
    let (_, write) = client.create("write", &["write"], None);
    let kept = keep(&wall);
    let end = |reply: &Response| -> Value {
        reply.json()["data"]["session"]["data"]["session_expires_at"].clone()
    };
    assert_eq!(kept.status, 201, "{kept:?}");
    let usual = end(&log_in(&client, &wall, &[])).as_i64().unwrap();
    assert!(end(&kept).as_i64().unwrap() > usual + 89 * 86_400);
    assert_eq!(keep(&write).status, 422);
    assert_eq!(keep(API_TOKEN).status, 422);
}

#[test]
fn another_api_token_ends_the_sessions_of_the_first() {
    let launch = Launch::new().with("API_TOKEN", API_TOKEN).with("API_READ", "token");
    let app = launch.start();
    let cookie = cookie_of(&log_in(&Client(&app), API_TOKEN, &[]));
    app.stop();
    let read = |launch: &Launch| {
        let app = launch.start();
        let status =
            Client(&app).send("GET", "/v1/services", std::slice::from_ref(&cookie), "").status;
        app.stop();
        status
    };
    assert_eq!(read(&launch), 200);
    assert_eq!(read(&launch.clone().with("API_TOKEN", "another-token-of-the-api")), 401);
}
