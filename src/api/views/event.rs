//! An event of one service (contract, "Event").

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::views::envelope::List;
use crate::domain;

/// `data` of a response with the events of a service.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventsData {
    /// The events, newest first.
    pub events: List<Event>,
}

/// A period in which the state of a service did not change.
#[derive(Debug, Serialize, ToSchema)]
pub struct Event {
    id: i64,
    /// `uptime` or `downtime`; `unknown` while the local network was unreachable or the monitor did
    /// not run; `paused` while the service was not enabled.
    #[schema(pattern = "^(uptime|downtime|unknown|paused)$", example = "downtime")]
    event: &'static str,
    /// The failure of the probe that began a downtime or a local network outage; null otherwise.
    #[schema(required = true)]
    failure: Option<Failure>,
    /// Unix seconds.
    date_started: i64,
    /// Unix seconds; null while the event is open.
    #[schema(required = true)]
    date_ended: Option<i64>,
    /// Unix seconds.
    created_at: i64,
    /// Unix seconds.
    updated_at: i64,
}

/// The failure of a probe.
#[derive(Debug, Serialize, ToSchema)]
pub struct Failure {
    /// Machine-readable reason, one of a closed set: see docs/probing.md.
    #[schema(example = "refused")]
    reason: String,
    /// Human-readable detail.
    detail: String,
}

impl Failure {
    pub fn new(failure: &domain::Failure) -> Self {
        Self { reason: failure.reason.as_str().to_owned(), detail: failure.detail.clone() }
    }
}

impl Event {
    pub fn new(event: &domain::Event) -> Self {
        let failure = event.failure.as_ref().map(|failure| Failure {
            reason: failure.reason.as_str().to_owned(),
            detail: failure.detail.clone(),
        });
        Self {
            id: event.id,
            event: event.state.event(),
            failure,
            date_started: event.started_ms.div_euclid(1_000),
            date_ended: event.ended_ms.map(|ms| ms.div_euclid(1_000)),
            created_at: event.created_at,
            updated_at: event.updated_at,
        }
    }
}
