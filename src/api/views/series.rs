//! Time series in buckets of equal length.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::views::envelope::One;
use crate::api::views::phases::{Phases, millis};
use crate::api::views::uptime::Seconds;
use crate::domain::Window;
use crate::domain::history::stats::Stats;
use crate::domain::history::timeline::{Counting, Totals, Uptime};
use crate::storage::history::series::Grid;

/// The content of a time series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesOf {
    /// Tick counts and response times.
    ResponseTime,
    /// Time up, down, unknown, paused and planned.
    Uptime,
    /// Mean durations of the phases.
    Phases,
}

impl SeriesOf {
    pub const ALL: [Self; 3] = [Self::ResponseTime, Self::Uptime, Self::Phases];

    /// Value of the parameter `of`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResponseTime => "response_time",
            Self::Uptime => "uptime",
            Self::Phases => "phases",
        }
    }
}

/// `data` of a response with a time series.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesData {
    pub series: One<Series>,
}

/// A time series in buckets of equal length.
#[derive(Debug, Serialize, ToSchema)]
pub struct Series {
    /// `response_time`, `uptime` or `phases`.
    #[schema(pattern = "^(response_time|uptime|phases)$", example = "response_time")]
    of: &'static str,
    /// Start of the first bucket, in unix seconds: the last multiple of the step at or before the
    /// requested start.
    from: i64,
    /// End of the last bucket, in unix seconds.
    to: i64,
    /// Length of a bucket, in seconds.
    step_seconds: i64,
    /// Source of the data: `ticks`, `hours` or `days` (roll-ups), or `events`.
    #[schema(pattern = "^(ticks|hours|days|events)$", example = "ticks")]
    source: &'static str,
    /// How `uptime_percent` counts unknown time: `exclude`, `down` or `up`. Only for `uptime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(exclude|down|up)$")]
    unknown: Option<&'static str>,
    /// How `uptime_percent` counts planned time: `exclude`, `down` or `up`. Only for `uptime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(exclude|down|up)$")]
    planned: Option<&'static str>,
    /// Oldest first. A bucket without ticks has a count of 0.
    buckets: Buckets,
}

/// The buckets of a series; `of` decides their shape.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Buckets {
    /// For `response_time`.
    ResponseTime(Vec<ResponseTimeBucket>),
    /// For `phases`.
    Phases(Vec<PhasesBucket>),
    /// For `uptime`.
    Uptime(Vec<UptimeBucket>),
}

/// Response times of the ticks that are up or down. The percentiles are within 0.8 % of the exact
/// ones.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResponseTimeBucket {
    /// Start of the bucket, in unix seconds.
    start: i64,
    /// Ticks that are up or down.
    count: u64,
    /// Ticks that are unknown.
    unknown_count: u64,
    /// Share of the counted ticks that are up, 0 to 1; null without ticks.
    #[schema(required = true, example = 0.998)]
    up_share: Option<f64>,
    /// Mean; null without ticks, as are the others.
    #[schema(required = true)]
    avg_ms: Option<f64>,
    #[schema(required = true)]
    min_ms: Option<f64>,
    #[schema(required = true)]
    max_ms: Option<f64>,
    /// Median.
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

/// Mean durations of the phases.
#[derive(Debug, Serialize, ToSchema)]
pub struct PhasesBucket {
    /// Start of the bucket, in unix seconds.
    start: i64,
    /// Ticks that are up or down and have phases.
    count: u64,
    /// Mean durations; null without ticks.
    #[schema(required = true)]
    phases: Option<Phases>,
}

impl PhasesBucket {
    fn new(start_ms: i64, stats: &Stats) -> Self {
        Self {
            start: start_ms.div_euclid(1_000),
            count: stats.phased,
            phases: stats.average_phases_us().map(Phases::from_micros),
        }
    }
}

/// Uptime in a bucket, from the events; the current bucket ends now.
#[derive(Debug, Serialize, ToSchema)]
pub struct UptimeBucket {
    /// Start of the bucket, in unix seconds.
    start: i64,
    /// Time in each state.
    seconds: Seconds,
    /// 100 × up ÷ (up + down), with unknown time counted as `unknown` says; null when the state was
    /// never known.
    #[schema(required = true, example = 99.95)]
    uptime_percent: Option<f64>,
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
            unknown: None,
            planned: None,
            buckets,
        }
    }

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

    pub fn of_totals(grid: Grid, totals: &[Totals], counting: Counting) -> Self {
        let bucket = |(start_ms, totals): (i64, &Totals)| UptimeBucket {
            start: start_ms / 1_000,
            seconds: Seconds::new(totals),
            uptime_percent: Uptime { totals: *totals, counting, ..Uptime::default() }.percent(),
        };
        let buckets = Buckets::Uptime(grid.starts().zip(totals).map(bucket).collect());
        let series = Self::new(SeriesOf::Uptime, grid, "events", buckets);
        let Counting { unknown, planned } = counting;
        Self { unknown: Some(unknown.as_str()), planned: Some(planned.as_str()), ..series }
    }
}
