//! The JSON shapes of the history: ticks, series, uptime, objectives, sizes.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::input::SeriesOf;
use super::probe_view::Phases;
use super::views::{Event, List, One};
use crate::domain::slo::{Budget, Slo};
use crate::domain::stats::Stats;
use crate::domain::timeline::{Totals, UnknownAs, Uptime};
use crate::domain::{KeptTick, PHASES, State, duration};
use crate::storage::history::Window;
use crate::storage::history::events::ServiceEvent;
use crate::storage::history::series::Grid;
use crate::storage::history::ticks::TickPage;
use crate::storage::history::uptime::ServiceUptime;
use crate::storage::history::usage::Usage;

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
    fn new(seq: u64, tick: &KeptTick) -> Self {
        Self {
            seq,
            date: tick.at_ms.div_euclid(1_000),
            date_ms: tick.at_ms,
            state: state_word(tick.state),
            response_time_ms: millis(tick.response_time_us as f64),
            http_status: tick.http_status,
            reason: tick.reason.map(|reason| reason.as_str()),
            phases: tick.phases_us.map(|us| phases(us.map(|us| us as f64))),
        }
    }
}

fn phases(us: [f64; PHASES]) -> Phases {
    let [dns, connect, tls, first_byte, transfer] = us.map(millis);
    Phases {
        resolve_ms: dns,
        connect_ms: connect,
        tls_ms: tls,
        processing_ms: first_byte,
        transfer_ms: transfer,
    }
}

/// The word for a tick of that state.
pub fn state_word(state: State) -> &'static str {
    match state {
        State::Up => "up",
        State::Down => "down",
        State::Unknown => "unknown",
        State::Paused => "paused",
    }
}

/// Milliseconds, to the nanosecond.
fn millis(us: f64) -> f64 {
    (us * 1e3).round() / 1e6
}

/// `data` of a series.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesData {
    /// The series.
    pub series: One<Series>,
}

/// A window cut into equal buckets.
#[derive(Debug, Serialize, ToSchema)]
pub struct Series {
    /// `response_time`, `uptime` or `phases`.
    #[schema(pattern = "^(response_time|uptime|phases)$", example = "response_time")]
    of: &'static str,
    /// Start of the first bucket, in unix seconds: the first multiple of the step at or before what was asked for.
    from: i64,
    /// End of the last bucket, in unix seconds.
    to: i64,
    /// Length of a bucket.
    step_seconds: i64,
    /// Where the numbers come from: `ticks`, `hours`, `days` or `events`.
    #[schema(pattern = "^(ticks|hours|days|events)$", example = "ticks")]
    source: &'static str,
    /// Oldest first; one without results has a count of 0.
    buckets: Buckets,
}

/// The buckets of a series, of the one shape that belongs to what it is of.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Buckets {
    /// Of `response_time`.
    ResponseTime(Vec<ResponseTimeBucket>),
    /// Of `phases`.
    Phases(Vec<PhasesBucket>),
    /// Of `uptime`.
    Uptime(Vec<UptimeBucket>),
}

/// Response times of the ticks that are up or down. The percentiles are within 0.8 % of the true ones.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResponseTimeBucket {
    /// Unix seconds.
    start: i64,
    /// Ticks that are up or down.
    count: u64,
    /// Ticks that say nothing.
    unknown_count: u64,
    /// Of the counted ticks, the share that is up, from 0 to 1; null without any.
    #[schema(required = true, example = 0.998)]
    up_share: Option<f64>,
    /// Mean; null without ticks, as are the others.
    #[schema(required = true)]
    avg_ms: Option<f64>,
    #[schema(required = true)]
    min_ms: Option<f64>,
    #[schema(required = true)]
    max_ms: Option<f64>,
    /// Half of the ticks took at most this.
    #[schema(required = true)]
    p50_ms: Option<f64>,
    #[schema(required = true)]
    p90_ms: Option<f64>,
    #[schema(required = true)]
    p99_ms: Option<f64>,
}

impl ResponseTimeBucket {
    fn new(start_ms: i64, stats: &Stats) -> Self {
        let us = |us: Option<u64>| us.map(|us| millis(us as f64));
        Self {
            start: start_ms.div_euclid(1_000),
            count: stats.known(),
            unknown_count: stats.unknown,
            up_share: stats.up_share(),
            avg_ms: stats.average_us().map(millis),
            min_ms: us(stats.min_us),
            max_ms: us(stats.max_us),
            p50_ms: us(stats.quantile_us(0.5)),
            p90_ms: us(stats.quantile_us(0.9)),
            p99_ms: us(stats.quantile_us(0.99)),
        }
    }
}

/// Where the time of the ticks went on average.
#[derive(Debug, Serialize, ToSchema)]
pub struct PhasesBucket {
    /// Unix seconds.
    start: i64,
    /// Ticks that are up or down and have phases.
    count: u64,
    /// Means; null without ticks.
    #[schema(required = true)]
    phases: Option<Phases>,
}

impl PhasesBucket {
    fn new(start_ms: i64, stats: &Stats) -> Self {
        Self {
            start: start_ms.div_euclid(1_000),
            count: stats.phased,
            phases: stats.average_phases_us().map(phases),
        }
    }
}

/// What the events say of a bucket, up to now.
#[derive(Debug, Serialize, ToSchema)]
pub struct UptimeBucket {
    /// Unix seconds.
    start: i64,
    /// Time in each state.
    seconds: Seconds,
    /// 100 × up ÷ (up + down), unknown time counted as asked; null when nothing is known.
    #[schema(required = true, example = 99.95)]
    uptime_percent: Option<f64>,
}

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
    fn new(totals: &Totals) -> Self {
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

impl Series {
    fn new(of: SeriesOf, grid: Grid, source: &'static str, buckets: Buckets) -> Self {
        let Window { from_ms, to_ms } = grid.window();
        Self {
            of: of.as_str(),
            from: from_ms / 1_000,
            to: to_ms / 1_000,
            step_seconds: grid.step_ms / 1_000,
            source,
            buckets,
        }
    }

    /// A series of what ticks add up to.
    pub fn of_stats(of: SeriesOf, grid: Grid, stats: &[Stats]) -> Self {
        let all = grid.starts().zip(stats);
        let buckets = if of == SeriesOf::Phases {
            Buckets::Phases(all.map(|(start, stats)| PhasesBucket::new(start, stats)).collect())
        } else {
            let bucket = |(start, stats)| ResponseTimeBucket::new(start, stats);
            Buckets::ResponseTime(all.map(bucket).collect())
        };
        Self::new(of, grid, grid.source().as_str(), buckets)
    }

    /// A series of what events say.
    pub fn of_totals(grid: Grid, totals: &[Totals], unknown: UnknownAs) -> Self {
        let bucket = |(start_ms, totals): (i64, &Totals)| UptimeBucket {
            start: start_ms / 1_000,
            seconds: Seconds::new(totals),
            uptime_percent: Uptime { totals: *totals, unknown, ..Uptime::default() }.percent(),
        };
        let buckets = Buckets::Uptime(grid.starts().zip(totals).map(bucket).collect());
        Self::new(SeriesOf::Uptime, grid, "events", buckets)
    }
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
            service_id: found.service_id,
            event: Event::new(&found.event),
            service_name: found.service_name,
        }
    }
}

/// `data` of what the store takes.
#[derive(Debug, Serialize, ToSchema)]
pub struct StorageData {
    /// How much there is.
    pub storage: One<Storage>,
}

/// How much there is in the store, and what room it takes.
#[derive(Debug, Serialize, ToSchema)]
pub struct Storage {
    /// Bytes.
    bytes: StorageBytes,
    /// Rows.
    rows: BTreeMap<&'static str, u64>,
    /// What a sealed tick takes on average, in bytes; null while none is sealed.
    #[schema(required = true, example = 8.4)]
    bytes_per_sealed_tick: Option<f64>,
    /// From about when on ticks are kept, in unix seconds; null while none is sealed.
    #[schema(required = true)]
    ticks_since: Option<i64>,
    /// Unix seconds of the last sealing; null before the first.
    #[schema(required = true)]
    sealed_at: Option<i64>,
}

/// Sizes in bytes.
#[derive(Debug, Serialize, ToSchema)]
pub struct StorageBytes {
    /// The database file.
    file: u64,
    /// The write-ahead log beside it.
    log: u64,
    /// Of the file, what is free for what comes next.
    free: u64,
    /// Of the file, what sealed ticks take.
    sealed_ticks: u64,
}

impl Storage {
    /// What `usage` says.
    pub fn new(usage: &Usage) -> Self {
        let per_tick = usage.sealed_bytes as f64 / usage.sealed_ticks as f64;
        Self {
            bytes: StorageBytes {
                file: usage.file_bytes,
                log: usage.log_bytes,
                free: usage.free_bytes,
                sealed_ticks: usage.sealed_bytes,
            },
            rows: usage.rows().into_iter().collect(),
            bytes_per_sealed_tick: (usage.sealed_ticks > 0).then_some(per_tick),
            ticks_since: usage.ticks_since_ms.map(|ms| ms.div_euclid(1_000)),
            sealed_at: (usage.sealed_at_ms > 0).then(|| usage.sealed_at_ms.div_euclid(1_000)),
        }
    }
}
