//! Leaves out samples that no moment needs.

use crate::promql::{Point, Steps};

/// Samples beyond twice the number of moments that are kept until more are there.
const MANY: usize = 4_096;

/// The newest sample at or before each moment.
pub fn newest_at(points: Vec<Point>, moments: Option<Steps>) -> Vec<Point> {
    let Some(moments) = moments else { return points };
    // Fewer samples than moments: nothing to gain.
    if points.len() <= moments.count() {
        return points;
    }
    let mut kept: Vec<Point> = Vec::with_capacity(moments.count());
    let mut next = 0;
    for at_ms in moments.iter() {
        while points.get(next).is_some_and(|point| point.at_ms <= at_ms) {
            next += 1;
        }
        let newest = next.checked_sub(1).map(|index| points[index]);
        if let Some(point) = newest
            && kept.last().is_none_or(|last| last.at_ms < point.at_ms)
        {
            kept.push(point);
        }
    }
    kept
}

/// Leaves out what no moment needs when that may be most of the samples, to which others are added.
pub fn thin_if_many(points: &mut Vec<Point>, moments: Option<Steps>) {
    if moments.is_some_and(|moments| points.len() > 2 * moments.count() + MANY) {
        *points = newest_at(std::mem::take(points), moments);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_moment_needs_is_left_out() {
        let points: Vec<Point> =
            (0..100).map(|at_ms| Point { at_ms: at_ms * 10, value: 0.0 }).collect();
        let moments = Steps { start_ms: 105, end_ms: 505, step_ms: 200 };
        let times = |points: Vec<Point>| -> Vec<i64> {
            points.into_iter().map(|point| point.at_ms).collect()
        };
        assert_eq!(times(newest_at(points.clone(), Some(moments))), [100, 300, 500]);
        assert_eq!(newest_at(points.clone(), None).len(), 100);
        let early = Steps { start_ms: -20, end_ms: 5, step_ms: 25 };
        assert_eq!(times(newest_at(points, Some(early))), [0]);
    }

    #[test]
    fn what_is_left_out_meanwhile_changes_nothing() {
        let points: Vec<Point> =
            (0..50_000).map(|at_ms| Point { at_ms: at_ms * 10, value: 0.0 }).collect();
        let moments = Steps { start_ms: 105, end_ms: 490_000, step_ms: 9_876 };
        let mut added = Vec::new();
        for part in points.chunks(777) {
            added.extend(part);
            thin_if_many(&mut added, Some(moments));
            assert!(added.len() <= 2 * moments.count() + MANY);
        }
        assert_eq!(newest_at(added, Some(moments)), newest_at(points, Some(moments)));
    }
}
