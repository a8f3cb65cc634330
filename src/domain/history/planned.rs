//! Time under maintenance, as uptime needs it.

/// Times of maintenance in order and apart, in unix milliseconds; ends are exclusive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned(Vec<(i64, i64)>);

impl Planned {
    /// No maintenance.
    pub const NONE: &'static Self = &Self(Vec::new());

    /// The union of `spans`, which may overlap, be empty and be in any order.
    pub fn new(spans: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let mut spans: Vec<(i64, i64)> =
            spans.into_iter().filter(|(from_ms, to_ms)| from_ms < to_ms).collect();
        spans.sort_unstable();
        let mut union: Vec<(i64, i64)> = Vec::with_capacity(spans.len());
        for (from_ms, to_ms) in spans {
            match union.last_mut() {
                Some((_, end_ms)) if *end_ms >= from_ms => *end_ms = to_ms.max(*end_ms),
                _ => union.push((from_ms, to_ms)),
            }
        }
        Self(union)
    }

    /// Calls `each` with the pieces of the time from `from_ms` to `to_ms`, in order: whether there
    /// is maintenance, and the length in milliseconds, which is never 0.
    pub fn split(&self, from_ms: i64, to_ms: i64, mut each: impl FnMut(bool, u64)) {
        let first = self.0.partition_point(|(_, end_ms)| *end_ms <= from_ms);
        let mut at_ms = from_ms;
        for &(begin_ms, end_ms) in &self.0[first..] {
            if begin_ms >= to_ms {
                break;
            }
            if at_ms < begin_ms {
                each(false, begin_ms.abs_diff(at_ms));
                at_ms = begin_ms;
            }
            let end_ms = end_ms.min(to_ms);
            each(true, end_ms.abs_diff(at_ms));
            at_ms = end_ms;
        }
        if at_ms < to_ms {
            each(false, to_ms.abs_diff(at_ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_split_at_the_union_of_the_spans() {
        let planned = Planned::new([(50, 60), (10, 20), (15, 30), (30, 35), (40, 40), (48, 46)]);
        assert_eq!(planned, Planned::new([(10, 35), (50, 60)]));
        let split = |from_ms, to_ms| {
            let mut pieces = Vec::new();
            planned.split(from_ms, to_ms, |is_planned, ms| pieces.push((is_planned, ms)));
            pieces
        };
        assert_eq!(split(0, 55), [(false, 10), (true, 25), (false, 15), (true, 5)]);
        assert_eq!(split(12, 13), [(true, 1)]);
        assert_eq!(split(35, 50), [(false, 15)]);
        assert_eq!(split(34, 51), [(true, 1), (false, 15), (true, 1)]);
        assert_eq!(split(60, 61), [(false, 1)]);
        assert_eq!((split(5, 5), split(5, 4)), (vec![], vec![]));
    }
}
