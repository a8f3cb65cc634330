//! `labels`, `label/{name}/values` and `series`.

use std::collections::HashMap;

use actix_web::{HttpRequest, web};

use crate::actors::messages::querying::{QueryAnswer, QueryWork};
use crate::api::state::Api;
use crate::domain::access::Caller;
use crate::promql::Matcher;

use super::body::{Body, Content};
use super::envelope::{PrometheusError, PrometheusResult, streamed};
use super::parameters::Parameters;
use super::queries::{CUT, cut, run};
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
    let work = QueryWork::LabelNames { selectors: selected(&parameters)? };
    list(&api, &caller, &request, work, &parameters).await
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
    let work = QueryWork::LabelValues { name, selectors: selected(&parameters)? };
    list(&api, &caller, &request, work, &parameters).await
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
    let (selectors, limit) = (selected(&parameters)?, parameters.limit()?);
    let work = QueryWork::Series { selectors, limit };
    list(&api, &caller, &request, work, &parameters).await
}

fn selected(parameters: &Parameters) -> Result<Vec<Vec<Matcher>>, PrometheusError> {
    // Every living service is in every window, so the times are only checked.
    parameters.time("start")?;
    parameters.time("end")?;
    selectors(parameters)
}

async fn list(
    api: &Api,
    caller: &Caller,
    request: &HttpRequest,
    work: QueryWork,
    parameters: &Parameters,
) -> PrometheusResult {
    let limit = parameters.limit()?.unwrap_or(usize::MAX);
    let reply = run(api, caller, request, work, api.query_timeout).await?;
    let (listed, is_cut) = match reply.answer {
        QueryAnswer::Series(mut series) => {
            let is_cut = cut(&mut series, limit);
            (Content::Series(series), is_cut)
        }
        QueryAnswer::Texts(mut texts) => {
            let is_cut = cut(&mut texts, limit);
            (Content::Texts(texts), is_cut)
        }
        QueryAnswer::Values(_) | QueryAnswer::Samples(_) => {
            return Err(PrometheusError::internal("expected a list"));
        }
    };
    let warnings = if is_cut { vec![CUT.to_owned()] } else { Vec::new() };
    streamed(Body::new(listed, None, &warnings, &[])).await
}
