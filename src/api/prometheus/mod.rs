//! The HTTP API of Prometheus, for Grafana, `promtool query` and their like: its paths, parameters
//! and envelope, which are not those of the rest of the API.

mod body;
pub mod discovery;
mod envelope;
pub mod information;
mod parameters;
pub mod probe;
pub mod queries;
pub mod remote_read;
mod schemas;
mod selectors;

use actix_web::{HttpRequest, HttpResponse, ResponseError, web};

use crate::api::error::ApiError;
use crate::api::guard::EXTERNAL;

pub use discovery::{label_values, labels, series};
pub use information::{alerts, build_information, exemplars, metadata, rules};
pub use queries::{query, query_range};
pub use remote_read::read;

use envelope::PrometheusError;

/// The refusal of a request in the form of this API, if the request is for it.
pub fn refusal(request: &HttpRequest, error: &ApiError) -> Option<HttpResponse> {
    let is_for_it = request.path().starts_with("/api/v1/");
    let is_for_it = is_for_it && request.match_pattern().as_deref() != Some(EXTERNAL);
    is_for_it.then(|| PrometheusError::from(error.clone()).error_response())
}

/// Every path under `/api/v1` that has no other handler.
pub async fn not_found() -> Result<web::Bytes, PrometheusError> {
    Err(PrometheusError::not_found())
}
