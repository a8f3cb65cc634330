//! What clients ask about the server: its version, its metrics, and what it does not have.

use std::collections::HashMap;

use actix_web::{HttpRequest, web};
use serde_json::{Map, Value, json};

use crate::actors::querier::is_of_program;
use crate::api::state::Api;
use crate::domain::access::Caller;
use crate::metrics::{Format, query_gauge_help};
use crate::storage::history::samples::family::METRICS;

use super::envelope::{PrometheusError, PrometheusResult, success};
use super::parameters::Parameters;
use super::schemas::{QueryAnswer, QueryErrors};

/// The version of Prometheus whose semantics the queries have.
const VERSION: &str = "3.0.0";

/// The version of Prometheus whose semantics the queries have.
// Without `features`, by which Grafana would take this for Mimir.
#[utoipa::path(get, path = "/api/v1/status/buildinfo", tag = "queries",
    responses(
        (status = 200, description = "The version", body = QueryAnswer<HashMap<String, String>>),
    ))]
pub async fn build_information() -> PrometheusResult {
    let revision = format!("service-healthcheck {}", env!("CARGO_PKG_VERSION"));
    let data = json!({"version": VERSION, "revision": revision, "branch": "", "buildUser": "",
        "buildDate": "", "goVersion": ""});
    Ok(success(&data.to_string(), &[]))
}

/// Type and help of each metric.
#[utoipa::path(get, path = "/api/v1/metadata", tag = "queries",
    params(
        ("metric" = Option<String>, Query, description = "Name of the only metric"),
        ("limit" = Option<u64>, Query, description = "Most metrics; 0 for all", minimum = 0),
        ("limit_per_metric" = Option<i64>, Query,
            description = "Most entries of a metric; each has one"),
    ),
    responses(
        (status = 200, description = "Entries by metric",
            body = QueryAnswer<HashMap<String, Vec<HashMap<String, String>>>>),
        QueryErrors,
    ))]
pub async fn metadata(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> PrometheusResult {
    let parameters = Parameters::read(&request, payload, &api).await?;
    let limit = parameters.limit()?.unwrap_or(usize::MAX);
    // Each metric has one entry.
    if parameters.get("limit_per_metric").is_some_and(|text| text.parse::<i64>().is_err()) {
        return Err(PrometheusError::invalid("limit_per_metric", "expected a number"));
    }
    let wanted = parameters.get("metric");
    let of_services = METRICS.into_iter().chain(query_gauge_help());
    let of_services = of_services.map(|(name, help)| Metadata::new(name, "gauge", help));
    // The metrics of the program do not exist for a token that is limited to groups.
    let text = match caller.groups.is_limited() {
        true => String::new(),
        false => api.telemetry.expose(Vec::new(), Format::Plain).unwrap_or_default(),
    };
    let mut metrics: Vec<Metadata> = of_services.chain(metadata_of(&text)).collect();
    metrics.retain(|metric| wanted.is_none_or(|wanted| wanted == metric.name));
    metrics.sort_unstable_by(|a, b| a.name.cmp(b.name));
    metrics.truncate(limit);
    let entries = metrics.into_iter().map(|Metadata { name, kind, help }| {
        let entry = json!([{"type": kind, "help": help, "unit": ""}]);
        (name.to_owned(), entry)
    });
    let entries: Map<String, Value> = entries.collect();
    Ok(success(&Value::Object(entries).to_string(), &[]))
}

/// Name, type and help of a metric.
struct Metadata<'t> {
    name: &'t str,
    kind: &'t str,
    help: &'t str,
}

impl<'t> Metadata<'t> {
    fn new(name: &'t str, kind: &'t str, help: &'t str) -> Self {
        Self { name, kind, help }
    }
}

/// The metrics of the program in the text format, which has HELP before TYPE.
fn metadata_of(text: &str) -> impl Iterator<Item = Metadata<'_>> {
    let mut help = "";
    text.lines().filter_map(move |line| {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        }
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        is_of_program(name).then(|| Metadata::new(name, kind, help))
    })
}

/// There are no exemplars.
#[utoipa::path(method(get, post), path = "/api/v1/query_exemplars", tag = "queries",
    responses((status = 200, description = "An empty list", body = QueryAnswer<Vec<String>>)))]
pub async fn exemplars() -> PrometheusResult {
    Ok(success("[]", &[]))
}

/// There are no rules.
#[utoipa::path(get, path = "/api/v1/rules", tag = "queries",
    responses(
        (status = 200, description = "No groups", body = QueryAnswer<HashMap<String, Vec<String>>>),
    ))]
pub async fn rules() -> PrometheusResult {
    Ok(success("{\"groups\":[]}", &[]))
}

/// There are no alerts of rules.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "queries",
    responses(
        (status = 200, description = "No alerts", body = QueryAnswer<HashMap<String, Vec<String>>>),
    ))]
pub async fn alerts() -> PrometheusResult {
    Ok(success("{\"alerts\":[]}", &[]))
}
