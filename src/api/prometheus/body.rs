//! The body of an answer in pieces, so that no more than one of them is in memory as text.

use std::convert::Infallible;
use std::fmt::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::web::Bytes;
use futures_util::Stream;
use serde_json::json;

use crate::promql::{KeptSamples, Labels, Point, Results, Series, format_value};

/// Largest body, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// A piece ends when it is this long.
const PIECE: usize = 64 * 1024;

/// Most bytes of a point: a time of 15 digits and a value of 24.
const POINT: usize = 48;

/// What an answer has as its data.
#[derive(Debug)]
pub enum Content {
    Values(Results),
    /// Label sets.
    Series(Vec<Labels>),
    /// Names or values of labels.
    Texts(Vec<String>),
}

/// The body of a successful answer.
#[derive(Debug, Clone)]
pub struct Body {
    content: Arc<Content>,
    /// Given back with the last piece.
    kept: Arc<Option<KeptSamples>>,
    /// What is next: the head, a series and one of its points, or the end.
    place: Place,
    tail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Head,
    Item { series: usize, point: usize },
    End,
}

impl Body {
    pub fn new(
        content: Content,
        kept: Option<KeptSamples>,
        warnings: &[String],
        infos: &[String],
    ) -> Self {
        let mut tail = match content {
            Content::Values(_) => "}".to_owned(),
            Content::Series(_) | Content::Texts(_) => String::new(),
        };
        for (name, notes) in [("warnings", warnings), ("infos", infos)] {
            if !notes.is_empty() {
                tail.push_str(&format!(",\"{name}\":{}", json!(notes)));
            }
        }
        tail.push('}');
        Self { content: Arc::new(content), kept: Arc::new(kept), place: Place::Head, tail }
    }

    /// Whether the body has at most `limit` bytes. Writes it, unless that is clear without.
    pub fn fits(&self, limit: usize) -> bool {
        let labels = |labels: &Labels| -> usize {
            // A character of a control code takes six.
            labels.iter().map(|(name, value)| 6 * (name.len() + value.len() + 1)).sum()
        };
        let most: usize = match &*self.content {
            Content::Values(Results::Vector(all) | Results::Matrix(all)) => {
                let points = |one: &Series| one.points.iter().map(most_bytes).sum::<usize>();
                all.iter().map(|one| 32 + labels(&one.labels) + points(one)).sum()
            }
            Content::Series(all) => all.iter().map(|one| 8 + labels(one)).sum(),
            Content::Texts(all) => all.iter().map(|one| 3 + 6 * one.len()).sum(),
            Content::Values(Results::Scalar(_) | Results::Text { .. }) => 0,
        };
        if most + self.tail.len() + 100 <= limit {
            return true;
        }
        let mut length = 0;
        self.clone().all(|piece| {
            length += piece.len();
            length <= limit
        })
    }

    /// The text of a body that is one piece.
    pub fn short(&self) -> Option<String> {
        let mut pieces = self.clone();
        let text = pieces.next()?;
        (pieces.place == Place::End).then_some(text)
    }

    fn write_head(&mut self, text: &mut String) {
        text.push_str("{\"status\":\"success\",\"data\":");
        self.place = Place::Item { series: 0, point: 0 };
        let results = match &*self.content {
            Content::Values(results) => results,
            Content::Series(_) | Content::Texts(_) => return text.push('['),
        };
        let kind = match results {
            Results::Scalar(_) => "scalar",
            Results::Text { .. } => "string",
            Results::Vector(_) => "vector",
            Results::Matrix(_) => "matrix",
        };
        text.push_str(&format!("{{\"resultType\":\"{kind}\",\"result\":"));
        match results {
            Results::Scalar(point) => push_point(text, point),
            Results::Text { at_ms, text: value } => {
                text.push('[');
                push_seconds(text, *at_ms);
                text.push_str(&format!(",{}]", quoted(value)));
            }
            Results::Vector(_) | Results::Matrix(_) => return text.push('['),
        }
        self.place = Place::End;
        text.push_str(&self.tail);
    }

    /// Writes one item, or part of a long one.
    fn write_item(&mut self, text: &mut String, series: usize, point: usize) {
        let next = Place::Item { series: series + 1, point: 0 };
        let is_there = match &*self.content {
            Content::Series(all) => all.get(series).map(|labels| {
                push_comma(text, series);
                push_labels(text, labels);
                next
            }),
            Content::Texts(all) => all.get(series).map(|one| {
                push_comma(text, series);
                text.push_str(&quoted(one));
                next
            }),
            Content::Values(Results::Vector(all)) => all.get(series).map(|one| {
                push_comma(text, series);
                push_metric(text, one);
                if let Some(point) = one.points.first() {
                    text.push_str("\"value\":");
                    push_point(text, point);
                }
                text.push('}');
                next
            }),
            Content::Values(Results::Matrix(all)) => all.get(series).map(|one| {
                if point == 0 {
                    push_comma(text, series);
                    push_metric(text, one);
                    text.push_str("\"values\":[");
                }
                let end = one.points.len().min(point + PIECE / POINT);
                for (nth, one) in one.points[point..end].iter().enumerate() {
                    push_comma(text, point + nth);
                    push_point(text, one);
                }
                if end < one.points.len() {
                    return Place::Item { series, point: end };
                }
                text.push_str("]}");
                next
            }),
            Content::Values(Results::Scalar(_) | Results::Text { .. }) => None,
        };
        self.place = is_there.unwrap_or_else(|| {
            text.push(']');
            text.push_str(&self.tail);
            Place::End
        });
    }
}

impl Iterator for Body {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut text = String::new();
        while text.len() < PIECE {
            match self.place {
                Place::Head => self.write_head(&mut text),
                Place::Item { series, point } => self.write_item(&mut text, series, point),
                Place::End => break,
            }
        }
        if text.is_empty() {
            self.kept = Arc::new(None);
            return None;
        }
        Some(text)
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.get_mut().next().map(|piece| Ok(Bytes::from(piece))))
    }
}

/// Most bytes of a point with its comma: cheap, and close for small whole numbers.
fn most_bytes(point: &Point) -> usize {
    let is_usual = (0..10_000_000_000_000).contains(&point.at_ms);
    let value = if small_whole(point.value).is_some() { 10 } else { 24 };
    // Ten digits in the years to 2286, and a fraction.
    6 + value + if is_usual { 14 } else { 24 }
}

fn push_comma(text: &mut String, nth: usize) {
    if nth > 0 {
        text.push(',');
    }
}

fn push_metric(text: &mut String, series: &Series) {
    text.push_str("{\"metric\":");
    push_labels(text, &series.labels);
    text.push(',');
}

fn push_labels(text: &mut String, labels: &Labels) {
    text.push('{');
    for (nth, (name, value)) in labels.iter().enumerate() {
        push_comma(text, nth);
        text.push_str(&quoted(name));
        text.push(':');
        text.push_str(&quoted(value));
    }
    text.push('}');
}

/// Without allocations for a small whole number: an answer has millions of points.
fn push_point(text: &mut String, point: &Point) {
    text.push('[');
    push_seconds(text, point.at_ms);
    text.push_str(",\"");
    // Writing to a `String` cannot fail.
    let _ = match small_whole(point.value) {
        Some(whole) => write!(text, "{whole}"),
        None => write!(text, "{}", format_value(point.value)),
    };
    text.push_str("\"]");
}

/// `value`, if it is a whole number with at most nine digits; a negative zero is none.
fn small_whole(value: f64) -> Option<i32> {
    let is_small = value.fract() == 0.0 && value.abs() < 1e9;
    (is_small && (value != 0.0 || value.is_sign_positive())).then_some(value as i32)
}

/// Unix seconds, with a fraction where there is one.
fn push_seconds(text: &mut String, ms: i64) {
    let sign = if ms < 0 { "-" } else { "" };
    let (whole, rest) = (ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000);
    let _ = match rest {
        0 => write!(text, "{sign}{whole}"),
        _ => write!(text, "{sign}{whole}.{rest:03}"),
    };
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn point(at_ms: i64, value: f64) -> Point {
        Point { at_ms, value }
    }

    fn written(body: Body) -> Value {
        serde_json::from_str(&body.collect::<String>()).unwrap()
    }

    fn data(results: Results) -> Value {
        written(Body::new(Content::Values(results), None, &[], &[]))["data"].take()
    }

    #[test]
    fn values_have_the_form_of_prometheus() {
        let labels = Labels::new([("a", "x\"\n"), ("__name__", "b")]);
        assert_eq!(
            data(Results::Scalar(point(4_000, 2.0))),
            json!({"resultType": "scalar", "result": [4, "2"]})
        );
        assert_eq!(
            data(Results::Text { at_ms: 1_500, text: "\u{e9}\"".into() }),
            json!({"resultType": "string", "result": [1.5, "\u{e9}\""]})
        );
        assert_eq!(data(Results::Scalar(point(4_000, -0.0)))["result"], json!([4, "-0"]));
        assert_eq!(data(Results::Scalar(point(1, -7.0)))["result"], json!([0.001, "-7"]));
        let points = vec![point(-1_250, f64::NAN), point(0, f64::INFINITY)];
        let series = Series::new(labels.clone(), points);
        let metric = json!({"__name__": "b", "a": "x\"\n"});
        assert_eq!(
            data(Results::Vector(vec![series.clone()])),
            json!({"resultType": "vector", "result": [{"metric": metric, "value": [-1.25, "NaN"]}]})
        );
        let values = json!([[-1.25, "NaN"], [0, "+Inf"]]);
        assert_eq!(
            data(Results::Matrix(vec![series])),
            json!({"resultType": "matrix", "result": [{"metric": metric, "values": values}]})
        );
        let empty = json!({"resultType": "vector", "result": []});
        assert_eq!(data(Results::Vector(Vec::new())), empty);
        let series = Content::Series(vec![labels]);
        let body = Body::new(series, None, &["w".to_owned()], &["i".to_owned()]);
        let data = json!([metric]);
        let expected =
            json!({"status": "success", "data": data, "warnings": ["w"], "infos": ["i"]});
        assert_eq!(written(body), expected);
        let texts = Content::Texts(vec!["a".to_owned(), "\u{1}\"".to_owned()]);
        let body = Body::new(texts, None, &[], &[]);
        assert!(body.fits(100 + 64) && body.short().is_some());
        assert_eq!(written(body), json!({"status": "success", "data": ["a", "\u{1}\""]}));
        let empty = Body::new(Content::Texts(Vec::new()), None, &[], &[]);
        assert_eq!(written(empty)["data"], json!([]));
    }

    fn matrix(lengths: &[usize]) -> Content {
        let series = lengths.iter().enumerate().map(|(nth, length)| {
            let labels = Labels::new([("nth".to_owned(), nth.to_string())]);
            let points = (0..*length).map(|at| point(at as i64 * 1_001, at as f64 / 7.0));
            Series::new(labels, points.collect())
        });
        Content::Values(Results::Matrix(series.collect()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_body_comes_whole_in_pieces_and_its_length_is_known(
            lengths in prop::collection::vec(0..6_000_usize, 0..6),
        ) {
            let body = Body::new(matrix(&lengths), None, &[], &[]);
            let pieces: Vec<String> = body.clone().collect();
            let longest = pieces.iter().map(String::len).max().unwrap_or(0);
            prop_assert!(longest < 3 * PIECE, "{longest}");
            let length = pieces.iter().map(String::len).sum::<usize>();
            let whole: Value = serde_json::from_str(&pieces.concat()).unwrap();
            let series = whole["data"]["result"].as_array().unwrap();
            let found: Vec<usize> =
                series.iter().map(|one| one["values"].as_array().unwrap().len()).collect();
            prop_assert_eq!(found, lengths);
            prop_assert!(body.fits(length) && !body.fits(length - 1));
            let short = (pieces.len() == 1).then(|| pieces.concat());
            prop_assert_eq!(body.short(), short);
        }
    }
}
