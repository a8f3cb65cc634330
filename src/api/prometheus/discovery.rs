//! `labels`, `label/{name}/values` and `series`.

use std::collections::{BTreeSet, HashMap};

use actix_web::{HttpRequest, web};

use crate::actors::messages::querying::{QueryAnswer, QueryWork};
use crate::api::state::Api;
use crate::domain::access::Caller;
use crate::promql::Labels;

use super::body::{Body, Content};
use super::envelope::{PrometheusError, PrometheusResult, streamed, success};
use super::parameters::Parameters;
use super::queries::{CUT, run};
use super::schemas;
use super::schemas::{QueryErrors, SelectionParams};
use super::selectors::{selectors, unescaped};

/// The names of labels.
///
/// As in Prometheus. A POST takes the parameters as a form.
#[utoipa::path(method(get, post), path = "/api/v1/labels", tag = "queries",
    params(SelectionParams),
    responses(
        (status = 200, description = "Names, sorted", body = schemas::QueryAnswer<Vec<String>>),
        QueryErrors,
    ))]
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
#[utoipa::path(get, path = "/api/v1/label/{name}/values", tag = "queries",
    params(
        ("name" = String, Path, description = "Name of the label; `U__` begins an escaped one"),
        SelectionParams,
    ),
    responses(
        (status = 200, description = "Values, sorted", body = schemas::QueryAnswer<Vec<String>>),
        QueryErrors,
    ))]
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
///
/// As in Prometheus. A POST takes the parameters as a form.
#[utoipa::path(method(get, post), path = "/api/v1/series", tag = "queries",
    params(SelectionParams),
    responses(
        (status = 200, description = "Label sets, sorted",
            body = schemas::QueryAnswer<Vec<HashMap<String, String>>>),
        QueryErrors,
    ))]
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
    let warnings = warning(series.len() > limit);
    let listed = Content::Series(series.into_iter().take(limit).collect());
    streamed(Body::new(listed, None, &warnings, &[])).await
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
    match run(api, caller, QueryWork::Series { selectors }, api.query_timeout).await?.answer {
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
    Ok(success(&text, &warning(texts.len() > limit)))
}

fn warning(is_cut: bool) -> Vec<String> {
    if is_cut { vec![CUT.to_owned()] } else { Vec::new() }
}
