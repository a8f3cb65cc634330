//! Metrics of the program and of each service, for `GET /metrics`.
//!
//! [`Telemetry`] is cheap to clone; every actor has one. Names follow Prometheus's conventions:
//! base units, `_total` for counters. Metrics of a single service have the names of
//! blackbox_exporter ([`names`]).

mod alerting;
mod format;
mod kept_result;
mod last_result;
mod module_families;
pub mod names;
mod process;
mod queries;
mod remote_write;
mod service_collector;
mod telemetry;
pub mod tick_samples;

pub use alerting::{AlertMetrics, Outbox};
pub use format::Format;
pub use kept_result::{KeptResult, ServiceResult};
pub use last_result::LastResult;
pub use module_families::module_families;
pub use queries::{QueryMetrics, QueryResult};
pub use remote_write::{Relayed, RemoteWriteMetrics};
pub use service_collector::{query_gauge_help, query_gauges};
pub use telemetry::{AuthFailure, RecordResult, Telemetry};
