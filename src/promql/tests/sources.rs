//! What a source decides: how long a sample holds, and windows without their samples.

use std::cell::RefCell;

use super::memory::Memory;
use crate::promql::{
    Answer, EvalError, Fold, Folded, Labels, Meter, Notice, Options, Point, Results, SamplePool,
    Selected, SelectedSeries, Selection, Series, Source, Steps, Window, range,
};

fn labels(name: &str) -> Labels {
    Labels::new([("__name__", "a"), ("name", name)])
}

/// Function, arguments and windows of a query that was folded.
type Folding = (String, Vec<f64>, Vec<Window>);

/// Two series whose samples hold for different times, and windows that it knows by itself.
#[derive(Default)]
struct Slow {
    folds: RefCell<Vec<Folding>>,
}

impl Source for Slow {
    fn select(&self, selection: &Selection<'_>, _: &Meter<'_>) -> Result<Selected, EvalError> {
        let least = selection.lookback_ms.unwrap_or(0);
        let series =
            [("short", least), ("long", least.max(3_600_000))].map(|(name, lookback_ms)| {
                let points = vec![Point { at_ms: 60_000, value: 1.0 }];
                SelectedSeries { labels: labels(name), lookback_ms, points }
            });
        Ok(Selected { series: series.into(), notices: Vec::new() })
    }

    fn fold(&self, fold: &Fold<'_>, _: &Meter<'_>) -> Result<Option<Folded>, EvalError> {
        let windows = fold.windows.to_vec();
        self.folds.borrow_mut().push((fold.function.to_owned(), fold.parameter.to_vec(), windows));
        if fold.range_ms < 3_600_000 {
            return Ok(None);
        }
        // The first of the moments has no value.
        let points =
            fold.windows.iter().skip(1).map(|window| Point { at_ms: window.at_ms, value: 7.0 });
        let series = vec![Series::new(labels("folded"), points.collect())];
        Ok(Some(Folded { series, notices: vec![Notice::Warning("widened".to_owned())] }))
    }
}

fn ask(source: &Slow, query: &str) -> Answer {
    let pool = SamplePool::new(100_000);
    let meter = Meter::new(&pool, &|| None);
    let steps = Steps { start_ms: 100_000, end_ms: 700_000, step_ms: 300_000 };
    let options = Options { lookback_ms: 300_000 };
    range(&crate::promql::parse(query).unwrap(), steps, options, source, &meter).unwrap()
}

fn shown(answer: &Answer) -> Vec<(String, Vec<(i64, f64)>)> {
    let Results::Matrix(series) = &answer.results else { panic!("{answer:?}") };
    let points =
        |one: &Series| one.points.iter().map(|point| (point.at_ms / 1000, point.value)).collect();
    series.iter().map(|one| (one.labels.to_string(), points(one))).collect()
}

#[test]
fn a_sample_holds_as_long_as_its_source_says() {
    let answer = ask(&Slow::default(), "a");
    let long =
        (r#"{__name__="a", name="long"}"#.to_owned(), vec![(100, 1.0), (400, 1.0), (700, 1.0)]);
    let short = (r#"{__name__="a", name="short"}"#.to_owned(), vec![(100, 1.0)]);
    assert_eq!(shown(&answer), [long, short]);
}

#[test]
fn a_source_may_answer_windows_without_their_samples() {
    let source = Slow::default();
    let answer = ask(&source, "sum_over_time(a[1h] offset 1m)");
    let folded = (r#"{name="folded"}"#.to_owned(), vec![(400, 7.0), (700, 7.0)]);
    assert_eq!(shown(&answer), [folded]);
    assert_eq!(answer.warnings, ["widened"]);
    let windows = [100_000, 400_000, 700_000].map(|at_ms| Window { at_ms, end_ms: at_ms - 60_000 });
    let (function, parameter, asked) = source.folds.borrow()[0].clone();
    assert_eq!(
        (function.as_str(), parameter.len(), &asked[..]),
        ("sum_over_time", 0, &windows[..])
    );
    // The source gives the value of each moment; the absent ones are the others.
    let answer = ask(&source, "absent_over_time(a{b=\"c\"}[1h])");
    assert_eq!(shown(&answer), [(r#"{b="c"}"#.to_owned(), vec![(100, 1.0)])]);
    let answer = ask(&source, "quantile_over_time(0.25 + 0.25, a[1h])");
    assert_eq!(shown(&answer).len(), 1);
    assert_eq!(source.folds.borrow()[2].1, [0.5; 3]);
}

#[test]
fn short_windows_and_subqueries_are_read_sample_by_sample() {
    let source = Slow::default();
    let answer = ask(&source, "count_over_time(a[1m])");
    let one = vec![(100, 1.0)];
    let expected =
        [(r#"{name="long"}"#.to_owned(), one.clone()), (r#"{name="short"}"#.to_owned(), one)];
    assert_eq!(shown(&answer), expected);
    assert_eq!(source.folds.borrow().len(), 1);
    ask(&source, "count_over_time(a[2h:1h])");
    assert_eq!(source.folds.borrow().len(), 1, "no selector by itself");
}

#[test]
fn a_comparison_keeps_that_the_name_will_be_dropped() {
    let mut memory = Memory::default();
    for second in 0..10 {
        for name in ["x_total", "y_total"] {
            let labels = Labels::new([("__name__", name), ("b", "c")]);
            memory.add(labels, second * 60_000, (second * second) as f64);
        }
    }
    let answer = memory.instant("rate(x_total[5m]) >= rate(y_total[5m])", 540_000).unwrap();
    let Results::Vector(series) = answer.results else { panic!() };
    assert_eq!(series[0].labels.to_string(), r#"{b="c"}"#);
}
