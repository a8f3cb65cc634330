//! Binary operators with a scalar, and between vectors whose labels match.

use std::collections::HashMap;

use crate::promql::error::{EvalError, execution};
use crate::promql::labels::{Labels, METRIC_NAME};
use crate::promql::series::{Point, Series};
use crate::promql::tree::{Binary, ManySide, Matching, Operator, Type};

use super::arithmetic::{compute, holds, truth};
use super::evaluator::{Evaluator, Value};
use super::signatures::Signatures;

type Outcome<T> = Result<T, EvalError>;

impl Evaluator<'_> {
    /// At least one side is a scalar.
    pub fn with_scalar(&self, binary: &Binary) -> Outcome<Value> {
        let operator = binary.operator;
        let is_scalar = |side: &crate::promql::tree::Expr| side.value_type() == Type::Scalar;
        if is_scalar(&binary.left) && is_scalar(&binary.right) {
            let left = self.scalar(&binary.left)?;
            let right = self.scalar(&binary.right)?;
            let values = left.into_iter().zip(right).map(|(left, right)| {
                if operator.is_comparison() {
                    truth(holds(operator, left, right))
                } else {
                    compute(operator, left, right)
                }
            });
            return Ok(Value::Scalar(values.collect()));
        }
        let is_swapped = is_scalar(&binary.left);
        let (vector, scalar) = if is_swapped {
            let scalar = self.scalar(&binary.left)?;
            (self.vector(&binary.right)?, scalar)
        } else {
            (self.vector(&binary.left)?, self.scalar(&binary.right)?)
        };
        let mut series = vector;
        for one in &mut series {
            one.drops_name |= !operator.is_comparison() || binary.is_bool;
            one.points.retain_mut(|point| {
                let other = scalar[self.steps.index(point.at_ms)];
                let (left, right) =
                    if is_swapped { (other, point.value) } else { (point.value, other) };
                let keeps = holds(operator, left, right);
                if binary.is_bool {
                    point.value = truth(keeps);
                    return true;
                }
                if !operator.is_comparison() {
                    point.value = compute(operator, left, right);
                }
                keeps
            });
        }
        series.retain(|one| !one.points.is_empty());
        Ok(Value::Vector(series))
    }

    /// Arithmetic and comparisons between series with the same matching labels.
    pub fn match_vectors(
        &self,
        binary: &Binary,
        left: &[Series],
        right: &[Series],
    ) -> Outcome<Vec<Series>> {
        // The side that may have several series for one of the other side.
        let is_swapped = binary.matching.many == Some(ManySide::Right);
        let (many, one) = if is_swapped { (right, left) } else { (left, right) };
        let signatures = Signatures::new(&binary.matching, many, one);
        let mut join = Join {
            binary,
            is_swapped,
            many,
            one,
            results: Vec::new(),
            places: HashMap::new(),
            pairs: HashMap::new(),
            matched: HashMap::new(),
        };
        let mut many_cursors = vec![0; many.len()];
        let mut one_cursors = vec![0; one.len()];
        let mut of_signature: Vec<Option<usize>> = vec![None; signatures.count];
        for at_ms in self.steps.iter() {
            self.context.meter.check()?;
            let many_present = present(many, &mut many_cursors, at_ms);
            let one_present = present(one, &mut one_cursors, at_ms);
            if many_present.is_empty() || one_present.is_empty() {
                continue;
            }
            of_signature.fill(None);
            for (index, (series, _)) in one_present.iter().enumerate() {
                let place = &mut of_signature[signatures.right[*series]];
                if let Some(other) = place {
                    return join.duplicate(one_present[*other].0, *series);
                }
                *place = Some(index);
            }
            for (series, value) in many_present {
                let signature = signatures.left[series];
                if let Some(index) = of_signature[signature] {
                    join.add(at_ms, signature, (series, value), one_present[index])?;
                }
            }
        }
        Ok(join.results.into_iter().filter(|series| !series.points.is_empty()).collect())
    }

    /// `and`, `or` and `unless`.
    pub fn combine_sets(
        &self,
        binary: &Binary,
        mut left: Vec<Series>,
        mut right: Vec<Series>,
    ) -> Outcome<Vec<Series>> {
        let signatures = Signatures::new(&binary.matching, &left, &right);
        let steps = self.steps.count();
        let has = |series: &[Series], of: &[usize]| {
            let mut has = vec![false; steps * signatures.count];
            for (one, signature) in series.iter().zip(of) {
                for point in &one.points {
                    has[signature * steps + self.steps.index(point.at_ms)] = true;
                }
            }
            has
        };
        let bits = steps.saturating_mul(signatures.count);
        // A sample has 16 bytes.
        self.context.meter.hold(bits / 16)?;
        let retain = |series: &mut Vec<Series>, of: &[usize], other: &[bool], keeps: bool| {
            for (one, signature) in series.iter_mut().zip(of) {
                one.points.retain(|point| {
                    other[signature * steps + self.steps.index(point.at_ms)] == keeps
                });
            }
            series.retain(|one| !one.points.is_empty());
        };
        match binary.operator {
            Operator::And | Operator::Unless => {
                let present = has(&right, &signatures.right);
                let keeps = binary.operator == Operator::And;
                retain(&mut left, &signatures.left, &present, keeps);
                Ok(left)
            }
            _ => {
                let present = has(&left, &signatures.left);
                retain(&mut right, &signatures.right, &present, false);
                left.extend(right);
                if self.steps.is_instant() {
                    Ok(left)
                } else {
                    super::merge::merge_same_labels(left)
                }
            }
        }
    }
}

/// The series that have a point at `at_ms`, with its value.
fn present(series: &[Series], cursors: &mut [usize], at_ms: i64) -> Vec<(usize, f64)> {
    let mut present = Vec::new();
    for (index, (one, cursor)) in series.iter().zip(cursors).enumerate() {
        if let Some(point) = one.points.get(*cursor).filter(|point| point.at_ms == at_ms) {
            present.push((index, point.value));
            *cursor += 1;
        }
    }
    present
}

/// The results of matching two sides.
struct Join<'a> {
    binary: &'a Binary,
    is_swapped: bool,
    many: &'a [Series],
    one: &'a [Series],
    results: Vec<Series>,
    /// Labels of a result, and its index.
    places: HashMap<Labels, usize>,
    /// A series of each side, and the index of their result.
    pairs: HashMap<(usize, usize), usize>,
    /// Signature and result, and when they matched last.
    matched: HashMap<(usize, Option<usize>), i64>,
}

impl Join<'_> {
    fn add(
        &mut self,
        at_ms: i64,
        signature: usize,
        many: (usize, f64),
        one: (usize, f64),
    ) -> Outcome<()> {
        let operator = self.binary.operator;
        let place = self.place(many.0, one.0);
        let has_many = self.binary.matching.many.is_some();
        let key = (signature, has_many.then_some(place));
        if self.matched.insert(key, at_ms) == Some(at_ms) {
            return execution(if has_many {
                "multiple matches for labels: grouping labels must ensure unique matches"
            } else {
                "multiple matches for labels: many-to-one matching must be explicit \
                 (group_left/group_right)"
            });
        }
        let (left, right) = if self.is_swapped { (one.1, many.1) } else { (many.1, one.1) };
        let keeps = holds(operator, left, right);
        let value = if self.binary.is_bool {
            truth(keeps)
        } else if keeps {
            compute(operator, left, right)
        } else {
            return Ok(());
        };
        let points = &mut self.results[place].points;
        if points.last().is_some_and(|point| point.at_ms == at_ms) {
            return execution("vector cannot contain metrics with the same labelset");
        }
        points.push(Point { at_ms, value });
        Ok(())
    }

    /// The index of the result of two series.
    fn place(&mut self, many: usize, one: usize) -> usize {
        if let Some(place) = self.pairs.get(&(many, one)) {
            return *place;
        }
        let labels = self.labels(many, one);
        let next = self.results.len();
        let place = *self.places.entry(labels.clone()).or_insert(next);
        if place == next {
            let drops_name = self.binary.is_bool || self.many[many].drops_name;
            self.results.push(Series { labels, drops_name, points: Vec::new() });
        }
        self.pairs.insert((many, one), place);
        place
    }

    fn labels(&self, many: usize, one: usize) -> Labels {
        let matching = &self.binary.matching;
        let mut labels = self.many[many].labels.clone();
        if !self.binary.operator.is_comparison() {
            labels = labels.without_name();
        }
        if matching.many.is_none() {
            labels = if matching.is_on {
                labels.only(&matching.labels)
            } else {
                labels.without(&matching.labels)
            };
        }
        for name in &matching.included {
            labels = labels.with(name, self.one[one].labels.get(name));
        }
        labels
    }

    /// Two series of one side have the same matching labels.
    fn duplicate<T>(&self, first: usize, second: usize) -> Outcome<T> {
        let labels = [first, second].map(|index| &self.one[index].labels);
        let mut shown = labels.map(ToString::to_string);
        shown.sort();
        let side = if self.is_swapped { "left" } else { "right" };
        execution(format!(
            "found duplicate series for the match group {} on the {side} hand-side of the \
             operation: [{}, {}];many-to-many matching not allowed: matching labels must be unique \
             on one side",
            match_group(&self.binary.matching, labels[0]),
            shown[0],
            shown[1]
        ))
    }
}

fn match_group(matching: &Matching, labels: &Labels) -> Labels {
    if matching.is_on {
        labels.only(&matching.labels)
    } else {
        let mut names = matching.labels.clone();
        names.push(METRIC_NAME.to_owned());
        labels.without(&names)
    }
}
