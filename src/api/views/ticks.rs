//! Ticks, and the events of all services.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::views::envelope::List;
use crate::api::views::event::Event;
use crate::api::views::phases::{Phases, millis};
use crate::domain::{ServiceEvent, StoredTick};
use crate::storage::history::ticks::TickPage;

/// `data` of a response with ticks.
#[derive(Debug, Serialize, ToSchema)]
pub struct TicksData {
    /// The ticks, newest first.
    pub ticks: Ticks,
}

/// A page of ticks.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ticks {
    data: Vec<Tick>,
    pagination: CursorPagination,
}

/// Position of a page in the list of ticks.
#[derive(Debug, Serialize, ToSchema)]
pub struct CursorPagination {
    /// Most items per page.
    #[schema(format = Int32, minimum = 1, maximum = 1000)]
    limit: usize,
    /// Value of `cursor` for the next page; stays valid while new ticks arrive. Null on the last
    /// page.
    #[schema(required = true, example = "86400")]
    next_cursor: Option<String>,
}

/// One recorded probe result.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tick {
    /// Sequence number within the service, from the first tick on; never changes.
    seq: u64,
    /// Start of the probe, in unix seconds.
    date: i64,
    /// Start of the probe, in unix milliseconds.
    date_ms: i64,
    /// `up`, `down`, or `unknown` while the local network was unreachable.
    #[schema(pattern = "^(up|down|unknown)$", example = "up")]
    state: &'static str,
    /// Duration of the probe, in milliseconds.
    #[schema(example = 53.431)]
    response_time_ms: f64,
    /// HTTP status of the response; null without a response.
    #[schema(required = true)]
    http_status: Option<u16>,
    /// Failure reason; null when the probe succeeded.
    #[schema(required = true, example = "refused")]
    reason: Option<&'static str>,
    /// Durations of the phases; null for imported ticks.
    #[schema(required = true)]
    phases: Option<Phases>,
}

impl CursorPagination {
    pub fn new(limit: usize, next_cursor: Option<String>) -> Self {
        Self { limit, next_cursor }
    }
}

impl Ticks {
    pub fn new(limit: usize, page: TickPage) -> Self {
        let data = page.ticks.into_iter().map(|(seq, tick)| Tick::new(seq, &tick)).collect();
        let next_cursor = page.next.map(|seq| seq.to_string());
        Self { data, pagination: CursorPagination::new(limit, next_cursor) }
    }
}

impl Tick {
    fn new(seq: u64, tick: &StoredTick) -> Self {
        Self {
            seq,
            date: tick.at_ms.div_euclid(1_000),
            date_ms: tick.at_ms,
            state: tick.state.as_str(),
            response_time_ms: millis(tick.response_time_us as f64),
            http_status: tick.http_status,
            reason: tick.reason.map(|reason| reason.as_str()),
            phases: tick.phases_us.map(|us| Phases::from_micros(us.map(|us| us as f64))),
        }
    }
}

/// `data` of a response with events of all services.
#[derive(Debug, Serialize, ToSchema)]
pub struct AllEventsData {
    /// The events, newest first.
    pub events: List<ServiceEventView>,
}

/// An event and its service.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceEvent)]
pub struct ServiceEventView {
    /// Id of the service.
    service_id: i64,
    /// Name of the service.
    service_name: String,
    #[serde(flatten)]
    event: Event,
}

impl ServiceEventView {
    pub fn new(found: ServiceEvent) -> Self {
        Self {
            service_id: found.service_id.get(),
            event: Event::new(&found.event),
            service_name: found.service_name,
        }
    }
}
