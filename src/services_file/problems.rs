//! Problems of a services file, each with file and line.

use std::path::Path;
use std::sync::Arc;

use crate::services_file::entry::Entry;

/// Most problems that are reported: a long list usually repeats one mistake.
const REPORTED: usize = 50;

/// Longest text of one problem, in bytes; it may repeat a value of the file.
const MAX_BYTES: usize = 500;

/// Problems of a services file, each with file and line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<(Arc<Path>, usize, String)>);

impl Problems {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn add(&mut self, file: &Arc<Path>, line: usize, mut problem: String) {
        if problem.len() > MAX_BYTES {
            problem.truncate(problem.floor_char_boundary(MAX_BYTES));
            problem.push('…');
        }
        self.0.push((Arc::clone(file), line, problem));
    }

    /// A problem of an entry that was parsed.
    pub fn add_to_entry(&mut self, entry: &Entry, problem: &str) {
        let name = entry.definition.full_name();
        self.add(&entry.file, entry.line, format!("endpoint ({name}): {problem}"));
    }

    /// One message for each problem; beyond 50, their number.
    pub fn messages(&self) -> Vec<String> {
        let reported = self.0.iter().take(REPORTED);
        let mut messages: Vec<String> = reported
            .map(|(file, line, problem)| format!("{}:{line}: {problem}", file.display()))
            .collect();
        if self.0.len() > REPORTED {
            messages.push(format!("{} more problems", self.0.len() - REPORTED));
        }
        messages
    }
}
