//! What was measured, as rows; told on stderr as it comes, and as Markdown at the end.

use std::fmt::Write;
use std::time::Instant;

/// One figure.
#[derive(Debug, Default)]
pub struct Row {
    what: String,
    measured: String,
    ratio: String,
    reach: String,
    spread: String,
}

impl Row {
    /// A figure and what was measured, units included.
    pub fn new(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self { what: what.into(), measured: measured.into(), ..Self::default() }
    }

    /// What it is in proportion to a floor.
    pub fn ratio(self, ratio: impl Into<String>) -> Self {
        Self { ratio: ratio.into(), ..self }
    }

    /// What is to be reached, and whether it was.
    pub fn reach(self, wanted: &str, is_reached: bool) -> Self {
        let verdict = if is_reached { "reached" } else { "**missed**" };
        Self { reach: format!("{wanted}: {verdict}"), ..self }
    }

    /// The least and the most of the turns.
    pub fn spread(self, spread: impl Into<String>) -> Self {
        Self { spread: spread.into(), ..self }
    }
}

/// All rows, part by part.
#[derive(Debug)]
pub struct Table {
    parts: Vec<(String, Vec<Row>)>,
    started: Instant,
}

impl Table {
    /// No rows yet.
    pub fn new() -> Self {
        Self { parts: Vec::new(), started: Instant::now() }
    }

    /// Tells what is done now, and how many seconds have passed.
    pub fn progress(&self, what: &str) {
        eprintln!("{:>4.0} s  {what}", self.started.elapsed().as_secs_f64());
    }

    /// The rows that follow belong to the part of that title.
    pub fn part(&mut self, title: &str) {
        self.progress(title);
        self.parts.push((title.to_owned(), Vec::new()));
    }

    /// Adds a row and tells it.
    pub fn row(&mut self, row: Row) {
        self.progress(&format!("  {}: {}  {}  {}", row.what, row.measured, row.ratio, row.reach));
        if let Some((_, rows)) = self.parts.last_mut() {
            rows.push(row);
        }
    }

    /// The rows as Markdown, a table for each part.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for (title, rows) in &self.parts {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "### {title}\n");
            text.push_str("| figure | measured | ratio to the floor | reach | spread of turns |\n");
            text.push_str("|---|---|---|---|---|\n");
            for Row { what, measured, ratio, reach, spread } in rows {
                let _ = writeln!(text, "| {what} | {measured} | {ratio} | {reach} | {spread} |");
            }
            text.push('\n');
        }
        text
    }
}
