//! `labels`, `label/{name}/values` and `series`.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, web};

use crate::actors::messages::querying::{QueryAnswer, QueryWork};
use crate::api::state::Api;
use crate::domain::access::Caller;
use crate::promql::Labels;

use super::answer::push_labels;
use super::envelope::{PrometheusError, PrometheusResult, success};
use super::parameters::Parameters;
use super::queries::{CUT, run};
use super::selectors::{selectors, unescaped};

/// The names of labels.
pub async fn labels(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> PrometheusResult {
    let parameters = Parameters::read(&request, payload, &api).await?;
    let series = selected(&api, &caller, &parameters).await?;
    let names: BTreeSet<&str> =
        series.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)).collect();
    list(&parameters, &names)
}

/// The values of a label.
pub async fn label_values(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> PrometheusResult {
    let parameters = Parameters::read(&request, payload, &api).await?;
    let name = unescaped(request.match_info().query("name"));
    let series = selected(&api, &caller, &parameters).await?;
    let values = series.iter().map(|labels| labels.get(&name));
    list(&parameters, &values.filter(|value| !value.is_empty()).collect())
}

/// The series of at least one selector.
pub async fn series(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> PrometheusResult {
    let parameters = Parameters::read(&request, payload, &api).await?;
    parameters.required("match[]")?;
    let series = selected(&api, &caller, &parameters).await?;
    let limit = parameters.limit()?.unwrap_or(usize::MAX);
    let mut text = "[".to_owned();
    for (index, labels) in series.iter().take(limit).enumerate() {
        if index > 0 {
            text.push(',');
        }
        push_labels(&mut text, labels);
    }
    text.push(']');
    Ok(success(&text, &warning(series.len() > limit), &[]))
}

async fn selected(
    api: &Api,
    caller: &Caller,
    parameters: &Parameters,
) -> Result<Vec<Labels>, PrometheusError> {
    let selectors = selectors(parameters)?;
    // Every living service is in every window, so the times are only checked.
    parameters.time("start")?;
    parameters.time("end")?;
    match run(api, caller, QueryWork::Series { selectors }, api.query_timeout).await? {
        QueryAnswer::Series(series) => Ok(series),
        QueryAnswer::Values(_) | QueryAnswer::Samples(_) => {
            Err(PrometheusError::internal("expected series"))
        }
    }
}

fn list(parameters: &Parameters, texts: &BTreeSet<&str>) -> PrometheusResult {
    let limit = parameters.limit()?.unwrap_or(usize::MAX);
    let listed: Vec<&str> = texts.iter().copied().take(limit).collect();
    let text = serde_json::Value::from(listed).to_string();
    Ok(success(&text, &warning(texts.len() > limit), &[]))
}

fn warning(is_cut: bool) -> Vec<String> {
    if is_cut { vec![CUT.to_owned()] } else { Vec::new() }
}
