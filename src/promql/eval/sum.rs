//! Compensated sums, means and quantiles.

/// A sum with the Kahan–Neumaier compensation.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sum {
    pub sum: f64,
    pub compensation: f64,
}

impl Sum {
    #[must_use]
    pub fn plus(self, value: f64) -> Self {
        let sum = self.sum + value;
        let compensation = if sum.is_infinite() {
            0.0
        } else if self.sum.abs() >= value.abs() {
            self.compensation + ((self.sum - sum) + value)
        } else {
            self.compensation + ((value - sum) + self.sum)
        };
        Self { sum, compensation }
    }

    pub fn total(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.compensation }
    }

    #[must_use]
    fn times(self, factor: f64) -> Self {
        Self { sum: self.sum * factor, compensation: self.compensation * factor }
    }
}

/// A mean: sum by count, until the sum would overflow; from then on the mean moves by each value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    kept: Sum,
    count: f64,
    is_moving: bool,
}

impl Mean {
    pub fn of(first: f64) -> Self {
        Self { kept: Sum { sum: first, compensation: 0.0 }, count: 1.0, is_moving: false }
    }

    #[must_use]
    pub fn plus(mut self, value: f64) -> Self {
        self.count += 1.0;
        if !self.is_moving {
            let sum = self.kept.plus(value);
            if !sum.sum.is_infinite() {
                self.kept = sum;
                return self;
            }
            self.is_moving = true;
            self.kept.sum /= self.count - 1.0;
            self.kept.compensation /= self.count - 1.0;
        }
        let part = (self.count - 1.0) / self.count;
        self.kept = self.kept.times(part).plus(value / self.count);
        self
    }

    pub fn mean(self) -> f64 {
        if self.is_moving {
            self.kept.sum + self.kept.compensation
        } else {
            self.kept.sum / self.count + self.kept.compensation / self.count
        }
    }
}

/// The quantile `q` of `values`, interpolated between neighbours; NaN sorts first.
pub fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_unstable_by(|a, b| {
        b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
    });
    let last = values.len() - 1;
    let rank = q * last as f64;
    let lower = rank.floor();
    let weight = rank - lower;
    let index = (lower as usize).min(last);
    values[index] * (1.0 - weight) + values[(index + 1).min(last)] * weight
}
