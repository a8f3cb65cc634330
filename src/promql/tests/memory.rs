//! A source in memory.

use std::collections::BTreeMap;

use crate::promql::{
    Answer, EvalError, Labels, Meter, Options, Point, SamplePool, Selected, SelectedSeries,
    Selection, Source, Steps, instant, parse, range,
};

pub const LOOKBACK_MS: i64 = 300_000;

#[derive(Default)]
pub struct Memory {
    series: BTreeMap<Labels, BTreeMap<i64, f64>>,
}

impl Memory {
    /// The first of two samples with the same time stays.
    pub fn add(&mut self, labels: Labels, at_ms: i64, value: f64) {
        self.series.entry(labels).or_default().entry(at_ms).or_insert(value);
    }

    pub fn instant(&self, query: &str, at_ms: i64) -> Result<Answer, String> {
        self.run(query, |query, options, meter| instant(query, at_ms, options, self, meter))
    }

    pub fn range(&self, query: &str, steps: Steps) -> Result<Answer, String> {
        self.run(query, |query, options, meter| range(query, steps, options, self, meter))
    }

    fn run(
        &self,
        query: &str,
        run: impl Fn(&crate::promql::Query, Options, &Meter<'_>) -> Result<Answer, EvalError>,
    ) -> Result<Answer, String> {
        let query = parse(query).map_err(|error| error.to_string())?;
        let pool = SamplePool::new(50_000_000);
        let answer = {
            let meter = Meter::new(&pool, &|| None);
            let options = Options { lookback_ms: LOOKBACK_MS };
            run(&query, options, &meter).map_err(|error| error.to_string())?
        };
        assert_eq!(pool.used(), 0);
        Ok(answer)
    }
}

impl Source for Memory {
    fn select(&self, selection: &Selection<'_>, meter: &Meter<'_>) -> Result<Selected, EvalError> {
        let mut series = Vec::new();
        let after_ms = selection.after_ms - selection.lookback_ms.unwrap_or(0);
        for (labels, samples) in &self.series {
            let fits =
                |matcher: &crate::promql::Matcher| matcher.matches(labels.get(&matcher.name));
            if !selection.matchers.iter().all(fits) || after_ms >= selection.to_ms {
                continue;
            }
            let points: Vec<Point> = samples
                .range(after_ms + 1..=selection.to_ms)
                .map(|(at_ms, value)| Point { at_ms: *at_ms, value: *value })
                .collect();
            meter.hold(points.len())?;
            if !points.is_empty() {
                let lookback_ms = selection.lookback_ms.unwrap_or(0);
                series.push(SelectedSeries { labels: labels.clone(), lookback_ms, points });
            }
        }
        Ok(Selected { series, notices: Vec::new() })
    }
}
