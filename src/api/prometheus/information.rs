//! What clients ask about the server: its version, its metrics, and what it does not have.

use std::collections::HashMap;

use actix_web::{HttpRequest, web};
use serde_json::{Map, Value, json};

use crate::api::state::Api;
use crate::metrics::query_gauge_help;
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
    let mut metrics: Vec<(&str, &str)> = METRICS.into_iter().chain(query_gauge_help()).collect();
    metrics.retain(|(name, _)| wanted.is_none_or(|wanted| wanted == *name));
    metrics.sort_unstable();
    metrics.truncate(limit);
    let entries = metrics.into_iter().map(|(name, help)| {
        let entry = json!([{"type": "gauge", "help": help, "unit": ""}]);
        (name.to_owned(), entry)
    });
    let entries: Map<String, Value> = entries.collect();
    Ok(success(&Value::Object(entries).to_string(), &[]))
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
