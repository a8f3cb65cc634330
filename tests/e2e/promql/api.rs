//! The API of Prometheus, asked by Prometheus's own client and as Grafana asks.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use service_healthcheck::clock::unix_ms;

use crate::support::prometheus::query;
use crate::support::{App, Behaviour, Launch, Target};

/// Queries of public dashboards.
pub const DASHBOARD_QUERIES: usize = 47;

/// Calls of Grafana.
const GRAFANA_CALLS: usize = 11;

fn server(app: &App) -> String {
    format!("http://{}", app.address())
}

pub fn data_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/promql").join(name);
    fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("no data in {}: {error}", path.display()))
}

/// A service that is up and one that is down, with a few ticks each.
fn two_services(launch: Launch) -> (App, [Target; 2]) {
    let app = launch.start();
    let targets = [200, 500].map(|status| Target::start(Behaviour::Status(status)));
    let ids = ["good", "bad"].into_iter().zip(&targets);
    let ids: Vec<i64> = ids.map(|(name, target)| app.add(name, &target.url())).collect();
    for id in ids {
        app.wait_for_ticks(id, 3);
    }
    (app, targets)
}

fn promtool(app: &App, words: &[&str]) -> String {
    let (query, arguments) = words.split_first().unwrap();
    let done = Command::new("/usr/bin/promtool")
        .args(["query", query, &server(app)])
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("promtool: {error}; install Debian's prometheus"));
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn promtool_queries_the_monitor() {
    let (app, _targets) = two_services(Launch::new());
    let success = promtool(&app, &["instant", "probe_success"]);
    assert_eq!(success.lines().count(), 2, "{success}");
    for part in ["name=\"good\"", "name=\"bad\"", "job=\"service-healthcheck\"", "=> 1 @", "=> 0 @"]
    {
        assert!(success.contains(part), "{part}: {success}");
    }
    let counted = promtool(&app, &["instant", "count(probe_success) == 2"]);
    assert!(counted.starts_with("{} => 2 @"), "{counted}");
    let range = promtool(&app, &["range", "max by (name) (probe_success)", "--step=1s"]);
    assert!(range.contains("{name=\"good\"} =>\n1 @["), "{range}");
    let series = promtool(&app, &["series", "--match=probe_http_duration_seconds{name=\"good\"}"]);
    assert_eq!(series.lines().count(), 5, "{series}");
    assert!(series.contains("phase=\"tls\""), "{series}");
    let names = promtool(&app, &["labels", "name"]);
    assert_eq!(names, "bad\ngood\n");
}

#[test]
fn the_calls_of_grafana_have_the_answers_that_it_expects() {
    let (app, _targets) = two_services(Launch::new());
    let text = data_file("grafana-calls.jsonl");
    let calls: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let now = Duration::from_millis(unix_ms().unsigned_abs());
    let filled = |name: &str, value: &str| match (name, value) {
        ("query", "...") => "probe_success".to_owned(),
        ("match[]", _) => "probe_success".to_owned(),
        ("limit", "optional") => "100".to_owned(),
        ("start", "...") => (now.as_secs() - 3_600).to_string(),
        ("end", "...") => now.as_secs().to_string(),
        _ => value.to_owned(),
    };
    for call in &calls {
        let path = call["path"].as_str().unwrap();
        let pairs = |field: &str| -> Vec<(String, String)> {
            let pairs = call[field].as_object().into_iter().flatten();
            pairs
                .map(|(name, value)| (name.clone(), filled(name, value.as_str().unwrap())))
                .collect()
        };
        let answer: Value = if call["method"] == "POST" {
            let request = ureq::post(format!("{}{path}", server(&app)));
            request.send_form(pairs("form")).unwrap().body_mut().read_json().unwrap()
        } else {
            let request = ureq::get(format!("{}{path}", server(&app))).query_pairs(
                if call["query"].is_object() {
                    pairs("query")
                } else {
                    vec![
                        ("query".to_owned(), "probe_success".to_owned()),
                        ("start".to_owned(), "1795437060".to_owned()),
                        ("end".to_owned(), "1795440660".to_owned()),
                        ("step".to_owned(), "15".to_owned()),
                    ]
                },
            );
            request.call().unwrap().body_mut().read_json().unwrap()
        };
        assert_eq!(answer["status"], "success", "{call}: {answer}");
        let data = &answer["data"];
        match &call["must"] {
            Value::Null => {}
            Value::String(_) => {
                assert_eq!(data["version"], "3.0.0");
                assert!(data.get("features").is_none());
            }
            must if must.is_object() && must.get("resultType").is_some() => {
                assert_eq!(data, must);
            }
            must => assert_eq!(data, must, "{call}"),
        }
    }
    assert_eq!(calls.len(), GRAFANA_CALLS);
    let selector = [("match[]", "{service_id!=\"\"}")];
    let names = query(&server(&app), "labels", &selector).unwrap();
    assert_eq!(names, json!(["__name__", "instance", "job", "name", "phase", "service_id"]));
}

/// A query of a dashboard with values for its variables.
pub fn filled(line: &str) -> String {
    let mut expr = line.replace("cluster=\"$cluster\", ", "");
    for variable in ["$job", "$instance", "$project", "$app"] {
        expr = expr.replace(variable, ".*");
    }
    expr
}

#[test]
fn the_queries_of_public_dashboards_are_answered() {
    let (app, _targets) = two_services(Launch::new());
    let text = data_file("dashboard-exprs.txt");
    let mut answered = 0;
    for line in text.lines() {
        let expr = filled(line);
        let data = query(&server(&app), "query", &[("query", &expr)])
            .unwrap_or_else(|error| panic!("{expr}: {error:?}"));
        answered += usize::from(!data["result"].as_array().unwrap().is_empty());
    }
    assert_eq!(text.lines().count(), DASHBOARD_QUERIES);
    // Empty: certificates and TLS, since the targets speak HTTP, and names of other exporters.
    assert!(answered >= 30, "{answered}");
}

#[test]
fn the_queries_of_the_documentation_are_answered() {
    let (app, _targets) = two_services(Launch::new());
    let (_, text) = include_str!("../../../docs/queries.md").split_once("## Ten useful").unwrap();
    let (text, _) = text.split_once("\n## ").unwrap();
    // Rows with a question; the others have answers.
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |"));
    let queries: Vec<&str> = rows.filter_map(|row| row.split('`').nth(1)).collect();
    assert_eq!(queries.len(), 10, "{queries:?}");
    for expr in queries {
        let data = query(&server(&app), "query", &[("query", expr)]);
        assert!(data.is_ok(), "{expr}: {data:?}");
    }
}

#[test]
fn metrics_of_the_program_are_series_with_one_sample() {
    let (app, _targets) = two_services(Launch::new());
    let ask = |expr: &str| query(&server(&app), "query", &[("query", expr)]).unwrap();
    let uptime = ask("time() - process_start_time_seconds");
    let seconds: f64 = uptime["result"][0]["value"][1].as_str().unwrap().parse().unwrap();
    assert!((0.0..3_600.0).contains(&seconds), "{uptime}");
    let recorded = ask("service_healthcheck_outcomes_total{result=\"recorded\"} >= 6");
    let metric = &recorded["result"][0]["metric"];
    assert_eq!(metric["job"], "service-healthcheck", "{recorded}");
    let names = query::<&str>(&server(&app), "label/__name__/values", &[]);
    assert!(names.is_err(), "by GET alone");
    let before = ask("process_start_time_seconds offset 1h");
    assert_eq!(before["result"], json!([]));
}

#[test]
fn types_and_helps_are_known_of_every_series() {
    let (app, _targets) = two_services(Launch::new());
    let data = |path: &str| app.get(&format!("/api/v1/{path}")).body["data"].clone();
    let metadata = data("metadata");
    let names = data("label/__name__/values");
    for name in names.as_array().unwrap() {
        let entry = &metadata[name.as_str().unwrap()][0];
        // The series of a histogram have other names than their family.
        let is_of_histogram = ["_bucket", "_sum", "_count"].iter().any(|end| {
            let family = name.as_str().unwrap().strip_suffix(end);
            family.is_some_and(|family| metadata[family][0]["type"] == "histogram")
        });
        assert!(entry.is_object() || is_of_histogram, "{name}: {metadata}");
    }
    let one = data("metadata?metric=service_healthcheck_queries_total");
    assert_eq!(one["service_healthcheck_queries_total"][0]["type"], "counter", "{one}");
    assert_eq!(one.as_object().unwrap().len(), 1);
    assert_eq!(data("metadata?limit=2").as_object().unwrap().len(), 2);
}

#[test]
fn lists_of_labels_are_cut_with_a_warning() {
    let (app, _targets) = two_services(Launch::new());
    let get = |path: &str| app.get(&format!("/api/v1/{path}")).body;
    let all = get("label/name/values");
    assert_eq!((&all["data"], &all["warnings"]), (&json!(["bad", "good"]), &Value::Null));
    for (path, first) in [("label/name/values?limit=1", "bad"), ("labels?limit=1", "__name__")] {
        let cut = get(path);
        let warnings = json!(["results truncated due to limit"]);
        assert_eq!((&cut["data"], &cut["warnings"]), (&json!([first]), &warnings));
    }
    let cut = get("series?match[]=probe_http_duration_seconds&limit=3");
    let phases: Vec<&str> =
        cut["data"].as_array().unwrap().iter().map(|one| one["phase"].as_str().unwrap()).collect();
    assert_eq!(
        (phases, cut["warnings"].is_array()),
        (vec!["connect", "processing", "resolve"], true)
    );
    let all = get("series?match[]=probe_http_duration_seconds&match[]=probe_success");
    assert_eq!((all["data"].as_array().unwrap().len(), &all["warnings"]), (12, &Value::Null));
    let of_program = get("label/result/values?match[]=service_healthcheck_queries_total");
    assert!(of_program["data"].as_array().unwrap().contains(&json!("canceled")), "{of_program}");
    assert_eq!(get("label/phase/values?match[]=probe_success")["data"], json!([]));
    let both = "labels?match[]=probe_success&match[]=probe_tls_version_info";
    assert_eq!(get(both)["data"], json!(["__name__", "instance", "job", "name", "service_id"]));
}

#[test]
fn a_changed_service_is_another_series_at_once() {
    let (app, targets) = two_services(Launch::new());
    let names = || app.get("/api/v1/label/name/values").body["data"].clone();
    assert_eq!(names(), json!(["bad", "good"]));
    let id = app.add("third", &targets[0].url());
    assert_eq!(names(), json!(["bad", "good", "third"]));
    let path = format!("/v1/services/{id}");
    assert_eq!(app.send("PATCH", &path, &json!({"name": "other", "group": "g"})).status, 200);
    assert_eq!(names(), json!(["bad", "good", "other"]));
    assert_eq!(app.get("/api/v1/label/group/values").body["data"], json!(["g"]));
    app.delete(&path);
    assert_eq!(names(), json!(["bad", "good"]));
}

#[test]
fn refusals_of_access_have_the_form_of_prometheus() {
    let token = "0123456789abcdef-api";
    let app = Launch::new().with("API_TOKEN", token).with("API_READ", "token").start();
    let bearer = |token: &str| format!("Bearer {token}");
    let json = ("content-type", "application/json");
    let body = json!({"name": "scraper", "scopes": ["metrics"]}).to_string();
    let reply =
        app.request("POST", "/v1/tokens", &[("authorization", &bearer(token)), json], &body);
    let scraper = reply.body["data"]["token"]["data"]["text"].as_str().unwrap().to_owned();
    for (path, authorization, status, kind) in [
        ("/api/v1/query?query=1", None, 401, "unauthorized"),
        ("/api/v1/nothing", None, 401, "unauthorized"),
        ("/api/v1/query?query=1", Some(bearer("shc_wrong")), 401, "unauthorized"),
        ("/api/v1/series", Some(bearer(&scraper)), 403, "forbidden"),
    ] {
        let authorization = authorization.as_deref().map(|value| ("authorization", value));
        let reply = app.request("GET", path, authorization.as_slice(), "");
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        assert_eq!(
            (&reply.body["status"], &reply.body["errorType"]),
            (&json!("error"), &json!(kind))
        );
        assert!(reply.body["error"].as_str().unwrap().contains("authorization: "), "{reply:?}");
        assert_eq!(reply.header("www-authenticate"), if status == 401 { "Bearer" } else { "" });
    }
    let gatus = app.request("POST", "/api/v1/endpoints/a_b/external?success=true", &[], "");
    assert!(gatus.status == 401 && gatus.body["errors"].is_array(), "{gatus:?}");
    let ok = app.request("GET", "/api/v1/query?query=1", &[("authorization", &bearer(token))], "");
    assert_eq!(ok.body["data"]["resultType"], "scalar", "{ok:?}");
}

#[test]
fn errors_have_the_form_of_prometheus() {
    let (app, _targets) = two_services(Launch::new());
    for (path, form, kind, part) in [
        ("query", vec![], "bad_data", "invalid parameter \"query\""),
        ("query", vec![("query", "1 +")], "bad_data", "1:4: parse error: unexpected end of input"),
        ("query", vec![("query", "1"), ("time", "x")], "bad_data", "cannot parse \"x\""),
        ("query", vec![("query", "probe_success + on () probe_success")], "execution", "duplicate"),
        ("query_range", vec![("query", "1")], "bad_data", "invalid parameter \"start\""),
        (
            "query_range",
            vec![("query", "1"), ("start", "0"), ("end", "1000000"), ("step", "1")],
            "bad_data",
            "exceeded maximum resolution of 11,000 points",
        ),
        ("series", vec![], "bad_data", "invalid parameter \"match[]\""),
        ("series", vec![("match[]", "1")], "bad_data", "invalid parameter \"match[]\""),
        ("targets", vec![], "not_found", "no such path"),
    ] {
        let (found, error) = query(&server(&app), path, &form).unwrap_err();
        assert!(found == kind && error.contains(part), "{path} {form:?}: {found}: {error}");
    }
}

#[test]
fn a_query_is_bounded_in_time_and_samples() {
    let (app, _targets) = two_services(Launch::new().with("QUERY_TIMEOUT_SECONDS", 0));
    let (kind, _) = query(&server(&app), "query", &[("query", "probe_success")]).unwrap_err();
    assert_eq!(kind, "timeout");
    let counted = app.get("/metrics").text;
    assert!(counted.contains("service_healthcheck_queries_total{result=\"timeout\"} 1"));
    drop(app);
    let (app, _targets) = two_services(Launch::new().with("QUERY_MAX_SAMPLES", 1_000));
    let long = [("query", "vector(1)"), ("start", "0"), ("end", "10000"), ("step", "1")];
    let (kind, error) = query(&server(&app), "query_range", &long).unwrap_err();
    assert!(kind == "execution" && error.contains("too many samples"), "{kind}: {error}");
    let lists = query(&server(&app), "query", &[("query", "probe_success")]).unwrap();
    assert_eq!(lists["result"].as_array().unwrap().len(), 2, "samples were given back");
}

#[test]
fn every_query_of_the_dashboard_is_answered() {
    let (app, _targets) = two_services(Launch::new());
    let dashboard = include_str!("../../../grafana/uptime.json");
    let dashboard: Value = serde_json::from_str(dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let queries: Vec<String> = targets
        .map(|target| {
            let expr = target["expr"].as_str().unwrap();
            let expr = expr.replace("$__interval", "1m").replace("$__range", "12h");
            expr.replace("$group", ".*").replace("$name", ".*")
        })
        .collect();
    assert!(queries.len() >= 9, "{queries:?}");
    for part in ["service_up{", "avg_over_time(probe_success", "quantile_over_time"] {
        assert!(queries.iter().any(|query| query.contains(part)), "{part}");
    }
    for expr in queries {
        let data = query(&server(&app), "query", &[("query", &expr)])
            .unwrap_or_else(|error| panic!("{expr}: {error:?}"));
        let is_empty = data["result"].as_array().unwrap().is_empty();
        // The targets speak HTTP without TLS; `service_up` begins with the next whole minute.
        let may_be_empty = expr.contains("ssl") || expr.starts_with("service_up");
        assert!(!is_empty || may_be_empty, "{expr}");
    }
}
