//! Pages over HTTP, without a browser: what a form does, and what stands in the markup.

use serde_json::json;

use crate::support::{App, Launch, Reply, Target, wait_until};

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

/// Sends a form as a browser does, and follows to the page that it leads to.
fn submit(app: &App, path: &str, fields: &[(&str, &str)]) -> Reply {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    app.request("POST", path, &FORM, &body)
}

fn has(page: &Reply, parts: &[&str]) {
    for part in parts {
        assert!(page.text.contains(part), "{part:?} is not in {} {}", page.status, page.text);
    }
}

#[test]
fn the_first_service_is_added_by_a_form_without_scripts() {
    let app = Launch::new().start();
    let target = Target::healthy();
    let empty = app.get("/");
    assert_eq!((empty.status, empty.header("content-type")), (200, "text/html; charset=utf-8"));
    has(
        &empty,
        &["Add your first service", "action=\"/services/new\"", "SERVICES_FILE", "curl http"],
    );
    let fields = [("name", "pay"), ("url", &target.url()), ("enabled", "true")];
    let page = submit(&app, "/services/new", &fields);
    has(&page, &["<h1>pay</h1>", "The service was added"]);
    app.wait_for_state(1, "up");
    has(&app.get("/"), &["1 service is up", "data-id=\"1\"", "data-state=\"up\""]);
    has(&app.get("/services/1"), &["Up for ", "data-days=", "Newest checks", "Pause"]);
}

#[test]
fn a_refused_form_has_each_error_beside_its_field_and_keeps_what_was_entered() {
    let app = Launch::new().start();
    let fields = [("name", "a"), ("url", "htp://a"), ("interval_seconds", "0.01")];
    let page = submit(&app, "/services/new", &fields);
    assert_eq!(page.status, 422);
    has(
        &page,
        &[
            "value=\"htp://a\"",
            "url: invalid value",
            "interval_seconds: invalid value 0.01",
            "aria-invalid=\"true\" aria-describedby=\"h-url\"",
            "The same by the API",
        ],
    );
    assert_eq!(app.names(), Vec::<String>::new());
    app.add_with(&json!({"name": "taken", "url": "http://127.0.0.1:9/", "enabled": false}));
    let taken = submit(&app, "/services/new", &[("name", "taken"), ("url", "http://a/")]);
    assert_eq!(taken.status, 422);
    has(&taken, &["name: "]);
}

#[test]
fn a_service_is_changed_paused_resumed_probed_and_deleted_by_its_page() {
    let app = Launch::new().start();
    let target = Target::healthy();
    let service = json!({"name": "pay", "url": target.url(), "enabled": false, "group": "core",
        "headers": {"Authorization": "Bearer secret-of-pay", "A": "b"}});
    let id = app.add_with(&service);
    let edit = app.get("/services/1/edit");
    has(&edit, &["value=\"pay\"", "Authorization: ***", "value=\"core\""]);
    let headers = "A: c\nAuthorization: ***";
    let fields = [("name", "pay"), ("url", &*target.url()), ("headers", headers), ("group", "")];
    has(&submit(&app, "/services/1/edit", &fields), &["<h1>pay</h1>", "The change holds"]);
    let changed = app.service(id);
    assert_eq!((&changed["group"], &changed["headers"]["A"]), (&json!(null), &json!("c")));
    assert_eq!(changed["headers"]["Authorization"], "***");
    has(&submit(&app, "/services/1/resume", &[]), &["is probed again", "Pause"]);
    app.wait_for_state(id, "up");
    // A probe that is still running refuses another one.
    wait_until("a probe by the page", || {
        submit(&app, "/services/1/probe", &[]).text.contains("Newest checks")
    });
    has(&submit(&app, "/services/1/pause", &[]), &["The service is paused.", "Resume"]);
    assert!(target.last_head().contains("secret-of-pay"), "the stored secret is sent");
    has(&submit(&app, "/services/1/delete", &[]), &["Deleted.", "No service yet"]);
    assert_eq!(app.get("/v1/services/1").status, 404);
    assert_eq!(app.get("/services/1").status, 404);
}

#[test]
fn a_search_keeps_its_filters_in_the_address() {
    let app = Launch::new().start();
    for nth in 0..60 {
        let group = if nth % 2 == 0 { "even" } else { "odd" };
        app.add_with(&json!({"name": format!("s-{nth:02}"), "url": "http://127.0.0.1:9/",
            "group": group, "enabled": nth == 7}));
    }
    app.wait_for_state(8, "down");
    let all = app.get("/services");
    has(&all, &["1 to 50 of 60", "rel=\"next\" href=\"/services?page=2\"", "id=\"s8\""]);
    let first = all.text.split("<tbody>").nth(1).unwrap();
    assert!(first.starts_with("<tr id=\"s8\""), "trouble is first");
    has(&app.get("/services?q=S-1&sort=name"), &["value=\"S-1\"", "1 to 10 of 10", "s-19"]);
    has(&app.get("/services?group=odd&state=paused"), &["1 to 29 of 29", "s-01"]);
    has(&app.get("/services?state=down&reason=refused"), &["1 to 1 of 1", "s-07"]);
    has(&app.get("/services?page=9&group=even"), &["No service matches"]);
    let odd = app.get("/services?group=odd&state=paused&page=x&sort=nothing&reason=nothing");
    has(&odd, &["1 to 29 of 29"]);
}

#[test]
fn pages_have_a_strict_policy_and_nothing_of_another_host() {
    let app = Launch::new().start();
    let paths = [
        "/",
        "/services",
        "/services/new",
        "/events",
        "/alerts",
        "/channels",
        "/channels/new?kind=slack",
        "/maintenance",
        "/instances",
        "/wall",
    ];
    for path in paths {
        let page = app.get(path);
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        let policy = page.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "trusted-types rows",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert_eq!(page.header("referrer-policy"), "same-origin");
        assert_eq!(page.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(page.header("x-robots-tag"), "noindex");
        assert_eq!(page.header("cache-control"), "no-store");
        for inline in [" style=", "<style", " onclick", "src=\"http", "href=\"http"] {
            assert!(!page.text.contains(inline), "{path}: {inline}");
        }
        let scripts = page.text.matches("<script").count();
        assert_eq!(scripts, page.text.matches("<script type=\"module\" src=\"/assets/").count());
    }
    let page = app.get("/").text;
    for link in page.split('"').filter(|text| text.starts_with("/assets/")) {
        let asset = app.get(link.split('#').next().unwrap());
        assert_eq!(asset.status, 200, "{link}");
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
    }
    assert_eq!(app.get("/assets/app.css").status, 404);
    assert_eq!(app.get("/nothing").errors(), "record not found");
}

#[test]
fn names_of_services_are_never_markup() {
    let app = Launch::new().start();
    let hostile = "<script>alert(1)</script>\"'><img src=x>";
    app.add_with(&json!({"name": hostile, "url": "http://127.0.0.1:9/?q=<b>", "group": "<i>a",
        "labels": {"a": "<u>"}}));
    app.wait_for_state(1, "down");
    for path in [
        "/",
        "/services",
        "/services/1",
        "/services/1/edit",
        "/events",
        "/instances",
        "/wall",
        "/alerts?service=1",
        "/services?q=%3Cscript%3E%22&group=%3Ci%3Ea",
    ] {
        let page = app.get(path);
        assert_eq!(page.status, 200, "{path}");
        for text in ["<script>", "<img", "<i>", "<u>"] {
            assert!(!page.text.contains(text), "{path}: {text}");
        }
    }
}

#[test]
fn another_origin_cannot_use_the_forms() {
    let app = Launch::new().start();
    let headers = [FORM[0], ("origin", "http://evil.example")];
    let reply = app.request("POST", "/services/new", &headers, "name=a&url=http://a/");
    assert_eq!(reply.status, 403);
    assert!(reply.text.contains("<h1>Forbidden</h1>"), "{}", reply.text);
    let json = [("content-type", "application/json")];
    assert_eq!(app.request("POST", "/services/new", &json, "{}").status, 415);
    assert_eq!(app.names(), Vec::<String>::new());
    let foreign = app.request("GET", "/", &[("host", "evil.example")], "");
    assert_eq!(foreign.status, 421);
    assert!(foreign.text.contains("API_HOSTS"), "{}", foreign.text);
}

#[test]
fn maintenance_silences_and_channels_are_made_by_forms() {
    let app = Launch::new().start();
    has(&app.get("/channels"), &["No channel yet", "/v1/channels"]);
    let refused = submit(&app, "/channels/new", &[("kind", "webhook"), ("name", "ops")]);
    assert_eq!(refused.status, 422);
    has(&refused, &["keys.url"]);
    let fields = [("kind", "webhook"), ("name", "ops"), ("keys.url", "http://127.0.0.1:9/")];
    has(&submit(&app, "/channels/new", &fields), &["ops", "Send a test", "The channel was added"]);
    has(&submit(&app, "/channels/1/test", &[]), &["ops: the test message was not delivered"]);
    has(&submit(&app, "/channels/1/delete", &[]), &["Deleted.", "No channel yet"]);
    let silence = [("match.name", "db-*"), ("length", "4h"), ("by", "ann"), ("note", "work")];
    has(&submit(&app, "/silences", &silence), &["services db-*", "ann: work"]);
    let empty = submit(&app, "/silences", &[("length", "4h")]);
    assert_eq!(empty.status, 422);
    has(&empty, &["match: expected at least one entry"]);
    assert!(!submit(&app, "/silences/1/delete", &[]).text.contains("services db-*"));
    let plan = [("note", "upgrade"), ("start", "23:00"), ("duration", "1h"), ("every", "Sunday")];
    has(&submit(&app, "/maintenance", &plan), &["upgrade", "Sunday at 23:00 for 1h"]);
    let bad = submit(&app, "/maintenance", &[("start", "25:00"), ("duration", "1h")]);
    assert_eq!(bad.status, 422);
    has(&bad, &["start: invalid value"]);
    has(&submit(&app, "/maintenance/1/delete", &[]), &["No maintenance is planned"]);
}

#[test]
fn an_alert_is_acknowledged_by_its_page() {
    let app = Launch::new().start();
    let channel = json!({"name": "ops", "kind": "webhook", "keys": {"url": "http://127.0.0.1:9/"}});
    assert_eq!(app.send("POST", "/v1/channels", &channel).status, 201);
    app.add_with(&json!({"name": "pay", "url": "http://127.0.0.1:9/", "interval_seconds": 0.1,
        "alerts": [{"channel": "ops", "failure_threshold": 1, "success_threshold": 1}]}));
    let alerts = || app.get("/alerts");
    wait_until("the alert is on its page", || alerts().text.contains("id=\"a1\""));
    let form = [("by", "ann"), ("note", "on it")];
    has(&submit(&app, "/alerts/1/acknowledge", &form), &["acknowledged: ann: on it", "Take back"]);
    has(&submit(&app, "/alerts/1/unacknowledge", &[]), &["Acknowledge pay"]);
    has(&app.get("/services/1"), &["href=\"/alerts#a1\""]);
}

/// A request whose redirection is not followed.
fn request_once(
    app: &App,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .build()
        .into();
    let url = format!("http://{}{path}", app.address());
    let mut request = http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = agent.run(request.body(body.to_owned()).unwrap()).unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    Reply {
        status: response.status().as_u16(),
        body: serde_json::Value::Null,
        headers: response.headers().clone(),
        text,
    }
}

#[test]
fn a_session_by_the_form_reads_and_changes_until_it_is_signed_out() {
    const TOKEN: &str = "0123456789abcdef";
    let app = Launch::new().with("API_TOKEN", TOKEN).with("API_READ", "token").start();
    let refused = request_once(&app, "GET", "/services?q=a", &[], "");
    let to_login = (303, "/login?back=%2Fservices%3Fq%3Da");
    assert_eq!((refused.status, refused.header("location")), to_login);
    has(
        &app.get("/services?q=a"),
        &["<h1 id=\"login-title\">Sign in</h1>", "value=\"/services?q=a\""],
    );
    let wrong = submit(&app, "/login", &[("token", "wrong"), ("back", "/")]);
    assert_eq!(wrong.status, 401);
    has(&wrong, &["token: unknown, expired or revoked", "type=\"password\""]);
    assert!(!wrong.text.contains("wrong\""), "the token is not shown again");
    let form = format!("token={TOKEN}&back=//evil.example/");
    let begun = request_once(&app, "POST", "/login", &FORM, &form);
    assert_eq!((begun.status, begun.header("location")), (303, "/"));
    let cookie = begun.header("set-cookie").split(';').next().unwrap().to_owned();
    assert!(begun.header("set-cookie").contains("HttpOnly; SameSite=Strict"), "{cookie}");
    let own = format!("http://{}", app.address());
    let session = [("cookie", cookie.as_str()), ("origin", own.as_str()), FORM[0]];
    let page = app.request("GET", "/", &session[..1], "");
    has(&page, &["Add your first service", "action=\"/services/new\"", "Sign out"]);
    let fields = "name=pay&url=http://127.0.0.1:9/";
    let foreign = [session[0], ("origin", "http://evil.example"), FORM[0]];
    assert_eq!(request_once(&app, "POST", "/services/new", &foreign, fields).status, 403);
    assert_eq!(request_once(&app, "POST", "/services/new", &session, fields).status, 303);
    let ended = request_once(&app, "POST", "/logout", &session, "");
    assert_eq!((ended.status, ended.header("location")), (303, "/login"));
    assert_eq!(request_once(&app, "GET", "/", &session[..1], "").status, 303);
}
