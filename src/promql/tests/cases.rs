//! Prometheus's own cases, which are not part of this project. See docs/design/queries.md.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::memory::Memory;
use crate::promql::{Answer, Labels, Point, Results, STALE, Series, Steps};

/// Cases of the file; fewer are an error.
const CASES: usize = 825;

#[test]
fn prometheus_test_data_has_the_expected_answers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/promql/promqltest.jsonl");
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("0 cases: no data in {}: {error}", path.display()));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let loads: BTreeMap<u64, &Value> =
        lines.iter().filter_map(|line| Some((line.get("load")?.as_u64()?, line))).collect();
    let cases: Vec<&Value> = lines.iter().filter(|line| line.get("load").is_none()).collect();
    let failures: Vec<String> = cases.iter().filter_map(|case| run(case, &loads).err()).collect();
    println!("{} of {} cases", cases.len() - failures.len(), cases.len());
    assert!(
        failures.is_empty(),
        "{} of {} cases failed:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
    assert_eq!(cases.len(), CASES);
}

fn run(case: &Value, loads: &BTreeMap<u64, &Value>) -> Result<(), String> {
    let memory = load(case, loads);
    let query = case["query"].as_str().unwrap();
    let outcome = match case["at_ms"].as_i64() {
        Some(at_ms) => memory.instant(query, at_ms),
        None => memory.range(query, steps(case)),
    };
    let checked = check(case, outcome.as_ref())
        .and_then(|()| same_as_a_step_of_a_range(case, &memory, outcome.as_ref().ok()));
    checked.map_err(|difference| {
        format!("{} line {}: {query}: {difference}; {outcome:?}", case["file"], case["line"])
    })
}

/// An instant query has the values of a range query at the same moment.
fn same_as_a_step_of_a_range(
    case: &Value,
    memory: &Memory,
    answer: Option<&Answer>,
) -> Result<(), String> {
    let query = case["query"].as_str().unwrap();
    let (Some(at_ms), Some(Answer { results: Results::Vector(expected), .. })) =
        (case["at_ms"].as_i64(), answer)
    else {
        return Ok(());
    };
    // The start and the end of a range are other moments.
    if query.contains("start()") || query.contains("end()") {
        return Ok(());
    }
    let steps = Steps { start_ms: at_ms - 60_000, end_ms: at_ms + 60_000, step_ms: 60_000 };
    // Other moments may have duplicates.
    let Ok(Answer { results: Results::Matrix(series), .. }) = memory.range(query, steps) else {
        return Ok(());
    };
    let at_moment = series.into_iter().map(|mut one| {
        one.points.retain(|point| point.at_ms == at_ms);
        one
    });
    let found: Vec<Series> = at_moment.filter(|one| !one.points.is_empty()).collect();
    same_series(expected.clone(), &found, false)
        .map_err(|difference| format!("as a step of a range: {difference}"))
}

fn load(case: &Value, loads: &BTreeMap<u64, &Value>) -> Memory {
    let mut memory = Memory::default();
    for number in case["loads"].as_array().unwrap() {
        let load = loads[&number.as_u64().unwrap()];
        let step_ms = load["step_ms"].as_i64().unwrap();
        // Of two series with the same labels in one load, the last one counts.
        let series = load["series"].as_array().unwrap().iter();
        let series: BTreeMap<Labels, &Value> =
            series.map(|series| (labels(&series["labels"]), series)).collect();
        for (labels, series) in series {
            for (index, value) in series["values"].as_array().unwrap().iter().enumerate() {
                if let Some(value) = number_of(value) {
                    memory.add(labels.clone(), index as i64 * step_ms, value);
                }
            }
        }
    }
    memory
}

fn labels(labels: &Value) -> Labels {
    let labels = labels.as_object().unwrap().iter();
    Labels::new(labels.map(|(name, value)| (name.as_str(), value.as_str().unwrap())))
}

/// `None` where there is no sample.
fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Null => None,
        Value::String(text) if text == "stale" => Some(STALE),
        Value::String(text) => Some(text.parse().unwrap()),
        _ => value.as_f64(),
    }
}

fn steps(case: &Value) -> Steps {
    let field = |name: &str| case[name].as_i64().unwrap();
    Steps { start_ms: field("from_ms"), end_ms: field("to_ms"), step_ms: field("step_ms") }
}

fn check(case: &Value, outcome: Result<&Answer, &String>) -> Result<(), String> {
    let flags: Vec<&str> =
        case["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap()).collect();
    if let Some(flag) = flags.iter().find(|flag| flag.starts_with("fail")) {
        let error = outcome.err().ok_or("expected a failure")?;
        return match flag.strip_prefix("fail msg:") {
            Some(message) if error != message.trim() => Err(format!("expected {message}")),
            _ => Ok(()),
        };
    }
    let answer = outcome?;
    for flag in &flags {
        check_annotations(flag, answer)?;
    }
    if let Some(expected) = case.get("scalar") {
        let Results::Scalar(point) = answer.results else { return Err("no scalar".to_owned()) };
        return same_value(number_of(expected).unwrap(), point.value);
    }
    if let Some(expected) = flags.iter().find_map(|flag| flag.strip_prefix("string ")) {
        let Results::Text { text, .. } = &answer.results else { return Err("no string".into()) };
        let expected = expected.trim_matches(|quote| quote == '"' || quote == '`');
        return if text == expected { Ok(()) } else { Err("another string".to_owned()) };
    }
    // A warning is all that some cases expect.
    let expected = expected_series(case, &flags);
    let is_only_warned = expected.is_empty() && case["query"].as_str().unwrap().contains("sort");
    if is_only_warned {
        return Ok(());
    }
    let (Results::Vector(found) | Results::Matrix(found)) = &answer.results else {
        return Err("no series".to_owned());
    };
    let has_warning = flags.iter().any(|flag| flag.starts_with("warn"));
    if expected.is_empty() && has_warning && !found.is_empty() {
        return Err("expected no series".to_owned());
    }
    same_series(expected, found, flags.contains(&"ordered"))
}

fn check_annotations(flag: &str, answer: &Answer) -> Result<(), String> {
    let Answer { warnings, infos, .. } = answer;
    let is_right = match flag {
        "no_info" => infos.is_empty(),
        "no_warn" => warnings.is_empty(),
        "info" => !infos.is_empty(),
        "warn" => !warnings.is_empty(),
        _ => match (flag.strip_prefix("warn msg: "), flag.strip_prefix("warn regex: ")) {
            (Some(message), _) => warnings.iter().any(|warning| warning == message),
            (_, Some(pattern)) => {
                let regex = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
                warnings.iter().any(|warning| regex.is_match(warning))
            }
            _ => true,
        },
    };
    if is_right { Ok(()) } else { Err(format!("expected {flag}")) }
}

/// The moments of a range, or of a range vector that a flag describes.
fn expected_series(case: &Value, flags: &[&str]) -> Vec<Series> {
    let (start_ms, step_ms) = match case["at_ms"].as_i64() {
        None => (steps(case).start_ms, steps(case).step_ms),
        Some(at_ms) => {
            let range = flags.iter().find_map(|flag| flag.strip_prefix("range vector from "));
            let words: Vec<&str> = range.unwrap_or_default().split(' ').collect();
            match words[..] {
                [from, "to", _, "step", step] => (milliseconds(from), milliseconds(step)),
                _ => (at_ms, 0),
            }
        }
    };
    let expected = case["expect"].as_array().unwrap().iter().map(|expected| {
        let values = expected["values"].as_array().unwrap().iter().enumerate();
        let points = values.filter_map(|(index, value)| {
            let at_ms = start_ms + index as i64 * step_ms;
            Some(Point { at_ms, value: number_of(value)? })
        });
        Series::new(labels(&expected["labels"]), points.collect())
    });
    expected.collect()
}

fn milliseconds(duration: &str) -> i64 {
    crate::promql::duration::parse_duration(duration).unwrap()
}

fn same_series(
    mut expected: Vec<Series>,
    found: &[Series],
    is_ordered: bool,
) -> Result<(), String> {
    let mut found = found.to_vec();
    if !is_ordered {
        expected.sort_by(|a, b| a.labels.cmp(&b.labels));
        found.sort_by(|a, b| a.labels.cmp(&b.labels));
    }
    let labels = |series: &[Series]| {
        series.iter().map(|one| one.labels.to_string()).collect::<Vec<String>>()
    };
    if labels(&expected) != labels(&found) {
        return Err(format!("expected {:?}", labels(&expected)));
    }
    for (expected, found) in expected.iter().zip(&found) {
        let times = |series: &Series| -> Vec<i64> {
            series.points.iter().map(|point| point.at_ms).collect()
        };
        if times(expected) != times(found) {
            return Err(format!("expected {expected:?}"));
        }
        for (expected, found) in expected.points.iter().zip(&found.points) {
            same_value(expected.value, found.value)?;
        }
    }
    Ok(())
}

/// Equal within a millionth.
fn same_value(expected: f64, found: f64) -> Result<(), String> {
    let difference = (expected - found).abs();
    let is_same = (expected.is_nan() && found.is_nan())
        || expected == found
        || difference <= 1e-6 * expected.abs().max(found.abs())
        || difference < f64::MIN_POSITIVE;
    if is_same { Ok(()) } else { Err(format!("expected {expected}, found {found}")) }
}
