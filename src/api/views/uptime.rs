//! Uptime and service level objectives.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::views::envelope::{List, One};
use crate::domain::Window;
use crate::domain::history::slo::{Budget, Slo};
use crate::domain::history::timeline::{CountAs, Counting, Totals, Uptime};
use crate::domain::time::duration;
use crate::storage::history::uptime::ServiceUptime;

/// Seconds in each state, to the millisecond; their sum is the length of the window.
#[derive(Debug, Serialize, ToSchema)]
pub struct Seconds {
    /// The service was up.
    up: f64,
    /// The service was down.
    down: f64,
    /// The state is not known: the local network was unreachable, the monitor did not run, or the
    /// service did not exist yet.
    unknown: f64,
    /// The service was not enabled.
    paused: f64,
    /// The service was down or unknown under maintenance; part of neither `down` nor `unknown`.
    planned: f64,
}

impl Seconds {
    pub fn new(totals: &Totals) -> Self {
        Self {
            up: seconds(totals.up_ms as f64),
            down: seconds(totals.down_ms as f64),
            unknown: seconds(totals.unknown_ms as f64),
            paused: seconds(totals.paused_ms as f64),
            planned: seconds(totals.planned_ms as f64),
        }
    }
}

fn seconds(ms: f64) -> f64 {
    ms.round() / 1e3
}

/// `data` of a response with the uptime of a service.
#[derive(Debug, Serialize, ToSchema)]
pub struct UptimeData {
    pub uptime: One<UptimeView>,
}

/// Uptime of a service in a window, from its events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Uptime)]
pub struct UptimeView {
    /// Start of the window, in unix seconds.
    from: i64,
    /// End of the window, in unix seconds; never in the future.
    to: i64,
    /// Start of the window, in unix milliseconds.
    from_ms: i64,
    /// End of the window, in unix milliseconds.
    to_ms: i64,
    /// Time in each state.
    seconds: Seconds,
    /// How `uptime_percent` counts unknown time: `exclude`, `down` or `up`.
    #[schema(pattern = "^(exclude|down|up)$", example = "exclude")]
    unknown: &'static str,
    /// How `uptime_percent` counts planned time: `exclude`, `down` or `up`.
    #[schema(pattern = "^(exclude|down|up)$", example = "exclude")]
    planned: &'static str,
    /// 100 × up ÷ (up + down); null when the state was never known.
    #[schema(required = true, example = 99.95)]
    uptime_percent: Option<f64>,
    /// Downtimes in the window.
    outages: Outages,
}

/// Downtimes of a service. Unknown or paused time does not end a downtime.
#[derive(Debug, Serialize, ToSchema)]
pub struct Outages {
    /// Number of downtimes, including one that began before the window.
    count: u64,
    /// The longest downtime, counting only time within the window.
    longest_seconds: f64,
    /// Mean time to recovery: time down ÷ downtimes; null without downtimes.
    #[schema(required = true)]
    mttr_seconds: Option<f64>,
    /// Mean time between failures: time up ÷ downtimes; null without downtimes.
    #[schema(required = true)]
    mtbf_seconds: Option<f64>,
}

impl UptimeView {
    pub fn new(window: Window, uptime: &Uptime) -> Self {
        Self {
            from: window.from_ms.div_euclid(1_000),
            to: window.to_ms.div_euclid(1_000),
            from_ms: window.from_ms,
            to_ms: window.to_ms,
            seconds: Seconds::new(&uptime.totals),
            unknown: uptime.counting.unknown.as_str(),
            planned: uptime.counting.planned.as_str(),
            uptime_percent: uptime.percent(),
            outages: Outages {
                count: uptime.outages.count,
                longest_seconds: seconds(uptime.outages.longest_ms as f64),
                mttr_seconds: uptime.mttr_ms().map(seconds),
                mtbf_seconds: uptime.mtbf_ms().map(seconds),
            },
        }
    }
}

/// `data` of a response with the uptime of all services.
#[derive(Debug, Serialize, ToSchema)]
pub struct UptimesData {
    /// Uptime of each service, ordered by service id.
    pub uptime: List<ServiceUptimeView>,
}

/// A service and its uptime.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceUptime)]
pub struct ServiceUptimeView {
    /// Id of the service.
    service_id: i64,
    /// Name of the service.
    name: String,
    /// Group of the service; null when it has none.
    #[schema(required = true)]
    group: Option<String>,
    #[serde(flatten)]
    uptime: UptimeView,
}

impl ServiceUptimeView {
    pub fn new(window: Window, service: ServiceUptime) -> Self {
        let ServiceUptime { id, name, group, uptime } = service;
        let id = id.get();
        Self { service_id: id, name, group, uptime: UptimeView::new(window, &uptime) }
    }
}

/// `data` of a response with the objective of a service.
#[derive(Debug, Serialize, ToSchema)]
pub struct SloData {
    pub slo: One<SloStatus>,
}

/// Status of a service level objective. Unknown and paused time is excluded, and planned time
/// unless `planned` says otherwise.
#[derive(Debug, Serialize, ToSchema)]
pub struct SloStatus {
    /// Target uptime in percent.
    #[schema(example = 99.9)]
    target: f64,
    /// Length of the window that ends now.
    #[schema(example = "30d")]
    window: String,
    /// Time in each state within the window.
    seconds: Seconds,
    /// How planned time counts: `exclude`, `down` or `up`.
    #[schema(pattern = "^(exclude|down|up)$", example = "exclude")]
    planned: &'static str,
    /// 100 × up ÷ (up + down); null when the state was never known.
    #[schema(required = true, example = 99.95)]
    uptime_percent: Option<f64>,
    /// Allowed downtime and its use.
    error_budget: ErrorBudget,
    /// Burn rates over the last 5 m, 1 h, 6 h and 3 d: the share of downtime divided by the allowed
    /// share. At 1 the error budget lasts exactly one window. Null when the state was never known.
    #[schema(example = json!({"5m": 0.0, "1h": 14.4, "6h": 2.4, "3d": 0.2}))]
    burn_rates: BTreeMap<&'static str, Option<f64>>,
}

/// Error budget of an objective.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBudget {
    /// The whole budget: 100 % − target, of the window.
    seconds: f64,
    /// Spent budget.
    spent_seconds: f64,
    /// Remaining budget; negative when overspent.
    left_seconds: f64,
    /// Remaining budget in percent of the whole budget.
    left_percent: f64,
}

impl SloStatus {
    /// `totals` are those of the window of `slo`; `burn_rates` have the names of their windows.
    pub fn new(
        slo: &Slo,
        (totals, planned): (&Totals, CountAs),
        budget: &Budget,
        burn_rates: BTreeMap<&'static str, Option<f64>>,
    ) -> Self {
        Self {
            target: slo.target_percent,
            window: duration::format_span(slo.window),
            seconds: Seconds::new(totals),
            planned: planned.as_str(),
            uptime_percent: Uptime {
                totals: *totals,
                counting: Counting { planned, ..Counting::default() },
                ..Uptime::default()
            }
            .percent(),
            error_budget: ErrorBudget {
                seconds: seconds(budget.allowed_ms),
                spent_seconds: seconds(budget.spent_ms as f64),
                left_seconds: seconds(budget.left_ms),
                left_percent: budget.left_percent,
            },
            burn_rates,
        }
    }
}
