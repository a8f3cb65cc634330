//! Ticks, and the events of all services.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Event, List};
use crate::api::probe_view::Phases;
use crate::domain::ServiceEvent;
use crate::domain::{PHASES, StoredTick};
use crate::storage::history::ticks::TickPage;

/// `data` of a list of ticks.
#[derive(Debug, Serialize, ToSchema)]
pub struct TicksData {
    /// The ticks, newest first.
    pub ticks: Ticks,
}

/// A part of a list of ticks.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ticks {
    data: Vec<Tick>,
    pagination: CursorPagination,
}

/// Where a part stands in its list.
#[derive(Debug, Serialize, ToSchema)]
pub struct CursorPagination {
    /// Most items a part.
    limit: usize,
    /// What to ask for as `cursor` to go on, while new ticks arrive too; null at the end.
    #[schema(required = true, example = "86400")]
    next_cursor: Option<String>,
}

/// One result.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tick {
    /// Number of the tick, counted from the first of its service; it never changes.
    seq: u64,
    /// When the probe began, in unix seconds.
    date: i64,
    /// The same in unix milliseconds.
    date_ms: i64,
    /// `up`, `down`, or `unknown` when our own network was gone.
    #[schema(pattern = "^(up|down|unknown)$", example = "up")]
    state: &'static str,
    /// How long the probe took, in milliseconds.
    #[schema(example = 53.431)]
    response_time_ms: f64,
    /// The status of the answer; null when there was none.
    #[schema(required = true)]
    http_status: Option<u16>,
    /// Why it failed; null when it did not.
    #[schema(required = true, example = "refused")]
    reason: Option<&'static str>,
    /// Where the time went; null for what was imported.
    #[schema(required = true)]
    phases: Option<Phases>,
}

impl Ticks {
    /// The part that was asked for.
    pub fn new(limit: usize, page: TickPage) -> Self {
        let data = page.ticks.into_iter().map(|(seq, tick)| Tick::new(seq, &tick)).collect();
        let next_cursor = page.next.map(|seq| seq.to_string());
        Self { data, pagination: CursorPagination { limit, next_cursor } }
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
            phases: tick.phases_us.map(|us| phases(us.map(|us| us as f64))),
        }
    }
}

/// The phases that took so many microseconds.
pub(super) fn phases(us: [f64; PHASES]) -> Phases {
    let [resolve, connect, tls, processing, transfer] = us.map(millis);
    Phases {
        resolve_ms: resolve,
        connect_ms: connect,
        tls_ms: tls,
        processing_ms: processing,
        transfer_ms: transfer,
    }
}

/// Milliseconds, to the nanosecond.
pub(super) fn millis(us: f64) -> f64 {
    (us * 1e3).round() / 1e6
}

/// `data` of a list of events of all services.
#[derive(Debug, Serialize, ToSchema)]
pub struct AllEventsData {
    /// The events, newest first.
    pub events: List<ServiceEventView>,
}

/// An event, and whose it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceEvent)]
pub struct ServiceEventView {
    /// Key of the service.
    service_id: i64,
    /// Its name.
    service_name: String,
    #[serde(flatten)]
    event: Event,
}

impl ServiceEventView {
    /// The event of `found`.
    pub fn new(found: ServiceEvent) -> Self {
        Self {
            service_id: found.service_id.get(),
            event: Event::new(&found.event),
            service_name: found.service_name,
        }
    }
}
