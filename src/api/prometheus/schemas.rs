//! Responses of Prometheus's API, for the OpenAPI document.

use serde_json::Value;
use utoipa::{IntoParams, IntoResponses, ToSchema};

/// A successful answer.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct QueryAnswer<D: ToSchema> {
    /// `success`
    status: String,
    data: D,
    /// What the answer leaves out or widens
    warnings: Option<Vec<String>>,
    infos: Option<Vec<String>>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct QueryData {
    /// `scalar`, `vector`, `matrix` or `string`
    #[schema(rename = "resultType")]
    result_type: String,
    /// Label sets as `metric`, and pairs of unix seconds and a number as text
    result: Value,
}

/// An error.
#[derive(ToSchema)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct QueryError {
    /// `error`
    status: String,
    /// `bad_data`, `execution`, `timeout`, `canceled`, `unavailable`, `unauthorized`, `forbidden`
    /// or `internal`
    #[schema(rename = "errorType")]
    error_type: String,
    error: String,
}

/// Error responses of every query.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub enum QueryErrors {
    /// Missing or invalid parameter
    #[response(status = 400)]
    BadData(QueryError),
    /// Missing or wrong token
    #[response(status = 401, headers(("WWW-Authenticate" = String, description = "Bearer")))]
    Unauthorized(QueryError),
    /// The token lacks the scope
    #[response(status = 403)]
    Forbidden(QueryError),
    /// The query cannot be evaluated, or exceeds a limit
    #[response(status = 422)]
    Execution(QueryError),
    /// The time is over, or too many queries are under way
    #[response(status = 503)]
    Unavailable(QueryError),
}

/// Parameters of the lists, which a form may have too.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct SelectionParams {
    /// Selector of series, may be repeated
    #[param(rename = "match[]")]
    matchers: Option<Vec<String>>,
    /// Unix seconds with a fraction, or RFC 3339
    start: Option<String>,
    /// Unix seconds with a fraction, or RFC 3339
    end: Option<String>,
    /// Most items; 0 for all
    #[param(minimum = 0)]
    limit: Option<u64>,
}

/// Parameters that both kinds of queries have, and a form may have too.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub struct EvaluationParams {
    /// An expression in PromQL
    query: String,
    /// Seconds or a duration such as `30s`; QUERY_TIMEOUT_SECONDS at most
    timeout: Option<String>,
    /// How long a sample holds: seconds or a duration; default 5m
    lookback_delta: Option<String>,
    /// Most series; 0 for all
    #[param(minimum = 0)]
    limit: Option<u64>,
}
