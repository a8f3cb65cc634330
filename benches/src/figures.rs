//! Statistics: median and spread of a few turns, percentiles of a distribution.

/// The turns of one measurement, sorted, in one unit.
#[derive(Debug, Clone, Default)]
pub struct Turns(Vec<f64>);

impl Turns {
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    /// For an even number of turns, the mean of the two in the middle; NaN without turns.
    pub fn median(&self) -> f64 {
        let half = self.0.len() / 2;
        match self.0.as_slice() {
            [] => f64::NAN,
            turns if turns.len() % 2 == 1 => turns[half],
            turns => f64::midpoint(turns[half - 1], turns[half]),
        }
    }

    /// Minimum and maximum.
    pub fn spread(&self, digits: usize) -> String {
        match (self.0.first(), self.0.last()) {
            (Some(least), Some(most)) => format!("{least:.digits$}–{most:.digits$}"),
            _ => String::new(),
        }
    }
}

/// Sorted values of one unit.
#[derive(Debug, Clone)]
pub struct Distribution(Vec<f64>);

impl Distribution {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The quantile `q` (0 to 1) by nearest rank; NaN without values.
    pub fn at(&self, q: f64) -> f64 {
        let rank = (self.0.len() as f64 * q).ceil() as usize;
        self.0.get(rank.clamp(1, self.0.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
    }

    /// p50, p99 and maximum.
    pub fn summary(&self, digits: usize, unit: &str) -> String {
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|q| self.at(q));
        format!("p50 {p50:.digits$}, p99 {p99:.digits$}, max {max:.digits$} {unit}")
    }
}
