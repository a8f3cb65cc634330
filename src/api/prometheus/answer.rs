//! Values as JSON.

use crate::promql::{Labels, Point, Results, Series, format_value};

/// Largest answer, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// The answer is larger than the limit.
#[derive(Debug, PartialEq)]
pub struct TooLarge;

/// `resultType` and `result`, of at most `limit` bytes.
pub fn data(results: &Results, limit: usize) -> Result<String, TooLarge> {
    let mut text = String::new();
    let kind = match results {
        Results::Scalar(_) => "scalar",
        Results::Text { .. } => "string",
        Results::Vector(_) => "vector",
        Results::Matrix(_) => "matrix",
    };
    text.push_str(&format!("{{\"resultType\":\"{kind}\",\"result\":"));
    match results {
        Results::Scalar(point) => push_point(&mut text, point),
        Results::Text { at_ms, text: value } => {
            text.push_str(&format!("[{},{}]", seconds(*at_ms), quoted(value)));
        }
        Results::Vector(series) => push_series(&mut text, series, limit, |text, series| {
            if let Some(point) = series.points.first() {
                text.push_str("\"value\":");
                push_point(text, point);
            }
        })?,
        Results::Matrix(series) => push_series(&mut text, series, limit, |text, series| {
            text.push_str("\"values\":[");
            for (index, point) in series.points.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                push_point(text, point);
            }
            text.push(']');
        })?,
    }
    text.push('}');
    Ok(text)
}

fn push_series(
    text: &mut String,
    series: &[Series],
    limit: usize,
    push_values: impl Fn(&mut String, &Series),
) -> Result<(), TooLarge> {
    text.push('[');
    for (index, one) in series.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str("{\"metric\":");
        push_labels(text, &one.labels);
        text.push(',');
        push_values(text, one);
        text.push('}');
        if text.len() > limit {
            return Err(TooLarge);
        }
    }
    text.push(']');
    Ok(())
}

pub fn push_labels(text: &mut String, labels: &Labels) {
    text.push('{');
    for (index, (name, value)) in labels.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        text.push_str(&format!("{comma}{}:{}", quoted(name), quoted(value)));
    }
    text.push('}');
}

fn push_point(text: &mut String, point: &Point) {
    text.push_str(&format!("[{},\"{}\"]", seconds(point.at_ms), format_value(point.value)));
}

/// Unix seconds, with a fraction where there is one.
fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let (whole, rest) = (ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000);
    if rest == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest:03}") }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn written(results: &Results) -> Value {
        serde_json::from_str(&data(results, MAX_ANSWER).unwrap()).unwrap()
    }

    #[test]
    fn values_have_the_form_of_prometheus() {
        let point = |at_ms, value| Point { at_ms, value };
        let labels = Labels::new([("a", "x\"\n"), ("__name__", "b")]);
        assert_eq!(
            written(&Results::Scalar(point(4_000, 2.0))),
            json!({"resultType": "scalar", "result": [4, "2"]})
        );
        assert_eq!(
            written(&Results::Text { at_ms: 1_500, text: "\u{e9}\"".into() }),
            json!({"resultType": "string", "result": [1.5, "\u{e9}\""]})
        );
        let series = Series::new(labels, vec![point(-1_250, f64::NAN), point(0, f64::INFINITY)]);
        let metric = json!({"__name__": "b", "a": "x\"\n"});
        assert_eq!(
            written(&Results::Vector(vec![series.clone()])),
            json!({"resultType": "vector", "result": [{"metric": metric, "value": [-1.25, "NaN"]}]})
        );
        let values = json!([[-1.25, "NaN"], [0, "+Inf"]]);
        assert_eq!(
            written(&Results::Matrix(vec![series])),
            json!({"resultType": "matrix", "result": [{"metric": metric, "values": values}]})
        );
        assert_eq!(
            written(&Results::Vector(Vec::new())),
            json!({"resultType": "vector", "result": []})
        );
    }

    #[test]
    fn an_answer_is_bounded() {
        let series = Series::new(Labels::default(), vec![Point { at_ms: 0, value: 0.0 }; 100]);
        assert_eq!(data(&Results::Matrix(vec![series]), 500), Err(TooLarge));
    }
}
