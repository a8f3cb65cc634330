//! Queries: any text is answered or refused, within bounds.

#![no_main]

use std::cell::Cell;

use libfuzzer_sys::fuzz_target;
use service_healthcheck::promql::{
    EvalError, Labels, Meter, Options, Point, SamplePool, Selected, SelectedSeries, Selection,
    Source, Steps, Stop, instant, parse, range,
};

/// Checks after which a query is stopped, so that no input takes long.
const MAX_CHECKS: u32 = 2_000;

/// Four series, under every name that is selected.
struct Few;

impl Source for Few {
    fn select(
        &self,
        selection: &Selection<'_>,
        meter: &Meter<'_>,
    ) -> Result<Selected, EvalError> {
        let series = (0..4).map(|number| {
            let labels = [
                ("__name__", format!("a{}", number % 2)),
                ("b", format!("{number}")),
                ("le", if number == 3 { "+Inf".to_owned() } else { format!("{number}") }),
            ];
            let points = (0..20).map(|index| Point {
                at_ms: index * 15_000,
                value: if index % 7 == 3 { f64::NAN } else { (index * number) as f64 },
            });
            let lookback_ms = selection.lookback_ms.unwrap_or(0);
            SelectedSeries { labels: Labels::new(labels), lookback_ms, points: points.collect() }
        });
        meter.hold(80)?;
        Ok(Selected { series: series.collect(), notices: Vec::new() })
    }
}

fuzz_target!(|text: &str| {
    let Ok(query) = parse(text) else { return };
    let pool = SamplePool::new(200_000);
    let checks = Cell::new(0);
    let stop = || {
        checks.set(checks.get() + 1);
        (checks.get() > MAX_CHECKS).then_some(Stop::TimedOut)
    };
    let options = Options { lookback_ms: 300_000 };
    let steps = Steps { start_ms: 60_000, end_ms: 180_000, step_ms: 40_000 };
    let _ = instant(&query, 200_000, options, &Few, &Meter::new(&pool, &stop));
    checks.set(0);
    let _ = range(&query, steps, options, &Few, &Meter::new(&pool, &stop));
    assert_eq!(pool.used(), 0, "all samples are given back");
});
