//! How the tables are joined. They have no foreign keys from which diesel's tool could tell it.

use super::schema::{service_events, service_metrics, services};

diesel::joinable!(service_events -> services (service_id));
diesel::joinable!(service_metrics -> service_events (latest_event_id));
diesel::joinable!(service_metrics -> services (service_id));
