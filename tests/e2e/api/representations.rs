//! Entity tags, content codings, and CORS.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{App, Launch, Reply};

fn launch() -> Launch {
    Launch::new()
}

/// Adds services that are never probed, so that their list does not change.
fn add_paused(app: &App, count: usize) {
    for nth in 0..count {
        let service = json!({"name": format!("service-{nth}"), "url": "http://127.0.0.1:9/",
            "enabled": false});
        app.add_with(&service);
    }
}

fn get(app: &App, path: &str, headers: &[(&str, &str)]) -> Reply {
    app.request("GET", path, headers, "")
}

#[test]
fn a_client_that_has_an_answer_gets_304_until_it_changes() {
    let app = launch().start();
    add_paused(&app, 3);
    for path in ["/v1/services", "/v1/services/1", "/v1/events", "/v1/_internal/health"] {
        let first = app.get(path);
        let tag = first.header("etag").to_owned();
        assert!(tag.len() == 34 && tag.starts_with('"'), "{path}: a strong tag: {tag}");
        for known in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            let second = get(&app, path, &[("if-none-match", &known)]);
            assert_eq!((second.status, second.text.as_str()), (304, ""), "{path}: {known}");
            assert_eq!(second.header("etag"), tag);
            assert_eq!(second.header("content-type"), "");
        }
        let other = get(&app, path, &[("if-none-match", "\"x\"")]);
        assert_eq!((other.status, &other.text), (200, &first.text), "{path}");
        let head = app.request("HEAD", path, &[("if-none-match", &tag)], "");
        assert_eq!((head.status, head.header("etag")), (304, tag.as_str()), "{path}");
    }
    let tag = app.get("/v1/services").header("etag").to_owned();
    app.change(1, &json!({"group": "core"}));
    let changed = get(&app, "/v1/services", &[("if-none-match", &tag)]);
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), tag);
    // Errors, writes and texts for others have none.
    for reply in [app.get("/v1/services/99"), app.delete("/v1/services/3"), app.get("/metrics")] {
        assert_eq!(reply.header("etag"), "", "{}", reply.text);
    }
    app.stop();
}

/// The body of a response of this coding, from a client that does not unpack.
fn packed(app: &App, path: &str, accepted: &str) -> (String, String, Vec<u8>) {
    let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
    let url = format!("http://{}{path}", app.address());
    let mut response = agent.get(url).header("accept-encoding", accepted).call().unwrap();
    let header = |name: &str| {
        let value = response.headers().get(name);
        value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    };
    let (coding, tag) = (header("content-encoding"), header("etag"));
    assert!(header("vary").contains("accept-encoding"));
    (coding, tag, response.body_mut().read_to_vec().unwrap())
}

#[test]
fn an_answer_is_packed_as_the_client_accepts_and_each_coding_has_its_tag() {
    let app = launch().start();
    add_paused(&app, 60);
    let plain = app.get("/v1/services");
    let tag = plain.header("etag").trim_matches('"').to_owned();
    // Cached, filtered (not cached), and of one record.
    for path in ["/v1/services", "/v1/services?q=service", "/v1/events?limit=5"] {
        let identity = app.get(path).text;
        let is_long = identity.len() > 1_400;
        for (accepted, expected) in
            [("gzip", "gzip"), ("gzip, br, zstd", "zstd"), ("identity", ""), ("br", "")]
        {
            let (coding, _, body) = packed(&app, path, accepted);
            assert_eq!(coding, if is_long { expected } else { "" }, "{path} {accepted}");
            let mut text = String::new();
            match coding.as_str() {
                "gzip" => drop(flate2::read::GzDecoder::new(&*body).read_to_string(&mut text)),
                "zstd" => {
                    let mut decoder = ruzstd::decoding::StreamingDecoder::new(&*body).unwrap();
                    decoder.read_to_string(&mut text).unwrap();
                }
                _ => text = String::from_utf8(body.clone()).unwrap(),
            }
            assert_eq!(text, identity, "{path} {accepted}");
            assert!(coding.is_empty() || body.len() < identity.len() / 4, "{path} {accepted}");
        }
    }
    let (_, gzip, _) = packed(&app, "/v1/services", "gzip");
    assert_eq!(gzip, format!("\"{tag}-gzip\""));
    let headers = [("accept-encoding", "gzip"), ("if-none-match", gzip.as_str())];
    let known = get(&app, "/v1/services", &headers);
    assert_eq!((known.status, known.header("etag")), (304, gzip.as_str()));
    let (coding, _, _) = packed(&app, "/v1/services/1", "gzip");
    assert_eq!(coding, "", "a short answer is not packed");
    app.stop();
}

#[test]
fn pages_of_listed_origins_may_read_and_others_may_not() {
    const TOKEN: &str = "s3cret-s3cret-s3cret";
    let origin = "https://grafana.example.org";
    let app = launch().with("API_CORS_ORIGINS", origin).with("API_TOKEN", TOKEN).start();
    let read = get(&app, "/v1/services", &[("origin", origin)]);
    assert_eq!((read.status, read.header("access-control-allow-origin")), (200, origin));
    assert!(read.header("access-control-expose-headers").to_ascii_lowercase().contains("etag"));
    assert_eq!(read.header("access-control-allow-credentials"), "");
    let vary: Vec<&str> =
        read.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(vary.join(", ").to_ascii_lowercase().contains("origin"), "{vary:?}");
    let other = get(&app, "/v1/services", &[("origin", "https://evil.example")]);
    assert_eq!(other.header("access-control-allow-origin"), "");
    let preflight = |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "PATCH"),
            ("access-control-request-headers", "authorization,content-type"),
        ];
        app.request("OPTIONS", "/v1/services/1", &headers, "")
    };
    let allowed = preflight(origin);
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (200, origin));
    assert!(allowed.header("access-control-allow-methods").contains("PATCH"));
    let allowed_headers = allowed.header("access-control-allow-headers").to_ascii_lowercase();
    assert!(allowed_headers.contains("authorization"), "{allowed_headers}");
    let refused = preflight("https://evil.example");
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (400, ""));
    // With the token in a header, a page of the listed origin may write.
    let authorization = format!("Bearer {TOKEN}");
    let headers = [
        ("origin", origin),
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
    ];
    let body = json!({"name": "a", "url": "http://127.0.0.1:9/", "enabled": false}).to_string();
    let written = app.request("POST", "/v1/services", &headers, &body);
    assert_eq!((written.status, written.header("access-control-allow-origin")), (201, origin));
    let without = [("origin", origin), ("content-type", "application/json")];
    let refused = app.request("POST", "/v1/services", &without, &body);
    assert!([401, 403].contains(&refused.status), "{}", refused.text);
    app.stop();
}

#[test]
fn without_the_setting_no_other_origin_may_read() {
    let app = launch().start();
    let read = get(&app, "/v1/services", &[("origin", "https://grafana.example.org")]);
    assert_eq!((read.status, read.header("access-control-allow-origin")), (200, ""));
    let preflight = [("origin", "https://a.example"), ("access-control-request-method", "GET")];
    assert_eq!(app.request("OPTIONS", "/v1/services", &preflight, "").status, 405);
    assert_eq!(app.get("/v1/services").body["status"], Value::from(200));
    app.stop();
}

/// HTTP/1.0 knows no chunks: the end of the connection is the end of a long answer.
#[test]
fn a_client_of_http_1_0_gets_no_chunks() {
    let app = launch().start();
    for path in [
        "/api/v1/query_range?query=vector(1)&start=0&end=10000&step=1",
        "/api/v1/query?query=1",
        "/v1/services",
    ] {
        let mut socket = TcpStream::connect(app.address()).unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nhost: {}\r\n\r\n", app.address());
        socket.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200") && !head.contains("chunked"), "{path}: {head}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert!(path.starts_with("/v1") || body["status"] == "success", "{path}");
    }
    let mut socket = TcpStream::connect(app.address()).unwrap();
    socket.write_all(b"GET /v1/stream HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n").unwrap();
    let mut first = vec![0; 4096];
    let mut text = String::new();
    while !text.contains("\r\n\r\n") {
        let read = socket.read(&mut first).unwrap();
        assert!(read > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&first[..read]));
    }
    assert!(text.starts_with("HTTP/1.0 200") && !text.contains("chunked"), "{text}");
}
