//! What is made of many numbers: the middle and the spread of a few turns, percentiles of a distribution.

/// What the turns of one measurement gave, in one unit.
#[derive(Debug, Clone, Default)]
pub struct Turns(Vec<f64>);

impl Turns {
    /// Adds a turn.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    /// The median; of an even number of turns, the mean of the two in the middle.
    pub fn median(&self) -> f64 {
        let half = self.0.len() / 2;
        match self.0.as_slice() {
            [] => f64::NAN,
            turns if turns.len() % 2 == 1 => turns[half],
            turns => f64::midpoint(turns[half - 1], turns[half]),
        }
    }

    /// Least and most, as a text with so many digits.
    pub fn spread(&self, digits: usize) -> String {
        match (self.0.first(), self.0.last()) {
            (Some(least), Some(most)) => format!("{least:.digits$}–{most:.digits$}"),
            _ => String::new(),
        }
    }
}

/// Many values of one unit.
#[derive(Debug, Clone)]
pub struct Distribution(Vec<f64>);

impl Distribution {
    /// The distribution of `values`.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The value that the share `q` (0 to 1) of all does not exceed (nearest rank); not a number when there is none.
    pub fn at(&self, q: f64) -> f64 {
        let rank = (self.0.len() as f64 * q).ceil() as usize;
        self.0.get(rank.clamp(1, self.0.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
    }

    /// p50, p99 and the largest, as a text.
    pub fn told(&self, digits: usize, unit: &str) -> String {
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|q| self.at(q));
        format!("p50 {p50:.digits$}, p99 {p99:.digits$}, max {max:.digits$} {unit}")
    }
}
