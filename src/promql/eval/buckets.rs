//! Quantiles and fractions of the buckets of a classic histogram.

/// Relative difference of two counts that is an error of rounding.
const SMALL_DIFFERENCE: f64 = 1e-12;

/// The observations that are at most `upper_bound`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    pub upper_bound: f64,
    pub count: f64,
}

#[derive(Debug, Clone, Copy)]
pub struct Quantile {
    pub value: f64,
    /// Whether counts fell from one bucket to the next, and were raised.
    pub is_forced: bool,
}

/// Interpolates linearly inside a bucket. The lowest bucket begins at 0 if its bound is above; a
/// quantile in the highest bucket is the bound of the one before.
pub fn quantile(q: f64, buckets: Vec<Bucket>) -> Quantile {
    let plain = |value| Quantile { value, is_forced: false };
    if q.is_nan() {
        return plain(f64::NAN);
    }
    if q < 0.0 {
        return plain(f64::NEG_INFINITY);
    }
    if q > 1.0 {
        return plain(f64::INFINITY);
    }
    let Some(mut buckets) = complete(buckets) else { return plain(f64::NAN) };
    let is_forced = make_monotonic(&mut buckets);
    let last = buckets.len() - 1;
    let observations = buckets[last].count;
    if last == 0 || observations == 0.0 || observations.is_nan() {
        return Quantile { value: f64::NAN, is_forced };
    }
    let rank = q * observations;
    let place = buckets[..last].partition_point(|bucket| bucket.count < rank);
    let bucket = buckets[place];
    let value = if place == last {
        buckets[last - 1].upper_bound
    } else if place == 0 && bucket.upper_bound <= 0.0 {
        bucket.upper_bound
    } else {
        let before = place.checked_sub(1).map(|before| buckets[before]);
        let (start, below) = before.map_or((0.0, 0.0), |before| (before.upper_bound, before.count));
        start + (bucket.upper_bound - start) * ((rank - below) / (bucket.count - below))
    };
    Quantile { value, is_forced }
}

/// The part of the observations between two values.
pub fn fraction(lower: f64, upper: f64, buckets: Vec<Bucket>) -> f64 {
    let Some(buckets) = complete(buckets) else { return f64::NAN };
    let count = buckets[buckets.len() - 1].count;
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank_of(upper, &buckets) - rank_of(lower, &buckets)) / count
}

/// How many observations are below `value`, interpolated inside its bucket.
fn rank_of(value: f64, buckets: &[Bucket]) -> f64 {
    let count = buckets[buckets.len() - 1].count;
    let mut start = if buckets[0].upper_bound <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    let mut below = 0.0;
    for bucket in buckets {
        if start >= value {
            return f64::min(below, count);
        }
        if bucket.upper_bound > value {
            let rank = if start == f64::NEG_INFINITY {
                bucket.count
            } else {
                below + (bucket.count - below) * (value - start) / (bucket.upper_bound - start)
            };
            return rank.min(count);
        }
        below = bucket.count;
        start = bucket.upper_bound;
    }
    count
}

/// Sorted, with one bucket a bound; `None` without a bucket up to infinity.
fn complete(mut buckets: Vec<Bucket>) -> Option<Vec<Bucket>> {
    buckets.sort_by(|a, b| a.upper_bound.total_cmp(&b.upper_bound));
    buckets.dedup_by(|later, earlier| {
        let is_same = later.upper_bound == earlier.upper_bound;
        if is_same {
            earlier.count += later.count;
        }
        is_same
    });
    buckets.last().is_some_and(|last| last.upper_bound == f64::INFINITY).then_some(buckets)
}

/// Raises counts that are below the one before; whether any was, apart from errors of rounding.
fn make_monotonic(buckets: &mut [Bucket]) -> bool {
    let mut is_forced = false;
    let mut before = f64::NAN;
    for (index, bucket) in buckets.iter_mut().enumerate() {
        if index == 0 {
            before = bucket.count;
            continue;
        }
        let difference = (bucket.count - before).abs();
        let is_rounding =
            difference > 0.0 && difference / (bucket.count.abs() + before.abs()) < SMALL_DIFFERENCE;
        if is_rounding {
            bucket.count = before;
        } else if bucket.count < before {
            bucket.count = before;
            is_forced = true;
        } else {
            before = bucket.count;
        }
    }
    is_forced
}
