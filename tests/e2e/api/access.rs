//! Hosts, origins, tokens, and the headers of every response.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::support::{App, Launch, WAIT_LIMIT};

const TOKEN: &str = "token-of-the-api";
const JSON: (&str, &str) = ("content-type", "application/json");

/// Sends a request as it is written; returns the whole response.
fn exchange(app: &App, request: &str) -> String {
    let mut connection = TcpStream::connect(app.address()).unwrap();
    connection.set_read_timeout(Some(WAIT_LIMIT)).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).unwrap();
    response
}

/// The status of a request without a body, with `headers` as they are written.
fn status(app: &App, line: &str, headers: &[String]) -> u16 {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let response = exchange(app, &format!("{line}\r\n{headers}Connection: close\r\n\r\n"));
    response.split(' ').nth(1).unwrap_or_else(|| panic!("{response:?}")).parse().unwrap()
}

fn body(name: &str) -> String {
    json!({"name": name, "url": "http://127.0.0.1:9/", "enabled": false}).to_string()
}

#[test]
fn a_configured_token_is_required_for_writes_only() {
    let app = Launch::new().with("API_TOKEN", TOKEN).start();
    let post = |authorization: &str| {
        let headers = [JSON, ("authorization", authorization)];
        app.request("POST", "/v1/services", &headers, &body("a"))
    };
    let without = app.request("POST", "/v1/services", &[JSON], &body("a"));
    assert_eq!((without.status, without.header("www-authenticate")), (401, "Bearer"));
    assert_eq!(post("Bearer wrong").status, 401);
    assert_eq!(post(&format!("Bearer {TOKEN}")).status, 201);
    assert_eq!(app.delete("/v1/services/1").status, 401);
    assert_eq!(app.get("/v1/services/1").status, 200);
    assert!(!app.log().contains(TOKEN));
}

#[test]
fn without_a_token_writes_are_rejected_on_a_public_address() {
    let open = Launch::new().with("API_HOST", "0.0.0.0").with("API_READ", "open");
    let app = open.start();
    let reply = app.send("POST", "/v1/services", &json!({"name": "a", "url": "http://a/"}));
    assert_eq!((reply.status, reply.errors().contains("API_TOKEN")), (403, true));
    assert_eq!(app.get("/v1/services").status, 200);
    // Probes of a container come to its address, scrapes to a name, which must be configured.
    let ready =
        |host: &str| status(&app, "GET /v1/_internal/ready HTTP/1.1", &[format!("Host: {host}")]);
    app.wait_until_ready();
    assert_eq!((ready("10.1.2.3:9999"), ready("monitor:9999")), (200, 421));
}

#[test]
fn a_rebound_name_and_a_foreign_page_can_neither_read_nor_write() {
    let app = Launch::new().with("API_HOSTS", "monitor,mon.example.org").start();
    let id = app.add_with(&serde_json::from_str(&body("a")).unwrap());
    let own = format!("Host: {}", app.address());
    let evil = "Host: evil.example".to_owned();
    let evil_page = "Origin: http://evil.example".to_owned();
    let probe = format!("POST /v1/services/{id}/probe HTTP/1.1");
    let heartbeat = format!("POST /v1/services/{id}/heartbeat HTTP/1.1");
    let delete = format!("DELETE /v1/services/{id} HTTP/1.1");
    let line = |text: &str| text.to_owned();
    for (request, headers, expected) in [
        // The name of the attacker leads to loopback.
        (line("GET /v1/services HTTP/1.1"), vec![evil.clone()], 421),
        (line("GET /metrics HTTP/1.1"), vec![evil.clone(), evil_page.clone()], 421),
        (line("GET /v1/nothing HTTP/1.1"), vec![evil.clone()], 421),
        (line("OPTIONS /v1/services HTTP/1.1"), vec![evil.clone()], 421),
        (line("POST /v1/services HTTP/1.1"), vec![evil.clone(), evil_page.clone()], 421),
        (delete.clone(), vec![evil.clone(), evil_page.clone()], 421),
        (probe.clone(), vec![evil.clone(), "Authorization: Bearer x".to_owned()], 421),
        (heartbeat.clone(), vec![evil.clone()], 421),
        (line("GET http://evil.example/v1/services HTTP/1.1"), vec![own.clone()], 421),
        (line("GET /v1/services HTTP/1.0"), vec![], 421),
        (line("GET /v1/services HTTP/1.1"), vec![evil.clone(), format!("X-Forwarded-{own}")], 421),
        // A page of another site sends a request to loopback.
        (probe.clone(), vec![own.clone(), evil_page.clone()], 403),
        (probe.clone(), vec![own.clone(), line("Origin: null")], 403),
        (probe.clone(), vec![own.clone(), line("Sec-Fetch-Site: cross-site")], 403),
        (probe.clone(), vec![own.clone(), line("Sec-Fetch-Site: same-site")], 403),
        (heartbeat, vec![own.clone(), evil_page.clone()], 403),
        (delete, vec![own.clone(), evil_page.clone()], 403),
        (line("PUT /v1/nothing HTTP/1.1"), vec![own.clone(), evil_page.clone()], 403),
        // A browser hides what it reads from another site.
        (line("GET /v1/services HTTP/1.1"), vec![own.clone(), evil_page], 200),
        // Names and pages of this service.
        (line("GET /v1/services HTTP/1.1"), vec![line("Host: MONITOR.:1")], 200),
        (line("GET /v1/services HTTP/1.1"), vec![line("Host: a.localhost")], 200),
        (line("GET /v1/services HTTP/1.1"), vec![line("Host: [::1]:9999")], 200),
        (probe, vec![line("Host: mon.example.org"), line("Origin: https://mon.example.org")], 200),
        (
            // A second probe could be 429, while the first one ends.
            line("DELETE /v1/services/999 HTTP/1.1"),
            vec![own, format!("Origin: http://{}", app.address()), line("Sec-Fetch-Site: none")],
            404,
        ),
    ] {
        assert_eq!(status(&app, &request, &headers), expected, "{request} {headers:?}");
    }
    let refused = app.request("GET", "/v1/services", &[("host", "evil.example")], "");
    assert_eq!(refused.status, 421);
    let errors = refused.errors();
    assert!(errors.starts_with("host: invalid value \"evil.example\""), "{errors}");
    assert!(errors.contains("API_HOSTS"), "{errors}");
    assert_eq!(app.names(), ["a"]);
}

#[test]
fn the_right_token_passes_from_any_host_and_page_and_a_wrong_one_is_throttled() {
    let app = Launch::new().with("API_TOKEN", TOKEN).start();
    let post = |name: &str, token: &str, nth: usize| {
        let (authorization, client) = (format!("Bearer {token}"), format!("10.0.0.{nth}"));
        let headers = [
            JSON,
            ("host", "evil.example"),
            ("origin", "http://evil.example"),
            ("authorization", authorization.as_str()),
            ("x-forwarded-for", client.as_str()),
        ];
        app.request("POST", "/v1/services", &headers, &body(name))
    };
    assert_eq!(post("a", TOKEN, 0).status, 201);
    // Nine are refused at once, and ten a minute; a slow machine needs a few more to exceed that.
    let throttled =
        (1..200).map(|nth| post("b", "wrong", nth)).find(|it| it.status != 401).unwrap();
    assert_eq!(throttled.status, 429, "{}", throttled.text);
    assert!((1..=6).contains(&throttled.header("retry-after").parse::<u64>().unwrap()));
    assert_eq!(post("b", TOKEN, 1).status, 201, "the right one passes from the same address");
    assert_eq!(app.names(), ["a", "b"]);
    let metric = "service_healthcheck_auth_failures_total{reason=\"unknown\"}";
    assert!(app.metric(metric).unwrap() >= 10.0, "{metric}");
}

#[test]
fn short_and_empty_tokens_are_refused() {
    let (code, output) = Launch::new().with("API_TOKEN", "only-15-letters").run_to_end();
    assert_eq!(code, Some(2), "{output}");
    assert!(output.contains("API_TOKEN: invalid value, expected at least 16"), "{output}");

    let push = |token: &str| {
        format!(
            "endpoints:\n  - {{name: job, url: 'push://job', heartbeat: {{token: '{token}'}}}}\n"
        )
    };
    let launch = Launch::new().with_services_file(&push("${EMPTY}"));
    launch.write_file(".env", "EMPTY=\n");
    let (code, output) = launch.run_to_end();
    assert_eq!(code, Some(2), "{output}");
    assert!(output.contains("EMPTY: environment variable not set"), "{output}");

    let (code, output) = Launch::new().with_services_file(&push("")).run_to_end();
    assert_eq!(code, Some(2), "{output}");
    assert!(output.contains("token: invalid value, expected a text that is not empty"), "{output}");

    let app = Launch::new().with_services_file(&push("short")).start();
    app.wait_for_log("heartbeat tokens are shorter than 16 characters");
    let beat =
        |query: &str| app.request("POST", &format!("/v1/services/1/heartbeat{query}"), &[], "");
    assert_eq!(beat("").status, 401);
    assert_eq!(beat("?token=").status, 401);
    assert_eq!(beat("?token=short").status, 200, "tokens of the file work as before");
    let job = |token: &str| json!({"name": "b", "url": "push://b", "heartbeat": {"token": token}});
    let errors = app.rejected("POST", "/v1/services", &job("only-15-letters"));
    assert_eq!(errors, "heartbeat.token: invalid value, expected at least 16 characters");
    let errors = app.rejected("POST", "/v1/services", &job(""));
    assert_eq!(errors, "heartbeat.token: invalid value, expected a text that is not empty");
    let id = app.add_with(&job("a token of 16 ch"));
    let change = json!({"heartbeat": {"token": "short"}});
    let errors = app.rejected("PATCH", &format!("/v1/services/{id}"), &change);
    assert_eq!(errors, "heartbeat.token: invalid value, expected at least 16 characters");
}

#[test]
fn every_response_has_the_headers_for_browsers_and_allows_no_other_origin() {
    let app = Launch::new().start();
    let document = app.get("/openapi.json").body;
    let paths: Vec<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert!(paths.len() > 10, "{paths:?}");
    let paths = paths.into_iter().chain(["/nothing", "/v1/nothing"]);
    for path in paths.map(|path| path.replace("{id}", "1")) {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
            if path == "/v1/stream" && method == "GET" {
                // It does not end; HEAD has its headers.
                continue;
            }
            for host in [app.address(), "evil.example"] {
                let headers = [
                    ("host", host),
                    ("origin", "http://evil.example"),
                    ("access-control-request-method", "POST"),
                ];
                let reply = app.request(method, &path, &headers, "");
                let about = format!("{method} {path} at {host}: {}", reply.status);
                for (name, value) in [
                    ("x-content-type-options", "nosniff"),
                    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
                    ("referrer-policy", "no-referrer"),
                    ("cache-control", "no-store"),
                    ("cross-origin-resource-policy", "same-origin"),
                ] {
                    assert_eq!(reply.header(name), value, "{name}: {about}");
                }
                let mut names = reply.headers.keys().map(|name| name.as_str());
                assert!(!names.any(|name| name.starts_with("access-control-")), "{about}");
                if reply.status >= 400 && method != "HEAD" {
                    // The envelope of queries is that of Prometheus.
                    let has_error =
                        !reply.body["errors"].is_null() || reply.body["error"].is_string();
                    assert!(has_error, "{about}");
                }
            }
        }
    }
}
