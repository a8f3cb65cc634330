//! What clients ask about the server: its version, its metrics, and what it does not have.

use actix_web::{HttpRequest, web};
use serde_json::{Map, Value, json};

use crate::api::state::Api;
use crate::metrics::query_gauge_help;
use crate::storage::history::samples::family::METRICS;

use super::envelope::{PrometheusError, PrometheusResult, success};
use super::parameters::Parameters;

/// The version of Prometheus whose semantics the queries have.
const VERSION: &str = "3.0.0";

/// Without `features`, by which Grafana would take this for Mimir.
pub async fn build_information() -> PrometheusResult {
    let revision = format!("service-healthcheck {}", env!("CARGO_PKG_VERSION"));
    let data = json!({"version": VERSION, "revision": revision, "branch": "", "buildUser": "",
        "buildDate": "", "goVersion": ""});
    Ok(success(&data.to_string(), &[], &[]))
}

/// Type and help of each metric.
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
    Ok(success(&Value::Object(entries).to_string(), &[], &[]))
}

/// There are no exemplars.
pub async fn exemplars() -> PrometheusResult {
    Ok(success("[]", &[], &[]))
}

/// There are no rules.
pub async fn rules() -> PrometheusResult {
    Ok(success("{\"groups\":[]}", &[], &[]))
}

/// There are no alerts of rules.
pub async fn alerts() -> PrometheusResult {
    Ok(success("{\"alerts\":[]}", &[], &[]))
}
