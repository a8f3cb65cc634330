//! Documents, OpenAPI document and code agree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use service_healthcheck::config::{SECTIONS, Variable};
use service_healthcheck::domain::Reason;
use service_healthcheck::domain::service::{
    INTERVAL_RANGE_SECONDS, NAME_MAX_CHARS, TIMEOUT_RANGE_SECONDS, URL_MAX_CHARS,
};
use service_healthcheck::spec::FIELDS;

use crate::support::{Behaviour, Launch, Target};

const CONFIGURATION: &str = include_str!("../../../docs/configuration.md");
const CONTRIBUTING: &str = include_str!("../../../CONTRIBUTING.md");
const DEPENDENCIES: &str = include_str!("../../../docs/design/dependencies.md");
const OPERATIONS: &str = include_str!("../../../docs/operations.md");
const PROBING: &str = include_str!("../../../docs/probing.md");

/// The entry of `variable` in docs/configuration.md, wrapped at 100 characters.
fn entry(variable: &Variable) -> String {
    let Variable { name, default, expected, about, .. } = variable;
    let default = match *default {
        "" => "No default".to_owned(),
        default => format!("Default `{default}`"),
    };
    let text = format!("- `{name}`: {about}. {default}; valid: {expected}.");
    let (mut entry, mut width) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if width + 1 + length > 100 {
            entry.push_str("\n  ");
            width = 2 + length;
        } else {
            let separator = if entry.is_empty() { "" } else { " " };
            entry.push_str(separator);
            width += separator.len() + length;
        }
        entry.push_str(word);
    }
    entry
}

#[test]
fn configuration_md_lists_every_variable() {
    let missing: Vec<String> = SECTIONS
        .iter()
        .flat_map(|section| section.variables)
        .map(entry)
        .filter(|entry| !CONFIGURATION.contains(&format!("{entry}\n")))
        .collect();
    assert!(missing.is_empty(), "docs/configuration.md lacks\n{}", missing.join("\n"));
}

#[test]
fn contributing_md_lists_every_make_target() {
    let makefile = include_str!("../../../Makefile");
    let documented =
        makefile.lines().filter(|line| !line.starts_with('\t') && line.contains("## "));
    for (target, _) in documented.filter_map(|line| line.split_once(':')) {
        let command = format!("`make {target}`");
        assert!(CONTRIBUTING.contains(&command), "CONTRIBUTING.md lacks {command}");
    }
}

#[test]
fn dependencies_md_gives_a_reason_for_every_dependency() {
    let manifest = include_str!("../../../Cargo.toml");
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]")
            && let Some((name, _)) = line.split_once(" = ")
        {
            let has_row = DEPENDENCIES.lines().any(|row| {
                row.strip_prefix("| ")
                    .and_then(|row| row.split(" |").next())
                    .is_some_and(|names| names.split(", ").any(|it| it == format!("`{name}`")))
            });
            assert!(has_row, "docs/design/dependencies.md lacks {name}");
        }
    }
}

#[test]
fn documents_list_every_metric_with_its_labels() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::Status(200));
    app.wait_for_ticks(app.add("a", &target.url()), 1);
    let exposition = app.get("/metrics").text;
    let metrics = exposition.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names: Vec<&str> = metrics.filter_map(|rest| rest.split(' ').next()).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names.iter().filter(|name| !name.starts_with("process_")) {
        let name = name.strip_prefix("service_healthcheck_").unwrap_or(name);
        let ends = ['`', '{'];
        let is_listed = ends.iter().any(|end| OPERATIONS.contains(&format!("`{name}{end}")));
        assert!(is_listed, "docs/operations.md lacks {name}");
    }
    for (metric, label, document) in [
        ("probes_total", "result", OPERATIONS),
        ("probes_missed_total", "reason", PROBING),
        ("outcomes_total", "result", OPERATIONS),
    ] {
        let prefix = format!("service_healthcheck_{metric}{{{label}=\"");
        let samples = exposition.lines().filter_map(|line| line.strip_prefix(&prefix));
        let values: Vec<&str> = samples.filter_map(|rest| rest.split('"').next()).collect();
        assert!(values.len() > 2, "{metric}: {values:?}");
        for value in values {
            assert!(document.contains(&format!("`{value}`")), "no document has `{value}`");
        }
    }
}

#[test]
fn openapi_lists_every_path_and_the_limits_of_the_code() {
    let app = Launch::new().start();
    let document = app.get("/openapi.json").body;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    let mut found: Vec<String> = Vec::new();
    for (path, methods) in paths {
        found.extend(methods.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
    }
    found.sort();
    let expected = [
        "delete /v1/alerts/{id}/acknowledge",
        "delete /v1/channels/{id}",
        "delete /v1/maintenance/{id}",
        "delete /v1/policies/{id}",
        "delete /v1/services/{id}",
        "delete /v1/session",
        "delete /v1/silences/{id}",
        "delete /v1/tokens/{id}",
        "get /api/v1/alerts",
        "get /api/v1/label/{name}/values",
        "get /api/v1/labels",
        "get /api/v1/metadata",
        "get /api/v1/query",
        "get /api/v1/query_exemplars",
        "get /api/v1/query_range",
        "get /api/v1/rules",
        "get /api/v1/series",
        "get /api/v1/status/buildinfo",
        "get /metrics",
        "get /openapi.json",
        "get /probe",
        "get /v1/_internal/health",
        "get /v1/_internal/instances",
        "get /v1/_internal/ready",
        "get /v1/_internal/storage",
        "get /v1/alerts",
        "get /v1/alerts/{id}",
        "get /v1/audit",
        "get /v1/channel-kinds",
        "get /v1/channels",
        "get /v1/channels/{id}",
        "get /v1/deliveries",
        "get /v1/events",
        "get /v1/maintenance",
        "get /v1/maintenance/{id}",
        "get /v1/overview",
        "get /v1/policies",
        "get /v1/policies/{id}",
        "get /v1/services",
        "get /v1/services/{id}",
        "get /v1/services/{id}/events",
        "get /v1/services/{id}/heartbeat",
        "get /v1/services/{id}/series",
        "get /v1/services/{id}/slo",
        "get /v1/services/{id}/ticks",
        "get /v1/services/{id}/uptime",
        "get /v1/session",
        "get /v1/silences",
        "get /v1/silences/{id}",
        "get /v1/stream",
        "get /v1/tokens",
        "get /v1/uptime",
        "patch /v1/channels/{id}",
        "patch /v1/maintenance/{id}",
        "patch /v1/policies/{id}",
        "patch /v1/services/{id}",
        "patch /v1/silences/{id}",
        "post /api/v1/endpoints/{key}/external",
        "post /api/v1/labels",
        "post /api/v1/query",
        "post /api/v1/query_exemplars",
        "post /api/v1/query_range",
        "post /api/v1/read",
        "post /api/v1/series",
        "post /v1/alerts/{id}/acknowledge",
        "post /v1/channels",
        "post /v1/channels/{id}/test",
        "post /v1/deliveries/{id}/retry",
        "post /v1/maintenance",
        "post /v1/policies",
        "post /v1/services",
        "post /v1/services/{id}/heartbeat",
        "post /v1/services/{id}/probe",
        "post /v1/session",
        "post /v1/silences",
        "post /v1/tokens",
    ];
    assert_eq!(found, expected);

    let schemas = &document["components"]["schemas"];
    let service = json!("#/components/schemas/Service");
    assert_eq!(schemas["One_Service"]["properties"]["data"]["$ref"], service);
    assert_eq!(schemas["List_Service"]["properties"]["data"]["items"]["$ref"], service);
    for body in ["NewService", "ServiceChange"] {
        let fields = &schemas[body]["properties"];
        assert_eq!(fields["name"]["maxLength"], NAME_MAX_CHARS);
        assert_eq!(fields["url"]["maxLength"], URL_MAX_CHARS);
        let range = |field: &str| {
            let bound = |key: &str| fields[field][key].as_f64().unwrap();
            (bound("minimum"), bound("maximum"))
        };
        assert_eq!(range("interval_seconds"), INTERVAL_RANGE_SECONDS);
        assert_eq!(range("timeout_seconds"), TIMEOUT_RANGE_SECONDS);
        assert_eq!(schemas[body]["additionalProperties"], Value::Bool(false));
    }
}

#[test]
fn openapi_and_responses_have_the_same_fields() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::Status(500));
    // No scheduled probe may be running when the probe on demand is sent.
    let service = json!({"name": "a", "url": target.url(), "interval_seconds": 3600});
    let id = app.add_with(&service);
    app.wait_for_ticks(id, 1);
    let schemas = app.get("/openapi.json").body["components"]["schemas"].clone();
    let service = app.service(id);
    let probe = app.send("POST", &format!("/v1/services/{id}/probe"), &Value::Null);
    assert_eq!(probe.status, 200, "{}", probe.text);
    let probe = probe.body["data"]["probe"]["data"].clone();
    let keys = |value: &Value| -> Vec<String> {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    for (schema, response) in [
        ("Service", &service),
        ("Event", &service["current_status"]),
        ("Failure", &service["current_status"]["failure"]),
        ("Metric", &service["metric"]["data"]),
        ("Probe", &probe),
    ] {
        let (described, present) = (keys(&schemas[schema]["properties"]), keys(response));
        for key in &present {
            assert!(described.contains(key), "{schema}: {key} is not in the document");
        }
        for required in schemas[schema]["required"].as_array().unwrap() {
            let required = required.as_str().unwrap().to_owned();
            assert!(present.contains(&required), "{schema}: {required} is not in the response");
        }
    }
}

#[test]
fn openapi_describes_every_writable_field() {
    let app = Launch::new().start();
    let schemas = app.get("/openapi.json").body["components"]["schemas"].clone();
    for body in ["NewService", "ServiceChange", "Service"] {
        for field in FIELDS {
            let mut schema = schemas[body].clone();
            for step in field.api.split('.') {
                let property = &schema["properties"][step];
                let inner = property["$ref"].as_str().or_else(|| {
                    let either = property["oneOf"].as_array()?;
                    either.iter().find_map(|one| one["$ref"].as_str())
                });
                assert!(!property.is_null(), "{body} lacks {} ({step})", field.api);
                let name = inner.and_then(|path| path.rsplit('/').next()).unwrap_or_default();
                schema = schemas[name].clone();
            }
        }
    }
}

#[test]
fn probing_md_lists_every_reason() {
    for word in Reason::all().map(Reason::as_str) {
        assert!(PROBING.contains(&format!("\n| `{word}` | ")), "docs/probing.md lacks `{word}`");
    }
}

#[test]
fn configuration_md_lists_every_field_of_a_service() {
    for field in FIELDS {
        let row = format!("\n| `{}` | `{}` | ", field.api, field.file);
        assert!(CONFIGURATION.contains(&row), "docs/configuration.md lacks the row{row}");
        let key = field.file.rsplit('.').next().unwrap_or_default();
        assert!(CONFIGURATION.contains(&format!("{key}:")), "its example lacks {key}:");
    }
}

/// Markdown files of the repository, by path.
fn documents() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["", "docs", "docs/design"].map(|folder| root.join(folder));
    let files = folders.iter().flat_map(|folder| folder.read_dir().unwrap());
    let paths = files.map(|file| file.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()))
        .collect()
}

/// Anchors of the headings of a Markdown text, as GitHub makes them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        heading.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    })
}

#[test]
fn documents_link_to_existing_files_and_headings() {
    let documents = documents();
    assert!(documents.len() > 10, "{:?}", documents.keys());
    for (path, text) in &documents {
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        for (link, _) in links.filter(|(link, _)| !link.starts_with("https://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.with_file_name(file) };
            let target = target.canonicalize();
            let target = target.unwrap_or_else(|_| panic!("{}: no file {link}", path.display()));
            let has_anchor = anchor.is_empty()
                || documents.get(&target).is_some_and(|text| anchors(text).any(|it| it == anchor));
            assert!(has_anchor, "{}: no heading {link}", path.display());
        }
    }
}

/// The keys of `value` at every depth; of a list, those of its first item.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            object.iter().map(|(key, value)| (key.clone(), shape(value))).collect()
        }
        Value::Array(items) => items.iter().take(1).map(shape).collect(),
        _ => Value::Null,
    }
}

#[test]
fn openapi_examples_of_the_history_have_the_shape_of_the_responses() {
    let app = Launch::new().with("TICKS_PER_CHUNK", 2).start();
    let target = Target::start(Behaviour::Status(503));
    let id = app.add_with(&json!({"name": "a", "url": target.url(), "slo": {"target": 99.9}}));
    app.wait_for_ticks(id, 4);
    let document = app.get("/openapi.json").body;
    let paths = document["paths"].as_object().unwrap();
    let mut count = 0;
    for (path, item) in paths {
        let is_history = item["get"]["tags"][0] == "history";
        if !is_history && !path.ends_with("/events") && !path.ends_with("/storage") {
            continue;
        }
        let content = &item["get"]["responses"]["200"]["content"]["application/json"];
        let response = app.get(&path.replace("{id}", &id.to_string()));
        assert_eq!(response.status, 200, "{path}: {}", response.text);
        assert_eq!(shape(&content["example"]), shape(&response.body), "{path}");
        count += 1;
    }
    assert_eq!(count, 8);
}
