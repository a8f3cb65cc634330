//! Uptime and objectives.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{List, One};
use crate::domain::Window;
use crate::domain::history::slo::{Budget, Slo};
use crate::domain::history::timeline::{Totals, Uptime};
use crate::domain::time::duration;
use crate::storage::history::uptime::ServiceUptime;

/// Seconds, exact to the millisecond; together they are the whole window.
#[derive(Debug, Serialize, ToSchema)]
pub struct Seconds {
    /// It answered.
    up: f64,
    /// It did not.
    down: f64,
    /// Nobody can tell: our own network was gone, this program did not run, or there was no service yet.
    unknown: f64,
    /// It was not enabled.
    paused: f64,
}

impl Seconds {
    /// Those of `totals`.
    pub fn new(totals: &Totals) -> Self {
        Self {
            up: seconds(totals.up_ms as f64),
            down: seconds(totals.down_ms as f64),
            unknown: seconds(totals.unknown_ms as f64),
            paused: seconds(totals.paused_ms as f64),
        }
    }
}

fn seconds(ms: f64) -> f64 {
    ms.round() / 1e3
}

/// `data` of the uptime of a service.
#[derive(Debug, Serialize, ToSchema)]
pub struct UptimeData {
    /// The uptime.
    pub uptime: One<UptimeView>,
}

/// What the events say of a window.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Uptime)]
pub struct UptimeView {
    /// Unix seconds.
    from: i64,
    /// Unix seconds; what lies in the future is cut off.
    to: i64,
    /// The same in unix milliseconds.
    from_ms: i64,
    /// The same in unix milliseconds.
    to_ms: i64,
    /// Time in each state.
    seconds: Seconds,
    /// What unknown time counts as below: `exclude` for neither, `down` or `up`.
    #[schema(pattern = "^(exclude|down|up)$", example = "exclude")]
    unknown: &'static str,
    /// 100 × up ÷ (up + down); null when nothing is known.
    #[schema(required = true, example = 99.95)]
    uptime_percent: Option<f64>,
    /// Times in which it was down.
    outages: Outages,
}

/// Times in which a service was down. What is unknown or paused in between does not end one.
#[derive(Debug, Serialize, ToSchema)]
pub struct Outages {
    /// How many, those that began before the window included.
    count: u64,
    /// The longest, as far as it lies in the window.
    longest_seconds: f64,
    /// Mean time to recovery: time down ÷ outages; null without any.
    #[schema(required = true)]
    mttr_seconds: Option<f64>,
    /// Mean time between failures: time up ÷ outages; null without any.
    #[schema(required = true)]
    mtbf_seconds: Option<f64>,
}

impl UptimeView {
    /// What `uptime` says of `window`.
    pub fn new(window: Window, uptime: &Uptime) -> Self {
        Self {
            from: window.from_ms.div_euclid(1_000),
            to: window.to_ms.div_euclid(1_000),
            from_ms: window.from_ms,
            to_ms: window.to_ms,
            seconds: Seconds::new(&uptime.totals),
            unknown: uptime.unknown.as_str(),
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

/// `data` of the uptime of all services.
#[derive(Debug, Serialize, ToSchema)]
pub struct UptimesData {
    /// The uptime of each, by id.
    pub uptime: List<ServiceUptimeView>,
}

/// The uptime of one of all services.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceUptime)]
pub struct ServiceUptimeView {
    /// Key of the service.
    service_id: i64,
    /// What it is called.
    name: String,
    /// Where it is shown; null when it has no group.
    #[schema(required = true)]
    group: Option<String>,
    /// Its uptime.
    #[serde(flatten)]
    uptime: UptimeView,
}

impl ServiceUptimeView {
    /// The uptime of one service in `window`.
    pub fn new(window: Window, service: ServiceUptime) -> Self {
        let ServiceUptime { id, name, group, uptime } = service;
        Self { service_id: id, name, group, uptime: UptimeView::new(window, &uptime) }
    }
}

/// `data` of a service's objective.
#[derive(Debug, Serialize, ToSchema)]
pub struct SloData {
    /// The objective.
    pub slo: One<SloStatus>,
}

/// How far an objective is kept. Unknown and paused time counts for neither side.
#[derive(Debug, Serialize, ToSchema)]
pub struct SloStatus {
    /// The uptime that was promised, in percent.
    #[schema(example = 99.9)]
    target: f64,
    /// Over how long.
    #[schema(example = "30d")]
    window: String,
    /// Time in each state over the window that ends now.
    seconds: Seconds,
    /// 100 × up ÷ (up + down); null when nothing is known.
    #[schema(required = true, example = 99.95)]
    uptime_percent: Option<f64>,
    /// How long it may be down.
    error_budget: ErrorBudget,
    /// How many times faster than allowed it was down lately, for the last 5 m, 1 h, 6 h and 3 d: at 1 the budget lasts exactly
    /// the window. Null when nothing is known.
    #[schema(example = json!({"5m": 0.0, "1h": 14.4, "6h": 2.4, "3d": 0.2}))]
    burn_rates: BTreeMap<&'static str, Option<f64>>,
}

/// How long a service may be down by its objective.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBudget {
    /// All of it: 100 % less the target, of the whole window.
    seconds: f64,
    /// What was used up.
    spent_seconds: f64,
    /// What is left; negative when more was used up.
    left_seconds: f64,
    /// The same in percent of all of it.
    left_percent: f64,
}

impl SloStatus {
    /// How far `slo` is kept where the window says `totals`, and the burn windows say `burn_rates`.
    pub fn new(
        slo: &Slo,
        totals: &Totals,
        budget: &Budget,
        burn_rates: BTreeMap<&'static str, Option<f64>>,
    ) -> Self {
        Self {
            target: slo.target_percent,
            window: duration::span_told(slo.window),
            seconds: Seconds::new(totals),
            uptime_percent: Uptime { totals: *totals, ..Uptime::default() }.percent(),
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
