//! The metrics of the program as series with one sample, now.

use std::cell::OnceCell;

use crate::metrics::{Format, Telemetry};
use crate::promql::{
    Comparison, EvalError, Fold, Folded, Labels, METRIC_NAME, Matcher, Meter, Point, Selected,
    SelectedSeries, Selection, Source, parse_selector,
};

/// A query for a moment up to this long ago is one for now, in milliseconds.
const NOW_MS: i64 = 10_000;

/// Beginnings of the names.
const PREFIXES: [&str; 2] = ["service_healthcheck_", "process_"];

/// The metrics of the program at one moment; they are read when a query may need them.
pub struct ProgramMetrics<'a> {
    telemetry: &'a Telemetry,
    /// Value of the label `job`.
    job: &'a str,
    /// Whether they exist for the query.
    are_visible: bool,
    now_ms: i64,
    read: OnceCell<Vec<(Labels, f64)>>,
}

impl<'a> ProgramMetrics<'a> {
    pub fn new(telemetry: &'a Telemetry, job: &'a str, are_visible: bool, now_ms: i64) -> Self {
        Self { telemetry, job, are_visible, now_ms, read: OnceCell::new() }
    }

    /// Those that fulfil the matchers.
    pub fn matching(&self, matchers: &[Matcher]) -> impl Iterator<Item = &(Labels, f64)> {
        let is_possible = self.are_visible && matchers.iter().all(may_be_name);
        let all = if is_possible { self.read.get_or_init(|| self.read()).as_slice() } else { &[] };
        all.iter().filter(move |(labels, _)| {
            matchers.iter().all(|matcher| matcher.matches(labels.get(&matcher.name)))
        })
    }

    /// The time of the samples in a window up to `to_ms`.
    fn at_ms(&self, to_ms: i64) -> Option<i64> {
        (to_ms > self.now_ms - NOW_MS).then_some(to_ms.min(self.now_ms))
    }

    fn read(&self) -> Vec<(Labels, f64)> {
        let text = self.telemetry.expose(Vec::new(), Format::Plain).unwrap_or_default();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| sample(line, self.job)).collect()
    }
}

/// Whether a metric is one of the program, by its name.
pub fn is_of_program(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a metric of the program may fulfil the matcher.
fn may_be_name(matcher: &Matcher) -> bool {
    let is_name = matcher.name == METRIC_NAME && matches!(matcher.comparison, Comparison::Equal);
    !is_name || is_of_program(&matcher.value)
}

/// A line `name{labels} value` of the text format, whose labels are a selector.
fn sample(line: &str, job: &str) -> Option<(Labels, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let matchers = parse_selector(series).ok()?;
    let labels = matchers.iter().map(|one| (one.name.as_str(), one.value.as_str()));
    let labels = Labels::new(labels.chain([("job", job)]));
    is_of_program(labels.metric_name()).then_some((labels, value.parse().ok()?))
}

/// A source with the metrics of the program.
pub struct WithProgram<'a> {
    pub source: &'a dyn Source,
    pub program: &'a ProgramMetrics<'a>,
}

impl Source for WithProgram<'_> {
    fn select(&self, selection: &Selection<'_>, meter: &Meter<'_>) -> Result<Selected, EvalError> {
        let mut selected = self.source.select(selection, meter)?;
        let lookback_ms = selection.lookback_ms.unwrap_or(0);
        let after_ms = selection.after_ms.saturating_sub(lookback_ms);
        let Some(at_ms) = self.program.at_ms(selection.to_ms).filter(|at_ms| *at_ms > after_ms)
        else {
            return Ok(selected);
        };
        let before = selected.series.len();
        let matching = self.program.matching(selection.matchers);
        selected.series.extend(matching.map(|(labels, value)| {
            let points = vec![Point { at_ms, value: *value }];
            SelectedSeries { labels: labels.clone(), lookback_ms, points }
        }));
        if selected.series.len() > before {
            meter.hold(selected.series.len() - before)?;
            selected.series.sort_by(|a, b| a.labels.cmp(&b.labels));
        }
        Ok(selected)
    }

    fn fold(&self, fold: &Fold<'_>, meter: &Meter<'_>) -> Result<Option<Folded>, EvalError> {
        if self.program.matching(fold.matchers).next().is_some() {
            return Ok(None);
        }
        self.source.fold(fold, meter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::{SamplePool, Steps};

    /// Without series.
    struct Empty;

    impl Source for Empty {
        fn select(&self, _: &Selection<'_>, _: &Meter<'_>) -> Result<Selected, EvalError> {
            Ok(Selected::default())
        }
    }

    fn count(program: &ProgramMetrics<'_>, selector: &str) -> usize {
        program.matching(&parse_selector(selector).unwrap()).count()
    }

    #[test]
    fn metrics_of_the_program_are_selected_by_their_names_and_labels() {
        let telemetry = Telemetry::default();
        let program = ProgramMetrics::new(&telemetry, "jobs", true, 1_000);
        let results = count(&program, "service_healthcheck_queries_total");
        assert!(results > 2, "{results}");
        let one = "service_healthcheck_queries_total{result=\"success\", job=\"jobs\"}";
        assert_eq!(count(&program, one), 1);
        assert!(count(&program, "{job=~\"jobs\"}") > 50);
        assert_eq!(count(&program, "{job=~\"other\"}"), 0);
        let program = ProgramMetrics::new(&telemetry, "jobs", true, 1_000);
        assert_eq!(count(&program, "probe_success"), 0);
        assert!(program.read.get().is_none(), "not read for it");
        let hidden = ProgramMetrics::new(&telemetry, "jobs", false, 1_000);
        assert_eq!(count(&hidden, "service_healthcheck_queries_total"), 0);
        let (labels, value) = sample("process_x{a=\"b\\\\\\\"c\"} +Inf", "jobs").unwrap();
        assert_eq!((labels.get("a"), value), ("b\\\"c", f64::INFINITY));
    }

    #[test]
    fn they_have_one_sample_now() {
        let telemetry = Telemetry::default();
        let program = ProgramMetrics::new(&telemetry, "jobs", true, 100_000);
        let source = WithProgram { source: &Empty, program: &program };
        let matchers = parse_selector("service_healthcheck_outcomes_buffered").unwrap();
        let (pool, never) = (SamplePool::new(1_000), || None);
        let meter = Meter::new(&pool, &never);
        for (after_ms, to_ms, expected) in [
            (50_000, 100_000, Some(100_000)),
            (50_000, 200_000, Some(100_000)),
            (50_000, 99_000, Some(99_000)),
            (50_000, 90_000, None),
            (100_000, 200_000, None),
        ] {
            let selection = Selection {
                matchers: &matchers,
                after_ms,
                to_ms,
                lookback_ms: None,
                moments: None::<Steps>,
            };
            let series = source.select(&selection, &meter).unwrap().series;
            let found = series.first().map(|one| one.points[0].at_ms);
            assert_eq!(found, expected, "{after_ms}–{to_ms}");
        }
    }
}
