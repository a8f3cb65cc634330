//! Series: a window in equal buckets.

use serde::Serialize;
use utoipa::ToSchema;

use super::One;
use crate::api::input::SeriesOf;
use crate::api::probe_view::Phases;
use crate::api::views::ticks::{millis, phases};
use crate::api::views::uptime::Seconds;
use crate::domain::Window;
use crate::domain::history::stats::Stats;
use crate::domain::history::timeline::{Totals, UnknownAs, Uptime};
use crate::storage::history::series::Grid;

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
    /// Of `uptime`: what unknown time counts as in percent, `exclude` for neither, `down` or `up`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(exclude|down|up)$")]
    unknown: Option<&'static str>,
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
        let series = Self::new(SeriesOf::Uptime, grid, "events", buckets);
        Self { unknown: Some(unknown.as_str()), ..series }
    }
}
