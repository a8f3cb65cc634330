//! Runs of equal results, and the lengths at which a run is signalled.

/// The lengths of runs of one service that are signalled. Shared by all services with
/// the same ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Marks {
    /// Failures in a row, ascending, each at least 1.
    pub failures: Vec<u32>,
    /// Successes in a row, ascending, each at least 1.
    pub successes: Vec<u32>,
    /// Whether flapping is signalled.
    pub flapping: bool,
    /// Response time in milliseconds above which a result is slow, and how many slow results in a
    /// row are signalled.
    pub degraded: Option<(u32, u32)>,
    /// Days before the expiry of a certificate, descending.
    pub certificate_days: Vec<u16>,
}

impl Marks {
    /// The length up to which a run of failures, or of successes, is counted.
    fn longest(&self, is_up: bool) -> u32 {
        let marks = if is_up { &self.successes } else { &self.failures };
        marks.last().copied().unwrap_or(1)
    }
}

/// Runs of results of a service, as stored. A run is counted up to the longest mark, so that a
/// service without changes changes no column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Runs {
    /// Results in a row: positive for successes, negative for failures, 0 after an unknown one.
    pub results: i32,
    /// Results in a row: negative above the limit of the response time, positive below it.
    pub slow: i32,
    /// The smallest step of days that was signalled for the certificate in use.
    pub certificate_step: Option<i16>,
    /// Unix milliseconds since when no certificate expires soon, while a step is signalled.
    pub certificate_fine_since_ms: Option<i64>,
}

impl Runs {
    /// The run after one more result.
    pub fn with_result(self, is_up: bool, marks: &Marks) -> Self {
        Self { results: longer(self.results, is_up, marks.longest(is_up)), ..self }
    }

    /// The run of slow or fast results after one more, counted up to `results`.
    pub fn with_speed(self, is_fast: bool, results: u32) -> Self {
        Self { slow: longer(self.slow, is_fast, results), ..self }
    }

    /// The run after a result that is neither up nor down.
    pub fn broken(self) -> Self {
        Self { results: 0, slow: 0, ..self }
    }

    /// Failures in a row.
    pub fn failures(self) -> u32 {
        self.results.min(0).unsigned_abs()
    }

    /// Successes in a row.
    pub fn successes(self) -> u32 {
        self.results.max(0).unsigned_abs()
    }
}

/// A signed run after one more result, at most `longest` long.
fn longer(run: i32, is_up: bool, longest: u32) -> i32 {
    let longest = i32::try_from(longest).unwrap_or(i32::MAX);
    match (is_up, run) {
        (true, run) => run.max(0).saturating_add(1).min(longest.max(run)),
        (false, run) => run.min(0).saturating_sub(1).max((-longest).min(run)),
    }
}

/// The greatest of `marks` that `after` reaches and `before` did not.
pub fn reached(marks: &[u32], before: u32, after: u32) -> Option<u32> {
    marks.iter().rev().copied().find(|mark| before < *mark && *mark <= after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_grows_to_the_longest_mark_and_begins_anew_after_a_change() {
        let marks = Marks { failures: vec![2, 4], successes: vec![3], ..Marks::default() };
        let run = |results: &[bool]| {
            let after = |runs: Runs, is_up: &bool| runs.with_result(*is_up, &marks);
            results.iter().fold(Runs::default(), after).results
        };
        assert_eq!(run(&[false, false]), -2);
        assert_eq!(run(&[false; 9]), -4);
        assert_eq!(run(&[true; 9]), 3);
        assert_eq!(run(&[true, true, false]), -1);
        assert_eq!(run(&[false, true]), 1);
    }

    #[test]
    fn a_longer_run_than_the_marks_of_now_is_kept() {
        let marks = Marks { failures: vec![2], successes: vec![2], ..Marks::default() };
        let runs = Runs { results: -7, ..Runs::default() };
        assert_eq!(runs.with_result(false, &marks).results, -7);
    }

    #[test]
    fn a_mark_is_reached_once() {
        assert_eq!(reached(&[3, 10], 2, 3), Some(3));
        assert_eq!(reached(&[3, 10], 3, 4), None);
        assert_eq!(reached(&[3, 10], 0, 12), Some(10));
    }
}
