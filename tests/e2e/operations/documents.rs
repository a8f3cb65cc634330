//! Contract, code, README and OpenAPI say the same.

use serde_json::{Value, json};
use service_healthcheck::config::VARIABLES;
use service_healthcheck::domain::Reason;
use service_healthcheck::domain::service::{
    INTERVAL_RANGE_SECONDS, NAME_MAX_CHARS, TIMEOUT_RANGE_SECONDS, URL_MAX_CHARS,
};
use service_healthcheck::spec::FIELDS;

use crate::support::{Behaviour, Launch, Target};

const README: &str = include_str!("../../../README.md");

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
    let makefile = include_str!("../../../Makefile");
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
        "get /v1/_internal/storage",
        "get /v1/events",
        "get /v1/services",
        "get /v1/services/{id}",
        "get /v1/services/{id}/events",
        "get /v1/services/{id}/series",
        "get /v1/services/{id}/slo",
        "get /v1/services/{id}/ticks",
        "get /v1/services/{id}/uptime",
        "get /v1/uptime",
        "patch /v1/services/{id}",
        "post /v1/services",
        "post /v1/services/{id}/heartbeat",
        "post /v1/services/{id}/probe",
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
fn every_field_of_an_answer_is_described_and_every_described_field_is_answered() {
    let app = Launch::new().start();
    let target = Target::start(Behaviour::Status(500));
    let id = app.add("a", &target.url());
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
    for (schema, answer) in [
        ("Service", &service),
        ("Event", &service["current_status"]),
        ("Failure", &service["current_status"]["failure"]),
        ("Metric", &service["metric"]["data"]),
        ("Probe", &probe),
    ] {
        let (described, answered) = (keys(&schemas[schema]["properties"]), keys(answer));
        for key in &answered {
            assert!(described.contains(key), "{schema}: {key} is not described");
        }
        for required in schemas[schema]["required"].as_array().unwrap() {
            let required = required.as_str().unwrap().to_owned();
            assert!(answered.contains(&required), "{schema}: {required} is not answered");
        }
    }
}

#[test]
fn every_field_that_can_be_said_of_a_service_is_described() {
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
fn the_readme_has_every_reason_and_every_field_of_the_services_file() {
    for reason in Reason::all() {
        let word = format!("`{}`", reason.as_str());
        assert!(README.contains(&word), "the README lacks {word}");
    }
    for field in FIELDS {
        let key = field.file.rsplit('.').next().unwrap_or_default();
        assert!(README.contains(&format!("{key}:")), "the README's example lacks {key}:");
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
fn every_question_to_the_history_has_an_example_of_the_shape_that_is_answered() {
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
        let answer = app.get(&path.replace("{id}", &id.to_string()));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert_eq!(shape(&content["example"]), shape(&answer.body), "{path}");
        count += 1;
    }
    assert_eq!(count, 8);
}
