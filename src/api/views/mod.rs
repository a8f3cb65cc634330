//! The JSON shapes of the API (contract, "Envelope", "Service", "Event", "Metric").

pub mod series;
pub mod storage;
pub mod ticks;
pub mod uptime;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain;
use crate::domain::{Defaults, Group, Tally};
use crate::domain::{Page, PageRequest};
use crate::spec;
use crate::spec::Form;
use crate::storage::models::origin_word;
use crate::storage::reader::ServiceRecord;

/// The envelope of every success.
#[derive(Debug, Serialize, ToSchema)]
pub struct Success<D: ToSchema> {
    /// The HTTP status once more.
    #[schema(example = 200)]
    status: u16,
    /// Its standard reason phrase.
    #[schema(example = "OK")]
    status_desc: &'static str,
    /// What was asked for.
    data: D,
}

impl<D: ToSchema> Success<D> {
    fn new(status: StatusCode, data: D) -> Self {
        let status_desc = status.canonical_reason().unwrap_or_default();
        Self { status: status.as_u16(), status_desc, data }
    }
}

/// The envelope of a success that has nothing to tell.
#[derive(Debug, Serialize, ToSchema)]
pub struct Fine {
    /// The HTTP status once more.
    #[schema(example = 200)]
    status: u16,
    /// Its standard reason phrase.
    #[schema(example = "OK")]
    status_desc: &'static str,
}

impl Fine {
    /// 200 OK.
    pub fn ok() -> Self {
        Self { status: 200, status_desc: "OK" }
    }
}

/// One record.
#[derive(Debug, Serialize, ToSchema)]
pub struct One<T: ToSchema> {
    data: T,
}

impl<T: ToSchema> One<T> {
    /// Just `data`.
    pub fn new(data: T) -> Self {
        Self { data }
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T: ToSchema> {
    data: Vec<T>,
    pagination: Pagination,
}

/// Where a page stands in its list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pagination {
    /// Number of this page, from 1.
    page: u32,
    /// Most items a page.
    limit: u32,
    /// Items of the whole list.
    total: u64,
    /// Pages of the whole list; 0 when it is empty.
    pages: u64,
}

impl<T: ToSchema> List<T> {
    /// The page that was asked for.
    pub fn new<R>(asked: PageRequest, page: Page<R>, view: impl Fn(R) -> T) -> Self {
        Self {
            pagination: Pagination {
                page: asked.page,
                limit: asked.limit,
                total: page.total,
                pages: page.total.div_ceil(asked.limit.into()),
            },
            data: page.items.into_iter().map(view).collect(),
        }
    }
}

/// `data` of one service.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServiceData {
    /// The service.
    pub service: One<Service>,
}

/// `data` of a list of services.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServicesData {
    /// The services, by id.
    pub services: List<Service>,
}

/// `data` of a list of events.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventsData {
    /// The events, newest first.
    pub events: List<Event>,
}

/// A service with what is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Service {
    /// Its key.
    id: i64,
    /// Unique among the living services.
    #[schema(example = "payment-gateway")]
    name: String,
    /// What is asked.
    #[schema(example = "https://pay.example.org/health")]
    url: String,
    /// Where it is shown; null when it has no group.
    #[schema(required = true)]
    group: Option<String>,
    /// Who owns it: `api`, or `file` for an entry of the services file, which is read-only here.
    #[schema(pattern = "^(api|file)$", example = "api")]
    origin: &'static str,
    /// Whether it is probed.
    enabled: bool,
    /// Time between its probes, the default filled in.
    interval_seconds: f64,
    /// Longest time a probe of it may take, the default filled in.
    timeout_seconds: f64,
    /// What its answers must fulfil; without any, an answer below 400 is up.
    #[schema(example = json!(["[STATUS] == 200"]))]
    conditions: Vec<String>,
    /// What else was said of it, under the names of `NewService`; secrets are masked, and what is as by default is left out.
    #[serde(flatten)]
    #[schema(ignore)]
    options: Map<String, Value>,
    /// `up`, `down`, `unknown` while our own network is gone, `pending` before the first result, `paused` when not enabled.
    #[schema(pattern = "^(up|down|unknown|pending|paused)$", example = "up")]
    state: &'static str,
    /// Whether it flips too often: from 20 % of its newest 21 results on, until it is below 5 % (Nagios's rule).
    flapping: bool,
    /// The newest event; null before the first result.
    #[schema(required = true)]
    current_status: Option<Event>,
    /// The newest event once more, as the seed has it; absent before the first result.
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_event: Option<One<Event>>,
    /// What its ticks add up to; null before the first result.
    #[schema(required = true)]
    metric: Option<One<Metric>>,
    /// Unix seconds.
    created_at: i64,
    /// Unix seconds of the last change to its definition.
    updated_at: i64,
}

impl Service {
    /// The service of `record`, with `defaults` for what it does not set.
    pub fn new(record: &ServiceRecord, defaults: &Defaults) -> Self {
        let state = record.status().as_str();
        let event = || record.latest_event.as_ref().map(Event::new);
        let definition = &record.definition;
        Self {
            id: record.id.get(),
            name: definition.name.as_str().to_owned(),
            url: definition.target.shown(),
            group: definition.group.as_ref().map(Group::as_str).map(str::to_owned),
            origin: origin_word(record.origin),
            enabled: definition.enabled,
            interval_seconds: definition.interval.unwrap_or(defaults.interval).as_seconds(),
            timeout_seconds: definition.timeout.unwrap_or(defaults.timeout).as_seconds(),
            conditions: definition.conditions.iter().map(ToString::to_string).collect(),
            options: spec::write_options(&definition.options, Form::Masked),
            state,
            flapping: record.tally.is_some_and(|tally| tally.is_flapping),
            current_status: event(),
            latest_event: event().map(|data| One { data }),
            metric: record.tally.as_ref().map(|tally| One { data: Metric::new(tally) }),
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

/// A time in which the state of a service was the same.
#[derive(Debug, Serialize, ToSchema)]
pub struct Event {
    id: i64,
    /// `uptime` or `downtime`; `unknown` while our own network was gone or this program did not run; `paused` while not enabled.
    #[schema(pattern = "^(uptime|downtime|unknown|paused)$", example = "downtime")]
    event: &'static str,
    /// Why, for a downtime or an outage of our network: the failure of the probe that decided it; null otherwise.
    #[schema(required = true)]
    failure: Option<Failure>,
    /// Unix seconds.
    date_started: i64,
    /// Unix seconds; null while it lasts.
    #[schema(required = true)]
    date_ended: Option<i64>,
    /// Unix seconds.
    created_at: i64,
    /// Unix seconds.
    updated_at: i64,
}

/// Why a probe failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Failure {
    /// A word of a closed set; docs/probing.md lists all of them.
    #[schema(example = "refused")]
    reason: String,
    /// What was seen, for a person.
    detail: String,
}

impl Failure {
    /// The failure of a probe.
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

/// What all ticks of a service add up to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Metric {
    /// Probes that could tell up from down.
    tick_count: u64,
    /// Those that said up.
    up_count: u64,
    /// Those that said down.
    down_count: u64,
    /// Probes that could not tell, since our own network was gone.
    unknown_count: u64,
    /// True mean over all ticks, in milliseconds.
    #[schema(example = 53.4)]
    average_response_time_ms: f64,
    /// 100 × up / tick.
    #[schema(example = 99.9)]
    uptime_percent: f64,
}

impl Metric {
    fn new(tally: &Tally) -> Self {
        Self {
            tick_count: tally.tick_count,
            up_count: tally.up_count,
            down_count: tally.down_count(),
            unknown_count: tally.unknown_count,
            average_response_time_ms: tally.average_response_time_ms(),
            uptime_percent: tally.uptime_percent(),
        }
    }
}

/// An answer of `status` with `data` in its envelope.
pub fn answer<D: Serialize + ToSchema>(status: StatusCode, data: D) -> HttpResponse {
    HttpResponse::build(status).json(Success::new(status, data))
}

/// The body of [`answer`], to be kept.
pub fn written<D: Serialize + ToSchema>(status: StatusCode, data: D) -> Bytes {
    // Every shape here can be written: its keys are texts.
    serde_json::to_vec(&Success::new(status, data)).unwrap_or_default().into_boxed_slice().into()
}

/// `data` of one service.
pub fn one_service(record: &ServiceRecord, defaults: &Defaults) -> ServiceData {
    ServiceData { service: One { data: Service::new(record, defaults) } }
}
