//! The declarative list of services: a YAML file in Gatus's form (contract, "Services file").
//!
//! [`parse`](parse::parse) turns the text into entries, [`plan`](plan::plan) compares them with the store, and
//! [`apply`] does the whole plan in one transaction, or nothing of it.

mod duration;
mod parse;
mod plan;

use std::path::Path;

use diesel::sqlite::SqliteConnection;

pub use parse::{Entry, parse};
pub use plan::plan;

use crate::storage::reader::load_known;
use crate::storage::writer;

/// What applying a file did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Entries of the file.
    pub entries: usize,
    /// Services that are new.
    pub added: usize,
    /// Services that changed.
    pub changed: usize,
    /// Services that a former file brought and this one lacks.
    pub removed: usize,
}

/// Makes the store hold what `file` says. The error has one sentence a problem, each with file, line and entry, and
/// then nothing was changed.
pub fn apply(
    file: &Path,
    connection: &mut SqliteConnection,
    now_ms: i64,
) -> Result<Summary, Vec<String>> {
    let shown = file.display();
    let whole = |why: &dyn std::fmt::Display| vec![format!("{shown}: {why}")];
    let text = std::fs::read_to_string(file).map_err(|error| whole(&error))?;
    let entries = parse(&text).map_err(|problems| problems.located(file))?;
    let known = load_known(connection).map_err(|error| whole(&error))?;
    let plan = plan(&entries, &known).map_err(|problems| problems.located(file))?;
    writer::apply_plan(connection, &plan, now_ms).map_err(|error| whole(&error))?;
    Ok(Summary {
        entries: entries.len(),
        added: plan.add.len(),
        changed: plan.change.len(),
        removed: plan.remove.len(),
    })
}

/// Problems of a file, each with its line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<(usize, String)>);

impl Problems {
    /// Most problems that are told; who has more has one that repeats.
    const TOLD: usize = 50;

    fn add(&mut self, line: usize, problem: String) {
        self.0.push((line, problem));
    }

    fn located(&self, file: &Path) -> Vec<String> {
        let file = file.display();
        let mut told: Vec<String> = self
            .0
            .iter()
            .take(Self::TOLD)
            .map(|(line, problem)| format!("{file}:{line}: {problem}"))
            .collect();
        if self.0.len() > Self::TOLD {
            told.push(format!("{file}: {} more problems", self.0.len() - Self::TOLD));
        }
        told
    }
}
