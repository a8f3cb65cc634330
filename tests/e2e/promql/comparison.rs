//! Compares an answer with that of Prometheus.

use std::collections::BTreeMap;

use serde_json::Value;
use service_healthcheck::promql::{
    Answer, Meter, Options, Point, Results, SamplePool, Series, Steps, instant, parse, range,
};

use super::memory::Memory;
use crate::support::prometheus::{Prometheus, QueryError};

const OPTIONS: Options = Options { lookback_ms: 300_000 };

/// Values of each time, by labels.
type Values = BTreeMap<BTreeMap<String, String>, Vec<(i64, f64)>>;

#[derive(Debug, Clone, Copy)]
pub enum Times {
    Instant(i64),
    Range(Steps),
}

impl Times {
    /// Path and form of a request.
    pub fn form(self, query: &str) -> (&'static str, Vec<(&'static str, String)>) {
        let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
        let mut form = vec![("query", query.to_owned())];
        match self {
            Self::Instant(at_ms) => {
                form.push(("time", seconds(at_ms)));
                ("query", form)
            }
            Self::Range(Steps { start_ms, end_ms, step_ms }) => {
                form.extend(
                    [("start", start_ms), ("end", end_ms), ("step", step_ms)]
                        .map(|(name, ms)| (name, seconds(ms))),
                );
                ("query_range", form)
            }
        }
    }
}

/// What both answer to a query.
pub struct Answers {
    pub ours: Result<Answer, String>,
    pub theirs: Result<Value, QueryError>,
}

pub fn ask(memory: &Memory, prometheus: &Prometheus, query: &str, times: Times) -> Answers {
    let (path, form) = times.form(query);
    let theirs = prometheus.query(path, &form);
    Answers { ours: evaluate(memory, query, times), theirs }
}

fn evaluate(memory: &Memory, query: &str, times: Times) -> Result<Answer, String> {
    let query = parse(query).map_err(|error| error.to_string())?;
    let pool = SamplePool::new(50_000_000);
    let meter = Meter::new(&pool, &|| None);
    let answer = match times {
        Times::Instant(at_ms) => instant(&query, at_ms, OPTIONS, memory, &meter),
        Times::Range(steps) => range(&query, steps, OPTIONS, memory, &meter),
    };
    answer.map_err(|error| error.to_string())
}

impl Answers {
    /// How both differ; `None` when they are the same, or both are errors.
    pub fn difference(&self) -> Option<String> {
        match (&self.ours, &self.theirs) {
            (Err(_), Err(_)) => None,
            (Ok(_), Err((kind, error))) => Some(format!("Prometheus fails: {kind}: {error}")),
            (Err(error), Ok(theirs)) => Some(format!("fails: {error}; Prometheus: {theirs}")),
            (Ok(ours), Ok(theirs)) => compare(&values(&ours.results), &their_values(theirs)),
        }
    }
}

/// As [`Answers::difference`], for answers of two servers.
pub fn difference(
    ours: &Result<Value, QueryError>,
    theirs: &Result<Value, QueryError>,
) -> Option<String> {
    match (ours, theirs) {
        (Err(_), Err(_)) => None,
        (Ok(ours), Ok(theirs)) => compare(&their_values(ours), &their_values(theirs)),
        (ours, theirs) => Some(format!("{ours:?}, Prometheus {theirs:?}")),
    }
}

fn compare(ours: &Values, theirs: &Values) -> Option<String> {
    let labels = |values: &Values| values.keys().cloned().collect::<Vec<_>>();
    if labels(ours) != labels(theirs) {
        return Some(format!("labels {:?}, Prometheus {:?}", labels(ours), labels(theirs)));
    }
    for ((labels, ours), theirs) in ours.iter().zip(theirs.values()) {
        let times = |points: &[(i64, f64)]| points.iter().map(|(at, _)| *at).collect::<Vec<_>>();
        if times(ours) != times(theirs) {
            return Some(format!("{labels:?}: {ours:?}, Prometheus {theirs:?}"));
        }
        let different = ours.iter().zip(theirs).find(|(ours, theirs)| !is_same(ours.1, theirs.1));
        if let Some((ours, theirs)) = different {
            return Some(format!("{labels:?}: {ours:?}, Prometheus {theirs:?}"));
        }
    }
    None
}

fn is_same(ours: f64, theirs: f64) -> bool {
    (ours.is_nan() && theirs.is_nan())
        || ours == theirs
        || (ours - theirs).abs() <= 1e-6 * ours.abs().max(theirs.abs())
}

fn values(results: &Results) -> Values {
    match results {
        Results::Scalar(point) => [(BTreeMap::new(), vec![pair(point)])].into(),
        Results::Text { .. } => Values::new(),
        Results::Vector(series) | Results::Matrix(series) => {
            series.iter().filter(|one| !one.points.is_empty()).map(labelled).collect()
        }
    }
}

fn labelled(series: &Series) -> (BTreeMap<String, String>, Vec<(i64, f64)>) {
    let labels = series.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    (labels.collect(), series.points.iter().map(pair).collect())
}

fn pair(point: &Point) -> (i64, f64) {
    (point.at_ms, point.value)
}

fn their_values(data: &Value) -> Values {
    let result = &data["result"];
    match data["resultType"].as_str().unwrap() {
        "scalar" => [(BTreeMap::new(), vec![their_pair(result)])].into(),
        "string" => Values::new(),
        _ => result.as_array().unwrap().iter().map(their_series).collect(),
    }
}

fn their_series(series: &Value) -> (BTreeMap<String, String>, Vec<(i64, f64)>) {
    let labels = series["metric"].as_object().unwrap().iter();
    let labels = labels.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    let points = match series.get("values") {
        Some(values) => values.as_array().unwrap().iter().map(their_pair).collect(),
        None => vec![their_pair(&series["value"])],
    };
    (labels.collect(), points)
}

fn their_pair(pair: &Value) -> (i64, f64) {
    let at_ms = (pair[0].as_f64().unwrap() * 1000.0).round() as i64;
    (at_ms, pair[1].as_str().unwrap().parse().unwrap())
}
