//! Contract, code, README and OpenAPI say the same.

use serde_json::Value;
use service_healthcheck::config::VARIABLES;
use service_healthcheck::domain::service::{
    INTERVAL_RANGE_SECONDS, NAME_MAX_CHARS, TIMEOUT_RANGE_SECONDS, URL_MAX_CHARS,
};

use crate::support::Launch;

const README: &str = include_str!("../../README.md");

#[test]
fn the_readme_has_every_variable_with_its_default() {
    for variable in VARIABLES {
        let default = match variable.default {
            "" => "–".to_owned(),
            default => format!("`{default}`"),
        };
        let row = format!("| `{}` | {default} | {} |", variable.name, variable.about);
        assert!(README.contains(&row), "the README lacks the row\n{row}");
    }
}

#[test]
fn the_readme_has_every_target_of_the_makefile() {
    let makefile = include_str!("../../Makefile");
    let told = makefile.lines().filter(|line| !line.starts_with('\t') && line.contains("## "));
    for (target, _) in told.filter_map(|line| line.split_once(':')) {
        assert!(README.contains(&format!("`make {target}`")), "the README lacks `make {target}`");
    }
}

#[test]
fn the_openapi_document_has_every_path_and_the_limits_of_the_code() {
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
        "delete /v1/services/{id}",
        "get /metrics",
        "get /openapi.json",
        "get /v1/_internal/health",
        "get /v1/_internal/ready",
        "get /v1/services",
        "get /v1/services/{id}",
        "get /v1/services/{id}/events",
        "patch /v1/services/{id}",
        "post /v1/services",
    ];
    assert_eq!(found, expected);

    let schemas = &document["components"]["schemas"];
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
fn every_field_of_an_answer_is_described_and_every_described_field_is_answered() {
    let app = Launch::new().start();
    let target = crate::support::Target::start(crate::support::Behaviour::Status(500));
    let id = app.add("a", &target.url());
    app.wait_for_ticks(id, 1);
    let schemas = app.get("/openapi.json").body["components"]["schemas"].clone();
    let service = app.service(id);
    let keys = |value: &Value| -> Vec<String> {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    for (schema, answer) in [
        ("Service", &service),
        ("Event", &service["current_status"]),
        ("Failure", &service["current_status"]["failure"]),
        ("Metric", &service["metric"]["data"]),
    ] {
        assert_eq!(keys(&schemas[schema]["properties"]), keys(answer), "{schema}");
    }
}
