//! Bounds on what a query holds and does.

use std::cell::Cell;

use super::memory::Memory;
use crate::promql::{
    EvalError, Labels, MAX_SERIES, Meter, Options, SamplePool, Selected, SelectedSeries, Selection,
    Source, Steps, Stop, instant, parse, range,
};

fn memory() -> Memory {
    let mut memory = Memory::default();
    for series in 0..10 {
        for minute in 0..100 {
            let labels = Labels::new([("__name__", "a".to_owned()), ("n", series.to_string())]);
            memory.add(labels, minute * 60_000, f64::from(series));
        }
    }
    memory
}

fn run(
    query: &str,
    max_samples: usize,
    stop: &dyn Fn() -> Option<Stop>,
) -> Result<usize, EvalError> {
    let pool = SamplePool::new(max_samples);
    let query = parse(query).unwrap();
    let steps = Steps { start_ms: 0, end_ms: 5_940_000, step_ms: 60_000 };
    let options = Options { lookback_ms: 300_000 };
    let meter = Meter::new(&pool, stop);
    range(&query, steps, options, &memory(), &meter).map(|_| meter.peak())
}

#[test]
fn a_query_that_would_hold_too_many_samples_fails() {
    let never = || None;
    let peak = run("a", 10_000, &never).unwrap();
    assert!((1_000..=2_000).contains(&peak), "1,000 samples and as many points: {peak}");
    assert_eq!(run("a", 999, &never), Err(EvalError::TooManySamples(999)));
    assert_eq!(run("sum(a + a)", 2_500, &never), Err(EvalError::TooManySamples(2_500)));
    assert!(run("sum(a)", 2_500, &never).is_ok());
}

#[test]
fn a_query_stops_in_the_middle() {
    let calls = Cell::new(0);
    let stop_after = |count: usize, stop: Stop| {
        calls.set(0);
        let stop = || {
            calls.set(calls.get() + 1);
            (calls.get() > count).then_some(stop)
        };
        run("a * a", 1_000_000, &stop)
    };
    for count in [0, 1, 5, 15, 60] {
        assert_eq!(stop_after(count, Stop::TimedOut), Err(EvalError::TimedOut), "{count}");
        assert_eq!(stop_after(count, Stop::Canceled), Err(EvalError::Canceled), "{count}");
    }
    // Between the windows of one series.
    calls.set(0);
    let stop = || {
        calls.set(calls.get() + 1);
        (calls.get() > 50).then_some(Stop::TimedOut)
    };
    let query = "sum_over_time(vector(1)[70000s:1s])";
    assert_eq!(run(query, 1_000_000, &stop), Err(EvalError::TimedOut));
}

/// A source with this many series, without samples.
struct Many(usize);

impl Source for Many {
    fn select(&self, _: &Selection<'_>, _: &Meter<'_>) -> Result<Selected, EvalError> {
        let series = SelectedSeries {
            labels: Labels::new([("__name__", "a")]),
            lookback_ms: 0,
            points: Vec::new(),
        };
        Ok(Selected { series: vec![series; self.0], notices: Vec::new() })
    }
}

#[test]
fn a_selector_selects_a_bounded_number_of_series() {
    let (query, pool) = (parse("count(a)").unwrap(), SamplePool::new(1_000));
    let count = |series: usize| {
        let meter = Meter::new(&pool, &|| None);
        instant(&query, 0, Options { lookback_ms: 1 }, &Many(series), &meter).map(drop)
    };
    assert_eq!(count(MAX_SERIES), Ok(()));
    let message = "a selector selects 100001 series, at most 100000 are allowed".to_owned();
    assert_eq!(count(MAX_SERIES + 1), Err(EvalError::Execution(message)));
}

#[test]
fn the_program_of_a_regular_expression_is_bounded() {
    let error = parse("a{b=~\"\\\\w{500}{9}\"}").unwrap_err().to_string();
    assert!(error.contains("exceeds size limit"), "{error}");
}

#[test]
fn a_subquery_has_a_bounded_number_of_steps() {
    let error = run("sum_over_time(a[1y:1ms])", 1_000_000, &|| None).unwrap_err();
    assert!(error.to_string().contains("more than 1000000 steps"), "{error}");
}
