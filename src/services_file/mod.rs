//! The declarative list of services: a YAML file in Gatus's form (contract, "Services file").
//!
//! [`read`] turns the file into entries before anything is started, [`plan`](plan::plan) compares them with the store, and
//! `storage::writer::apply_plan` does the whole plan in one transaction, or nothing of it.

mod parse;
mod plan;

use std::path::Path;

pub use parse::Entry;
use parse::parse;
pub use plan::plan;

/// Reads the file. The error has one sentence a problem, each with file, line and entry.
pub fn read(file: &Path) -> Result<Vec<Entry>, Vec<String>> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        vec![format!(
            "SERVICES_FILE: {file:?} is not accepted ({error}); accepted is a YAML file in UTF-8"
        )]
    })?;
    parse(&text).map_err(|problems| problems.located(file))
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

    /// The problems as sentences about `file`.
    pub fn located(&self, file: &Path) -> Vec<String> {
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
