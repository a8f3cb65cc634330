//! A service and its metric (contract, "Service", "Metric").

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::api::views::alerting::alert::OpenAlert;
use crate::api::views::envelope::{List, One};
use crate::api::views::event::Event;
use crate::api::views::maintenance::Planned;
use crate::domain::maintenance::Windows;
use crate::domain::{Defaults, Group, Requests, TickTotals, alert};
use crate::spec;
use crate::spec::Form;
use crate::storage::records::ServiceRecord;

/// `data` of a response with one service.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServiceData {
    pub service: One<Service>,
}

/// `data` of a response with a list of services.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServicesData {
    /// The services, ordered by id.
    pub services: List<ServiceText>,
}

/// The keys in the text of a [`Service`] around the value of its metric. What follows are numbers.
const METRIC_KEY: &str = "\"metric\":";
const KEY_AFTER_METRIC: &str = ",\"created_at\":";

/// A [`Service`] in JSON.
#[derive(Debug, Clone)]
pub struct ServiceText(Arc<RawValue>);

impl ServiceText {
    pub fn of(service: &impl Serialize) -> Self {
        // Serialization cannot fail: every map has string keys.
        let text = to_raw_value(service).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self(text.into())
    }

    /// The service after more results that have changed nothing but its totals. `None` for a text
    /// that is no service.
    pub fn with_totals(&self, totals: &TickTotals) -> Option<Self> {
        // Options may have such keys, too, but they come before.
        let (before, from_metric) = self.0.get().rsplit_once(METRIC_KEY)?;
        let (_, after) = from_metric.split_once(KEY_AFTER_METRIC)?;
        let metric = serde_json::to_string(&One::new(Metric::new(totals))).ok()?;
        let text = [before, METRIC_KEY, &metric, KEY_AFTER_METRIC, after].concat();
        RawValue::from_string(text).ok().map(|text| Self(text.into()))
    }

    /// Length of the JSON, in bytes.
    pub fn bytes(&self) -> usize {
        self.0.get().len()
    }
}

impl Serialize for ServiceText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl PartialSchema for ServiceText {
    fn schema() -> RefOr<Schema> {
        Service::schema()
    }
}

impl ToSchema for ServiceText {
    fn name() -> Cow<'static, str> {
        Service::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Service::schemas(schemas);
    }
}

/// The response data for `record`.
pub fn one_service(
    record: &ServiceRecord,
    alerts: &[alert::Alert],
    context: &ServiceContext,
) -> ServiceData {
    ServiceData { service: One::new(Service::new(record, alerts, context)) }
}

/// What a service is shown with.
#[derive(Debug, Clone)]
pub struct ServiceContext {
    /// Fill in the interval and the timeout.
    pub defaults: Defaults,
    pub requests: Requests,
    pub windows: Windows,
    /// Unix milliseconds.
    pub now_ms: i64,
}

/// A service with its state and its metric.
#[derive(Debug, Serialize, ToSchema)]
pub struct Service {
    /// Id of the service.
    id: i64,
    /// Unique within its group among the services that are not deleted.
    #[schema(example = "payment-gateway")]
    name: String,
    /// The target; its scheme selects the protocol. Its secrets are masked.
    #[schema(example = "https://pay.example.org/health")]
    url: String,
    /// Group for display and filtering; null when the service has none.
    #[schema(required = true)]
    group: Option<String>,
    /// Source of the definition: `api`, or `file` for an entry of the services file, which the API
    /// cannot change.
    #[schema(pattern = "^(api|file)$", example = "api")]
    origin: &'static str,
    /// Whether the service is probed.
    enabled: bool,
    /// Seconds between probes; the configured default if the service sets none.
    interval_seconds: f64,
    /// Timeout of a probe in seconds; the configured default if the service sets none.
    timeout_seconds: f64,
    /// Conditions on the response; if empty, the default rule of the protocol decides (HTTP: a
    /// status below 400).
    #[schema(example = json!(["[STATUS] == 200"]))]
    conditions: Vec<String>,
    /// Further fields of `NewService` that differ from their defaults; secrets are masked,
    /// and so are `body` and `expect` unless `SHOW_REQUESTS` is true.
    #[serde(flatten)]
    #[schema(ignore)]
    options: Map<String, Value>,
    /// `up`, `down`, `unknown` while the local network is unreachable, `pending` before the first
    /// result, `paused` when not enabled.
    #[schema(pattern = "^(up|down|unknown|pending|paused)$", example = "up")]
    state: &'static str,
    /// Whether the state changes too often: true once the weighted changes among the newest 21
    /// results reach 20 %, false again below 5 % (Nagios's rule).
    flapping: bool,
    /// The maintenance that the service is under; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    planned: Option<Planned>,
    /// The newest event; null before the first result.
    #[schema(required = true)]
    current_status: Option<Event>,
    /// The newest event in the form of go-service-healthcheck; absent before the first result.
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_event: Option<One<Event>>,
    /// The open alert, the most severe of several; null without one.
    #[schema(required = true)]
    alert: Option<OpenAlert>,
    /// Totals over all ticks; null before the first result.
    #[schema(required = true)]
    metric: Option<One<Metric>>,
    /// Unix seconds.
    created_at: i64,
    /// Time of the last change to the definition, in unix seconds.
    updated_at: i64,
}

impl Service {
    /// Whether it is shown the same until something that is stored of it changes.
    pub fn is_lasting(&self) -> bool {
        self.planned.is_none()
    }

    /// `alerts` are the open ones.
    pub fn new(record: &ServiceRecord, alerts: &[alert::Alert], context: &ServiceContext) -> Self {
        let ServiceContext { defaults, requests, windows, now_ms } = context;
        let requests = *requests;
        let state = record.status().as_str();
        let event = || record.latest_event.as_ref().map(Event::new);
        let definition = &record.definition;
        let group = definition.group.as_ref().map(Group::as_str);
        Self {
            id: record.id.get(),
            name: definition.name.as_str().to_owned(),
            url: definition.target.shown(requests),
            group: group.map(str::to_owned),
            origin: record.origin.as_str(),
            enabled: definition.enabled,
            interval_seconds: definition.interval.unwrap_or(defaults.interval).as_seconds(),
            timeout_seconds: definition.timeout.unwrap_or(defaults.timeout).as_seconds(),
            conditions: definition.conditions.iter().map(ToString::to_string).collect(),
            options: spec::write_options(&definition.options, Form::Masked(requests)),
            state,
            flapping: record.tally.is_some_and(|tally| tally.is_flapping),
            planned: windows
                .active(record.id, definition.name.as_str(), group, *now_ms)
                .map(|active| Planned::new(&active)),
            current_status: event(),
            latest_event: event().map(One::new),
            alert: OpenAlert::of(alerts),
            metric: record
                .tally
                .as_ref()
                .filter(|tally| tally.has_ticks())
                .map(|tally| One::new(Metric::new(&tally.totals()))),
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

/// Totals over all ticks of a service.
#[derive(Debug, Serialize, ToSchema)]
pub struct Metric {
    /// Ticks that are up or down.
    tick_count: u64,
    /// Ticks that are up.
    up_count: u64,
    /// Ticks that are down.
    down_count: u64,
    /// Ticks that are unknown because the local network was unreachable.
    unknown_count: u64,
    /// Mean over the ticks that are up or down, in milliseconds.
    #[schema(example = 53.4)]
    average_response_time_ms: f64,
    /// 100 × `up_count` ÷ `tick_count`.
    #[schema(example = 99.9)]
    uptime_percent: f64,
}

impl Metric {
    fn new(totals: &TickTotals) -> Self {
        Self {
            tick_count: totals.tick_count,
            up_count: totals.up_count,
            down_count: totals.down_count(),
            unknown_count: totals.unknown_count,
            average_response_time_ms: totals.average_response_time_ms(),
            uptime_percent: totals.uptime_percent(),
        }
    }
}
