//! The OpenAPI document and the program accept the same values.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::support::schema::{fits, values, visit_integers};
use crate::support::{App, Launch};

/// A complete body for a service in which `field` may stand, without it.
fn body_for(field: &str, name: usize) -> Value {
    let url = match field {
        "dns" => "dns://127.0.0.1",
        "heartbeat" => "push://job",
        "grpc_service" => "grpc://127.0.0.1:9",
        "expect" => "tcp://127.0.0.1:9",
        "args" => "exec://plugin",
        _ => "http://127.0.0.1:9/",
    };
    json!({"name": format!("service {name}"), "url": url, "enabled": false})
}

/// The object in which an inner field stands, with the other fields that it requires.
fn object_for(field: &str) -> Map<String, Value> {
    let object = match field {
        "basic_auth" => json!({"username": "name", "password": "word"}),
        "dns" => json!({"query_name": "example.org", "query_type": "A"}),
        "heartbeat" => json!({"token": "0123456789abcdef"}),
        "oauth2" => json!({
            "token_url": "https://127.0.0.1:9/", "client_id": "id", "client_secret": "word"
        }),
        "slo" => json!({"target": 99.0}),
        "degraded" => json!({"response_time_seconds": 1.0}),
        "alerts" => json!({"channel": "ops"}),
        "header_matches" | "header_lacks" => json!({"name": "Server", "regex": "x"}),
        _ => json!({}),
    };
    object.as_object().unwrap().clone()
}

/// Lists of objects.
const LISTS: [&str; 3] = ["alerts", "header_matches", "header_lacks"];

/// Fields with a syntax of their own: the schema allows texts that the program rejects.
const SYNTAX: [&str; 15] = [
    "alerts.channel",
    "name",
    "url",
    "conditions",
    "method",
    "proxy_url",
    "oauth2.token_url",
    "resolver",
    "headers",
    "slo.window",
    "dns.query_name",
    "dns.query_type",
    "tls.ca",
    "tls.certificate",
    "tls.private_key",
];

#[test]
fn the_program_accepts_the_bodies_that_the_document_describes() {
    let launch = Launch::new().with_plugin("plugin", "exit 0");
    let app = launch.with("API_BODY_LIMIT_BYTES", 1 << 20).start();
    let ops = json!({"name": "ops", "kind": "webhook", "keys": {"url": "http://127.0.0.1:9/"}});
    assert_eq!(app.send("POST", "/v1/channels", &ops).status, 201);
    let schemas = app.get("/openapi.json").body["components"]["schemas"].clone();
    let (mut count, mut problems) = (0, Vec::new());
    let mut check = |field: &str, inner: Option<&str>, schema: &Value| {
        for value in values(schema) {
            count += 1;
            let mut body = body_for(field, count);
            let path = inner.map_or(field.to_owned(), |inner| format!("{field}.{inner}"));
            match inner {
                Some(inner) => {
                    let mut object = object_for(field);
                    object.insert(inner.to_owned(), value.clone());
                    let object = Value::Object(object);
                    body[field] = if LISTS.contains(&field) { json!([object]) } else { object };
                }
                None => body[field] = value.clone(),
            }
            let reply = app.send("POST", "/v1/services", &body);
            let accepted = reply.status == 201;
            assert!(accepted || [409, 422].contains(&reply.status), "{body}: {}", reply.text);
            let has_syntax = SYNTAX.contains(&path.as_str()) && value.is_string()
                || value.is_array() && field == "conditions";
            // Absent, which other fields of its object may not allow.
            let is_absent = inner.is_some() && value.is_null();
            let fits = fits(schema, &value);
            if accepted && !fits || !accepted && fits && !has_syntax && !is_absent {
                let shown: String = value.to_string().chars().take(60).collect();
                problems.push(format!("{path}: {shown}: {}", reply.status));
            }
        }
    };
    for (field, schema) in schemas["NewService"]["properties"].as_object().unwrap() {
        let Some(either) = schema["oneOf"].as_array() else {
            check(field, None, schema);
            for (inner, schema) in schema["items"]["properties"].as_object().into_iter().flatten() {
                check(field, Some(inner), schema);
            }
            continue;
        };
        let name = either.iter().find_map(|one| one["$ref"].as_str()).unwrap();
        let object = &schemas[name.rsplit('/').next().unwrap()];
        for (inner, schema) in object["properties"].as_object().unwrap() {
            check(field, Some(inner), schema);
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count > 300, "{count}");
}

/// Query parameters of `GET path`: names and schemas.
fn parameters<'d>(document: &'d Value, path: &str) -> Vec<(&'d str, &'d Value)> {
    let all = document["paths"][path]["get"]["parameters"].as_array();
    let query = all.into_iter().flatten().filter(|parameter| parameter["in"] == "query");
    query.map(|it| (it["name"].as_str().unwrap(), &it["schema"])).collect()
}

/// The value that a client has written as `text` for a parameter of this schema. Integers have 64
/// bits and are written in digits.
fn parsed(schema: &Value, text: &str) -> Value {
    let number = text.parse::<i64>().ok();
    let number = number.filter(|it| schema["type"] == "integer" && it.to_string() == text);
    number.map_or(json!(text), |number| json!(number))
}

/// Moments and durations, which must match the patterns of the document if they are accepted.
const TEXTS: [&str; 38] = [
    "0",
    "5",
    "5.",
    ".5",
    "1.2.3",
    "-1",
    "+1",
    " 1",
    "1e9",
    "now",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1795413000",
    "1795413000.25",
    "2026-11-23T05:50:00Z",
    "2026-11-23 05:50:00z",
    "2026-11-23t05:50:00.123456789Z",
    "2026-11-23T05:50:00+01:00",
    "2026-11-23T05:50:00 01:00",
    "2026-11-23T05:50:00-01:00",
    "2026-11-23T05:50:00",
    "2026-11-23",
    "2026-11-23T05:50:00+0100",
    "24h",
    "1y",
    "1d12h",
    "1w",
    "0.5h",
    "1.h",
    ".5h",
    "300ms",
    "1d1d",
    "h",
    "up",
];

#[test]
fn the_program_accepts_the_parameters_that_the_document_describes() {
    let app = Launch::new().start();
    app.add_with(&json!({"name": "a", "url": "http://a/", "enabled": false, "slo": {"target": 9}}));
    let document = app.get("/openapi.json").body;
    let mut problems = Vec::new();
    // A heartbeat ignores unknown parameters, and so does a probe of a target; queries have a test
    // of their own.
    let paths = document["paths"].as_object().unwrap().keys();
    let paths = paths.filter(|path| !path.ends_with("/heartbeat") && *path != "/probe");
    for path in paths.filter(|path| !path.starts_with("/api/v1/")) {
        let parameters = parameters(&document, path);
        let url = path.replace("{id}", "1");
        if path != "/metrics" && document["paths"][path]["get"].is_object() {
            assert_same_names(&app, &url, &parameters);
        }
        for (name, schema) in parameters {
            let words = schema["enum"].as_array().into_iter().flatten();
            let mut texts: BTreeSet<String> = words.map(|it| it.as_str().unwrap().into()).collect();
            texts.extend(TEXTS.map(str::to_owned));
            texts.extend(["".to_owned(), "x".repeat(2_083), "x".repeat(2_084)]);
            for bound in ["minimum", "maximum"].iter().filter_map(|key| schema[*key].as_i64()) {
                texts.extend([bound - 1, bound, bound + 1].map(|number| number.to_string()));
            }
            for text in texts {
                let encoded: String =
                    url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
                let is_for_uptimes = ["unknown", "planned"].contains(&name);
                let of =
                    if is_for_uptimes && path.ends_with("/series") { "of=uptime&" } else { "" };
                // A stream does not end.
                let method = if path == "/v1/stream" { "HEAD" } else { "GET" };
                let url = format!("{url}?{of}{name}={encoded}");
                let reply = app.request(method, &url, &[], "");
                let accepted = reply.status != 400;
                assert!([200, 400, 404].contains(&reply.status), "{name}={text}: {}", reply.text);
                let fits = fits(schema, &parsed(schema, &text));
                // A pattern allows an impossible time; other bounds follow from now.
                let is_exact = schema["pattern"].is_null();
                if accepted && !fits || !accepted && fits && is_exact {
                    problems.push(format!("{path}?{name}={text:.40}: {}", reply.status));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Path, parameters that are valid together, and an invalid value of each parameter; `None` where
/// every text is valid.
type QueryRow = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, Option<&'static str>)],
);

const SELECTION: &[(&str, Option<&str>)] =
    &[("match[]", Some("1")), ("start", Some("x")), ("end", Some("x")), ("limit", Some("-1"))];

const QUERIES: &[QueryRow] = &[
    (
        "/api/v1/query",
        &[("query", "1"), ("time", "4"), ("timeout", "1s"), ("lookback_delta", "60")],
        &[
            ("query", Some("1 +")),
            ("time", Some("x")),
            ("timeout", Some("x")),
            ("lookback_delta", Some("0")),
            ("limit", Some("x")),
        ],
    ),
    (
        "/api/v1/query_range",
        &[("query", "1"), ("start", "1"), ("end", "2026-11-23T05:50:00Z"), ("step", "20w")],
        &[
            ("query", Some("1 +")),
            ("start", Some("x")),
            ("end", Some("0")),
            ("step", Some("0")),
            ("timeout", Some("x")),
            ("lookback_delta", Some("0")),
            ("limit", Some("x")),
        ],
    ),
    ("/api/v1/labels", &[("match[]", "a"), ("start", "1"), ("end", "2")], SELECTION),
    ("/api/v1/label/{name}/values", &[("match[]", "a"), ("limit", "0")], SELECTION),
    ("/api/v1/series", &[("match[]", "a"), ("limit", "3")], SELECTION),
    (
        "/api/v1/metadata",
        &[("metric", "probe_success"), ("limit_per_metric", "-1")],
        &[("metric", None), ("limit", Some("x")), ("limit_per_metric", Some("x"))],
    ),
    ("/api/v1/query_exemplars", &[], &[]),
    ("/api/v1/rules", &[], &[]),
    ("/api/v1/alerts", &[], &[]),
    ("/api/v1/status/buildinfo", &[], &[]),
];

#[test]
fn queries_have_the_parameters_and_the_answers_that_the_document_describes() {
    let app = Launch::new().start();
    let document = app.get("/openapi.json").body;
    let paths = document["paths"].as_object().unwrap();
    let gets =
        paths.iter().filter(|(path, item)| path.starts_with("/api/v1/") && item["get"].is_object());
    let described: BTreeSet<&str> = gets.map(|(path, _)| path.as_str()).collect();
    let tested: BTreeSet<&str> = QUERIES.iter().map(|(path, ..)| *path).collect();
    assert_eq!(described, tested);
    let answer = &document["components"]["schemas"]["QueryAnswer_QueryData"]["properties"];
    for (path, valid, invalid) in QUERIES {
        let names: BTreeSet<&str> =
            parameters(&document, path).iter().map(|(name, _)| *name).collect();
        assert_eq!(names, invalid.iter().map(|(name, _)| *name).collect(), "{path}");
        let has_post = paths[*path]["post"].is_object();
        let ask = |pairs: &[(&str, &str)]| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            let query = query.extend_pairs(pairs).finish();
            let path = path.replace("{name}", "job");
            let mut replies = vec![app.get(&format!("{path}?{query}"))];
            if has_post {
                let form = [("Content-Type", "application/x-www-form-urlencoded")];
                replies.push(app.request("POST", &path, &form, &query));
            }
            replies
        };
        for reply in ask(valid) {
            assert_eq!((reply.status, &reply.body["status"]), (200, &json!("success")), "{path}");
            let mut fields = reply.body.as_object().unwrap().keys();
            assert!(fields.all(|field| answer[field].is_object()), "{path}: {}", reply.text);
        }
        for (name, text) in *invalid {
            let Some(text) = text else { continue };
            let mut pairs: Vec<(&str, &str)> =
                valid.iter().copied().filter(|(known, _)| known != name).collect();
            pairs.push((name, text));
            for reply in ask(&pairs) {
                let error = reply.body["error"].as_str().unwrap_or_default();
                let is_refused = reply.status == 400 && error.contains(&format!("\"{name}\""));
                assert!(is_refused, "{path}?{name}={text}: {}", reply.text);
            }
        }
    }
}

/// The error about an unknown parameter lists those of the document.
fn assert_same_names(app: &App, url: &str, parameters: &[(&str, &Value)]) {
    let errors = app.get(&format!("{url}?unknown_one=1")).errors();
    let (_, expected) = errors.split_once("expected ").unwrap();
    let expected = expected.strip_prefix("one of ").unwrap_or_default();
    let expected: BTreeSet<&str> = expected.split(", ").filter(|name| !name.is_empty()).collect();
    let described: BTreeSet<&str> = parameters.iter().map(|(name, _)| *name).collect();
    assert_eq!(expected, described, "{url}");
}

#[test]
fn times_and_counts_are_64_bit_integers() {
    let app = Launch::new().start();
    let document = app.get("/openapi.json").body;
    let (mut problems, mut count) = (Vec::new(), 0);
    visit_integers(&document["components"]["schemas"], "", &mut |path, schema| {
        count += 1;
        let name = path.rsplit('/').next().unwrap();
        let is_small =
            ["status", "http_status", "exit_code", "redirects", "max_redirects", "limit"]
                .contains(&name)
                || name.ends_with("_threshold")
                || name == "body_limit_bytes";
        let expected = if is_small { "int32" } else { "int64" };
        if schema["format"] != expected {
            problems.push(format!("{path}: {}, expected {expected}", schema["format"]));
        }
    });
    assert!(problems.is_empty() && count > 50, "{count}: {}", problems.join("\n"));
    let page = parameters(&document, "/v1/services");
    let (_, page) = page.iter().find(|(name, _)| *name == "page").unwrap();
    assert_eq!((&page["format"], &page["maximum"]), (&json!("int64"), &json!(u32::MAX)));
    // The last page that the document allows is empty, and its number is in the response.
    let last = app.get("/v1/services?page=4294967295&limit=1000");
    assert_eq!(last.body["data"]["services"]["pagination"]["page"], u32::MAX);
}
