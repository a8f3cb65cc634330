//! The rows: printed to stderr as they come, and as Markdown at the end.

use std::fmt::Write;
use std::time::Instant;

/// One figure.
#[derive(Debug, Default)]
pub struct Row {
    what: String,
    measured: String,
    ratio: String,
    goal: String,
    spread: String,
}

impl Row {
    /// `measured` includes the unit.
    pub fn new(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self { what: what.into(), measured: measured.into(), ..Self::default() }
    }

    /// The ratio to a floor.
    pub fn ratio(self, ratio: impl Into<String>) -> Self {
        Self { ratio: ratio.into(), ..self }
    }

    /// The goal, and whether it was reached.
    pub fn goal(self, wanted: &str, is_reached: bool) -> Self {
        let verdict = if is_reached { "reached" } else { "**missed**" };
        Self { goal: format!("{wanted}: {verdict}"), ..self }
    }

    /// Minimum and maximum of the turns.
    pub fn spread(self, spread: impl Into<String>) -> Self {
        Self { spread: spread.into(), ..self }
    }
}

/// All rows, by part.
#[derive(Debug)]
pub struct Table {
    parts: Vec<(String, Vec<Row>)>,
    started: Instant,
}

impl Table {
    pub fn new() -> Self {
        Self { parts: Vec::new(), started: Instant::now() }
    }

    /// Prints the current step with the elapsed seconds.
    pub fn progress(&self, what: &str) {
        eprintln!("{:>4.0} s  {what}", self.started.elapsed().as_secs_f64());
    }

    /// Starts the part `title`.
    pub fn part(&mut self, title: &str) {
        self.progress(title);
        self.parts.push((title.to_owned(), Vec::new()));
    }

    /// Adds and prints a row.
    pub fn row(&mut self, row: Row) {
        self.progress(&format!("  {}: {}  {}  {}", row.what, row.measured, row.ratio, row.goal));
        if let Some((_, rows)) = self.parts.last_mut() {
            rows.push(row);
        }
    }

    /// Markdown, with a table for each part.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for (title, rows) in &self.parts {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "### {title}\n");
            text.push_str("| figure | measured | ratio to the floor | goal | turns |\n");
            text.push_str("|---|---|---|---|---|\n");
            for Row { what, measured, ratio, goal, spread } in rows {
                let _ = writeln!(text, "| {what} | {measured} | {ratio} | {goal} | {spread} |");
            }
            text.push('\n');
        }
        text
    }
}
