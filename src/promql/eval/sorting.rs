//! The order of series in the answer of an instant query.

use std::cmp::Ordering;

use crate::promql::series::Series;

/// By the first value; NaN is last in both directions.
pub fn sort_by_value(series: &mut [Series], is_descending: bool) {
    let value = |series: &Series| series.points.first().map_or(f64::NAN, |point| point.value);
    series.sort_by(|a, b| compare_values(value(a), value(b), is_descending));
}

/// NaN is last in both directions.
pub fn compare_values(a: f64, b: f64, is_descending: bool) -> Ordering {
    let order = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
    a.is_nan().cmp(&b.is_nan()).then(if is_descending { order.reverse() } else { order })
}

/// By the values of `names` in turn, then by all labels; numbers in values count as numbers.
pub fn sort_by_labels(series: &mut [Series], names: &[&str], is_descending: bool) {
    series.sort_by(|a, b| {
        let by_names = names.iter().map(|name| natural(a.labels.get(name), b.labels.get(name)));
        let order =
            by_names.fold(Ordering::Equal, Ordering::then).then_with(|| a.labels.cmp(&b.labels));
        if is_descending { order.reverse() } else { order }
    });
}

/// Compares runs of digits by their value, other characters by themselves.
fn natural(mut a: &str, mut b: &str) -> Ordering {
    loop {
        let (Some(first_a), Some(first_b)) = (a.chars().next(), b.chars().next()) else {
            return a.len().cmp(&b.len());
        };
        let order;
        let (run_a, run_b);
        if first_a.is_ascii_digit() && first_b.is_ascii_digit() {
            (run_a, run_b) = (digits(a), digits(b));
            let significant = |run: &str| run.trim_start_matches('0').to_owned();
            let (number_a, number_b) = (significant(run_a), significant(run_b));
            order = number_a
                .len()
                .cmp(&number_b.len())
                .then(number_a.cmp(&number_b))
                .then(run_a.len().cmp(&run_b.len()));
        } else {
            (run_a, run_b) = (&a[..first_a.len_utf8()], &b[..first_b.len_utf8()]);
            order = first_a.cmp(&first_b);
        }
        if order != Ordering::Equal {
            return order;
        }
        a = &a[run_a.len()..];
        b = &b[run_b.len()..];
    }
}

fn digits(text: &str) -> &str {
    let end = text.find(|other: char| !other.is_ascii_digit()).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_labels_count_as_numbers() {
        let mut values = ["cpu10", "cpu2", "cpu", "b", "cpu02"];
        values.sort_by(|a, b| natural(a, b));
        assert_eq!(values, ["b", "cpu", "cpu2", "cpu02", "cpu10"]);
    }
}
