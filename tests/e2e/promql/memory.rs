//! Series in memory, for the evaluator and for Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;

use service_healthcheck::promql::{
    EvalError, Labels, Meter, Point, Selected, SelectedSeries, Selection, Source,
};

#[derive(Default)]
pub struct Memory {
    series: BTreeMap<Labels, Vec<Point>>,
}

impl Memory {
    /// After those that the series has.
    pub fn add(&mut self, labels: &Labels, at_ms: i64, value: f64) {
        self.series.entry(labels.clone()).or_default().push(Point { at_ms, value });
    }

    /// In the text format of OpenMetrics.
    pub fn open_metrics(&self) -> String {
        let mut text = String::new();
        for (labels, points) in &self.series {
            let inner: Vec<String> = labels
                .iter()
                .filter(|(name, _)| *name != "__name__")
                .map(|(name, value)| format!("{name}={value:?}"))
                .collect();
            for point in points {
                let (seconds, ms) = (point.at_ms / 1000, point.at_ms % 1000);
                let name = labels.get("__name__");
                let (inner, value) = (inner.join(","), point.value);
                writeln!(text, "{name}{{{inner}}} {value} {seconds}.{ms:03}").unwrap();
            }
        }
        text
    }
}

impl Source for Memory {
    fn select(&self, selection: &Selection<'_>, meter: &Meter<'_>) -> Result<Selected, EvalError> {
        let lookback_ms = selection.lookback_ms.unwrap_or(0);
        let after_ms = selection.after_ms - lookback_ms;
        let mut series = Vec::new();
        for (labels, points) in &self.series {
            if selection.matchers.iter().all(|one| one.matches(labels.get(&one.name))) {
                let from = points.partition_point(|point| point.at_ms <= after_ms);
                let to = points.partition_point(|point| point.at_ms <= selection.to_ms);
                let points = points[from..to.max(from)].to_vec();
                meter.hold(points.len())?;
                series.push(SelectedSeries { labels: labels.clone(), lookback_ms, points });
            }
        }
        Ok(Selected { series, notices: Vec::new() })
    }
}
