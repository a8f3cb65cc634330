//! `query` and `query_range`.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, web};

use crate::actors::messages::querying::{QueryAnswer, QueryReply, QueryWork};
use crate::api::state::Api;
use crate::api::transport::Connection;
use crate::clock::unix_ms;
use crate::domain::access::Caller;
use crate::promql::{Answer, MAX_STEPS, Query, Results, Steps, parse};

use super::body::{Body, Content};
use super::envelope::{PrometheusError, PrometheusResult, streamed};
use super::parameters::Parameters;
use super::schemas;
use super::schemas::{EvaluationParams, QueryData, QueryErrors};

/// How long a sample holds, unless the request says otherwise.
const LOOKBACK_MS: i64 = 300_000;

/// A warning beside a list that `limit` cut.
pub const CUT: &str = "results truncated due to limit";

/// The value of a query in PromQL at one moment.
///
/// As in Prometheus. A POST takes the parameters as a form.
#[utoipa::path(method(get, post), path = "/api/v1/query", tag = "queries",
    params(
        EvaluationParams,
        ("time" = Option<String>, Query,
            description = "Unix seconds with a fraction, or RFC 3339; default now"),
    ),
    responses(
        (status = 200, description = "The value", body = schemas::QueryAnswer<QueryData>),
        QueryErrors,
    ))]
pub async fn query(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> PrometheusResult {
    let parameters = Parameters::read(&request, payload, &api).await?;
    let query = parsed(&parameters)?;
    let at_ms = parameters.time("time")?.unwrap_or_else(unix_ms);
    let lookback_ms = parameters.duration("lookback_delta")?.unwrap_or(LOOKBACK_MS);
    let work = QueryWork::Instant { query, at_ms, lookback_ms };
    respond(&api, &caller, &request, work, &parameters).await
}

/// The values of a query in PromQL at regular steps, at most 11,000.
///
/// As in Prometheus. A POST takes the parameters as a form.
#[utoipa::path(method(get, post), path = "/api/v1/query_range", tag = "queries",
    params(
        EvaluationParams,
        ("start" = String, Query, description = "Unix seconds with a fraction, or RFC 3339"),
        ("end" = String, Query, description = "Unix seconds with a fraction, or RFC 3339"),
        ("step" = String, Query, description = "Seconds, or a duration such as `1m`"),
    ),
    responses(
        (status = 200, description = "The values", body = schemas::QueryAnswer<QueryData>),
        QueryErrors,
    ))]
pub async fn query_range(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> PrometheusResult {
    let parameters = Parameters::read(&request, payload, &api).await?;
    let query = parsed(&parameters)?;
    let steps = steps(&parameters)?;
    let lookback_ms = parameters.duration("lookback_delta")?.unwrap_or(LOOKBACK_MS);
    let work = QueryWork::Range { query, steps, lookback_ms };
    respond(&api, &caller, &request, work, &parameters).await
}

fn parsed(parameters: &Parameters) -> Result<Query, PrometheusError> {
    Ok(parse(parameters.required("query")?)?)
}

fn steps(parameters: &Parameters) -> Result<Steps, PrometheusError> {
    let time = |name: &str| {
        parameters.required(name)?;
        parameters.time(name).map(Option::unwrap_or_default)
    };
    let (start_ms, end_ms) = (time("start")?, time("end")?);
    if end_ms < start_ms {
        let why = "end timestamp must not be before start time";
        return Err(PrometheusError::invalid("end", why));
    }
    parameters.required("step")?;
    let step_ms = parameters.duration("step")?.unwrap_or(1);
    if (end_ms - start_ms) / step_ms > MAX_STEPS {
        return Err(PrometheusError::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query \
             resolution (?step=XX)",
        ));
    }
    Ok(Steps { start_ms, end_ms, step_ms })
}

async fn respond(
    api: &Api,
    caller: &Caller,
    request: &HttpRequest,
    work: QueryWork,
    parameters: &Parameters,
) -> PrometheusResult {
    let limit = parameters.limit()?;
    let timeout = parameters.timeout(api.query_timeout)?;
    let QueryReply { answer, kept } = run(api, caller, request, work, timeout).await?;
    let QueryAnswer::Values(answer) = answer else {
        return Err(PrometheusError::internal("expected values"));
    };
    let Answer { mut results, mut warnings, infos } = answer;
    if let Some(limit) = limit
        && let Results::Vector(series) | Results::Matrix(series) = &mut results
        && cut(series, limit)
    {
        warnings.push(CUT.to_owned());
    }
    let body = Body::new(Content::Values(results), Some(kept), &warnings, &infos);
    streamed(body).await
}

/// Whether there were more than `limit`.
pub fn cut<T>(items: &mut Vec<T>, limit: usize) -> bool {
    let is_cut = items.len() > limit;
    items.truncate(limit);
    is_cut
}

/// Runs a query on a thread of its own, when there is a place, until its client closes the
/// connection. Services that the caller does not see do not exist for the query.
pub async fn run(
    api: &Api,
    caller: &Caller,
    request: &HttpRequest,
    work: QueryWork,
    timeout: Duration,
) -> Result<QueryReply, PrometheusError> {
    if let Some(connection) = request.conn_data::<Arc<Connection>>() {
        connection.watch_client();
    }
    match api.queriers.run(work, caller.groups.clone(), timeout).await {
        Some(answer) => Ok(answer?),
        None => Err(PrometheusError::busy()),
    }
}
