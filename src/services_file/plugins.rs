//! External checks of a services file.

use crate::services_file::entry::Entry;
use crate::services_file::problems::Problems;
use crate::spec;

/// Refuses entries that run plugins where `PLUGINS_DIR` is not set.
pub fn check_plugins(entries: &[Entry], has_plugins: bool) -> Result<(), Vec<String>> {
    let mut problems = Problems::default();
    for entry in entries {
        if let Err(problem) = spec::check_plugins(&entry.definition, has_plugins) {
            problems.add_to_entry(entry, &problem.to_string());
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.messages()) }
}
