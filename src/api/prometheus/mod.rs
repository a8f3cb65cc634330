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

use actix_web::web;

pub use discovery::{label_values, labels, series};
pub use information::{alerts, build_information, exemplars, metadata, rules};
pub use queries::{query, query_range};
pub use remote_read::read;

use envelope::PrometheusError;

/// Every path under `/api/v1` that has no other handler.
pub async fn not_found() -> Result<web::Bytes, PrometheusError> {
    Err(PrometheusError::not_found())
}
