//! The chart of response times: p50, p90 and p99 over time, with downtime behind them.

use maud::{Markup, html};

use crate::ui::html::text;

/// Height of the plot, in pixels.
const PLOT: f64 = 200.0;

/// Class and name of each line.
const LINES: [(&str, &str); 3] =
    [("l-50", "median"), ("l-90", "90th percentile"), ("l-99", "99th percentile")];

/// Ticks of the vertical axis.
const TICKS: u32 = 4;

/// Points of a series; a value is `None` in a bucket without results.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// Start of the first bucket, in unix milliseconds.
    pub from_ms: i64,
    /// Length of a bucket.
    pub step_ms: i64,
    pub points: Vec<Point>,
}

/// A bucket; times are milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Point {
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p99: Option<f64>,
    /// Whether a result of the bucket is down.
    pub is_down: bool,
}

impl Series {
    fn end_ms(&self) -> i64 {
        self.from_ms + self.step_ms * self.points.len() as i64
    }

    fn most(&self) -> f64 {
        let values = self.points.iter().flat_map(|point| [point.p50, point.p90, point.p99]);
        values.flatten().fold(0.0, f64::max)
    }
}

/// The smallest round number that is at least `value`: 1, 2, 2.5, 4, 5 or 8 times a power of ten,
/// whose quarters are round too.
pub fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 2.4, 4.0, 6.0, 8.0, 10.0];
    steps.map(|step| step * power).into_iter().find(|round| *round >= value).unwrap_or(value)
}

/// The path of one line; a bucket without a value interrupts it.
fn line(values: impl Iterator<Item = Option<f64>>, most: f64) -> String {
    let mut path = String::new();
    let mut is_open = false;
    let mut alone = None;
    for (x, value) in values.enumerate() {
        let Some(value) = value else {
            is_open = false;
            continue;
        };
        let y = PLOT - value / most * PLOT;
        if is_open {
            path.push_str(&format!("L{x} {y:.1}"));
            alone = None;
        } else {
            close_point(&mut path, alone);
            path.push_str(&format!("M{x} {y:.1}"));
            alone = Some(());
        }
        is_open = true;
    }
    close_point(&mut path, alone);
    path
}

/// A point without neighbours is a short line, since a path of one point is not drawn.
fn close_point(path: &mut String, alone: Option<()>) {
    if alone.is_some() {
        path.push_str("h.5");
    }
}

/// The values for the script, one bucket a field: `p50 p90 p99`, rounded.
fn values(series: &Series) -> String {
    let number = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.1}"));
    let fields = series.points.iter().map(|point| {
        let Point { p50, p90, p99, is_down } = *point;
        let mark = if is_down { "!" } else { "" };
        format!("{} {} {}{mark}", number(p50), number(p90), number(p99))
    });
    fields.collect::<Vec<_>>().join(",")
}

/// The chart with its axes and its legend.
pub fn chart(series: &Series) -> Markup {
    let most = round_up(series.most());
    let width = series.points.len().max(2) - 1;
    let unit = if most >= 1_000.0 { (1_000.0, "s") } else { (1.0, "ms") };
    let length_ms = series.end_ms() - series.from_ms;
    html! {
        div.plot data-chart=(values(series)) data-from=(series.from_ms) data-step=(series.step_ms) {
            svg.chart role="img" aria-label=(label(series)) {
                @for nth in 0..=TICKS {
                    @let y = 20.0 + PLOT - PLOT * f64::from(nth) / f64::from(TICKS);
                    line.grid x1="0" x2="100%" y1=(y) y2=(y) {}
                    text x="0" y=(y - 4.0) {
                        (tick(most * f64::from(nth) / f64::from(TICKS) / unit.0))
                        @if nth == TICKS { " " (unit.1) }
                    }
                }
                svg x="0" y="20" width="100%" height=(PLOT) preserveAspectRatio="none"
                    viewBox={ "0 0 " (width) " " (PLOT) } overflow="visible" {
                    @for (first, count) in downtimes(&series.points) {
                        @let x = (first as f64 - 0.5).max(0.0);
                        @let end = ((first + count) as f64 - 0.5).min(width as f64);
                        rect.shade x=(x) width=(end - x) height=(PLOT) {}
                        rect.floor x=(x) y=(PLOT - 3.0) width=(end - x) height="3" {}
                    }
                    path.l-99 d=(line(series.points.iter().map(|point| point.p99), most)) {}
                    path.l-90 d=(line(series.points.iter().map(|point| point.p90), most)) {}
                    path.l-50 d=(line(series.points.iter().map(|point| point.p50), most)) {}
                    path.cross data-cross hidden d={ "M0 0V" (PLOT) } {}
                }
            }
            div.axis {
                @for nth in 0..=4 {
                    @let at_ms = series.from_ms + length_ms * nth / 4;
                    @if length_ms > 2 * 86_400_000 { (text::day(at_ms)) }
                    @else { (text::minute(at_ms)) }
                }
            }
            div.row.between {
                ul.legend {
                    @for (class, name) in LINES {
                        li {
                            svg aria-hidden="true" viewBox="0 0 24 12" {
                                path class=(class) d="M1 6h22" {}
                            }
                            (name) " " b data-value=(class) {}
                        }
                    }
                }
                output.sub data-chart-text {}
            }
        }
    }
}

fn tick(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// One sentence for readers who do not see the image.
fn label(series: &Series) -> String {
    let medians: Vec<f64> = series.points.iter().filter_map(|point| point.p50).collect();
    let least = medians.iter().copied().fold(f64::INFINITY, f64::min);
    let most = medians.iter().copied().fold(0.0, f64::max);
    if medians.is_empty() {
        return "Response time: no results".to_owned();
    }
    format!(
        "Response time: median from {} to {}, slowest 99th percentile {}",
        text::response(least),
        text::response(most),
        text::response(series.most())
    )
}

/// First bucket and number of buckets of each downtime.
fn downtimes(points: &[Point]) -> Vec<(usize, usize)> {
    let mut downtimes: Vec<(usize, usize)> = Vec::new();
    for (nth, _) in points.iter().enumerate().filter(|(_, point)| point.is_down) {
        match downtimes.last_mut() {
            Some((first, count)) if *first + *count == nth => *count += 1,
            _ => downtimes.push((nth, 1)),
        }
    }
    downtimes
}

/// The buckets with results as a table, newest first.
pub fn table(series: &Series) -> Markup {
    let starts = (0..).map(|nth| series.from_ms + nth * series.step_ms);
    let buckets = starts.zip(&series.points);
    let rows: Vec<_> = buckets.filter(|(_, point)| point.p50.is_some()).collect();
    let cell = |value: Option<f64>| value.map(text::response).unwrap_or_default();
    html! {
        table {
            caption.vh { "Response times" }
            thead {
                tr {
                    th scope="col" { "From" }
                    @for name in ["Median", "90th percentile", "99th percentile"] {
                        th.num scope="col" { (name) }
                    }
                }
            }
            tbody {
                @for (start_ms, point) in rows.into_iter().rev() {
                    tr {
                        th scope="row" { (text::moment(start_ms, series.end_ms())) }
                        td.num data-label="Median" { (cell(point.p50)) }
                        td.num data-label="90th" { (cell(point.p90)) }
                        td.num data-label="99th" { (cell(point.p99)) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(p50: f64) -> Point {
        Point { p50: Some(p50), p90: Some(2.0 * p50), p99: Some(4.0 * p50), is_down: false }
    }

    #[test]
    fn the_axis_ends_at_a_round_number_above_every_value() {
        for (value, round) in [
            (0.0, 1.0),
            (0.7, 0.8),
            (1.0, 1.0),
            (93.0, 100.0),
            (182.0, 200.0),
            (230.0, 240.0),
            (601.0, 800.0),
            (1_900.0, 2_000.0),
        ] {
            assert!((round_up(value) - round).abs() < 1e-9, "{value}: {}", round_up(value));
        }
    }

    #[test]
    fn a_bucket_without_results_interrupts_the_lines() {
        let values = [Some(0.0), Some(50.0), None, Some(100.0), None, Some(25.0), Some(25.0)];
        let path = line(values.into_iter(), 100.0);
        assert_eq!(path, "M0 200.0L1 100.0M3 0.0h.5M5 150.0L6 150.0");
    }

    #[test]
    fn downtimes_are_shaded_and_values_are_for_the_script() {
        let down = Point { is_down: true, ..Point::default() };
        let points = vec![point(10.0), down, Point { is_down: true, ..point(20.0) }, point(10.0)];
        assert_eq!(downtimes(&points), [(1, 2)]);
        let series = Series { from_ms: 0, step_ms: 60_000, points };
        let drawn = chart(&series).into_string();
        assert_eq!(drawn.matches("rect class=\"shade\"").count(), 1);
        assert!(drawn.contains("data-chart=\"10.0 20.0 40.0,  !,20.0 40.0 80.0!,10.0 20.0 40.0\""));
        assert!(drawn.contains("median from 10 ms to 20 ms, slowest 99th percentile 80 ms"));
        assert_eq!(table(&series).into_string().matches("<tr>").count(), 1 + 3);
    }

    #[test]
    fn a_chart_of_400_buckets_is_at_most_32_kb() {
        let points = (0..400).map(|nth| point(50.0 + f64::from(nth % 17))).collect();
        let drawn = chart(&Series { from_ms: 0, step_ms: 216_000, points }).into_string();
        assert!(drawn.len() <= 32_000, "{}", drawn.len());
    }
}
