//! Validation of requests; every problem is reported at once.
//!
//! An invalid path or query string is 400 ([`path`], [`query`]). A body that is not JSON is 415,
//! 413, 408 or 400, and one with an invalid field is 422 ([`body`]; contract, "Envelope").

pub mod alerting;
mod body;
mod fields;
mod heartbeat;
mod params;
mod path;
mod query;

pub use body::{
    JSON, MERGE_PATCH, definition, error_message, form_fields, json_object, patch, patched,
    protobuf,
};
pub use fields::Fields;
pub use heartbeat::{Report, external, heartbeat};
pub use params::PAGE_LIMIT;
pub use path::{only_record_id, record_id, service_id, service_id_before_routing};
pub use query::{
    TICK_STATES, list_all_events, list_audit, list_events, list_services, list_ticks, list_uptime,
    no_params, overview, series, series_grid, slo, stream, uptime,
};
