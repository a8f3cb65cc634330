//! `GET /probe`: targets that a request names, with the modules of blackbox_exporter.

mod beside_blackbox_exporter;
mod route;

use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::support::{App, Launch, Reply};

/// Names and values of the parameters of a request.
type Parameters<'a> = &'a [(&'a str, &'a str)];

/// The path of a probe with these parameters.
fn path(parameters: Parameters<'_>) -> String {
    let query = Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("/probe?{query}")
}

fn probe(app: &App, parameters: Parameters<'_>) -> Reply {
    app.get(&path(parameters))
}

/// Whether a probe of `target` succeeded.
#[track_caller]
fn is_up(app: &App, module: &str, target: &str) -> bool {
    let reply = probe(app, &[("module", module), ("target", target)]);
    assert_eq!(reply.status, 200, "{reply:?}");
    value(&reply.text, "probe_success") == Some(1.0)
}

/// The value of a series.
fn value(text: &str, series: &str) -> Option<f64> {
    let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    lines.find(|(name, _)| *name == series).map(|(_, value)| value.parse().unwrap())
}

/// A launch with these modules, all JSON being YAML, which may probe targets on loopback.
fn with_modules(modules: &Value) -> Launch {
    let launch = Launch::new()
        .with("MODULES_FILE", "blackbox.yml")
        .with("PROBE_ALLOW_NETWORKS", "127.0.0.0/8");
    launch.write_file("blackbox.yml", &serde_json::json!({"modules": modules}).to_string());
    launch
}
