//! From files to entries.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::Path;

use crate::bounded_file;
use crate::domain::invalid::Invalid;
use crate::domain::service::label::FullName;
use crate::domain::service::template::Variables;
use crate::probe::net::tls;
use crate::services_file::entry::Entry;
use crate::services_file::files;
use crate::services_file::parse::parse;
use crate::services_file::problems::Problems;

/// Largest file, in bytes; a file of 100,000 entries has about 20 MB.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Reads the file, or all files of the folder. The error has one message for each problem, with
/// file, line and entry.
pub fn read(path: &Path, variables: &Variables) -> Result<Vec<Entry>, Vec<String>> {
    let invalid = |file: &Path, reason: &dyn Display| {
        let expected = "a YAML file in UTF-8, or a folder of such files";
        vec![Invalid::quoted(file, expected).because(reason).of("SERVICES_FILE")]
    };
    let files = files::list(path).map_err(|error| invalid(path, &error))?;
    if files.is_empty() {
        return Err(invalid(path, &"no .yaml or .yml file in it"));
    }
    let (mut entries, mut problems) = (Vec::new(), Problems::default());
    for file in files {
        let text =
            bounded_file::read_text(&file, MAX_BYTES).map_err(|error| invalid(&file, &error))?;
        entries.extend(parse(&file.into(), &text, variables, &mut problems));
    }
    validate(entries, problems)
}

/// Reads one text as [`read`] reads a file; errors show it as `path`.
pub fn read_text(
    path: &Path,
    text: &str,
    variables: &Variables,
) -> Result<Vec<Entry>, Vec<String>> {
    let mut problems = Problems::default();
    let entries = parse(&path.into(), text, variables, &mut problems);
    validate(entries, problems)
}

/// Checks names and certificate files of all entries together.
fn validate(entries: Vec<Entry>, mut problems: Problems) -> Result<Vec<Entry>, Vec<String>> {
    reject_duplicates(&entries, &mut problems);
    for entry in &entries {
        let options = &entry.definition.options.tls;
        let files = [&options.ca, &options.certificate, &options.private_key];
        let has_files = files.into_iter().any(Option::is_some);
        if let Some(Err(error)) = has_files.then(|| tls::validate(options)) {
            problems.add_to_entry(entry, &format!("client: tls: {error}"));
        }
    }
    if problems.is_empty() { Ok(entries) } else { Err(problems.messages()) }
}

fn reject_duplicates(entries: &[Entry], problems: &mut Problems) {
    let mut first: HashMap<FullName, &Entry> = HashMap::new();
    for entry in entries {
        let full_name = entry.definition.full_name();
        match first.get(&full_name) {
            Some(first) => {
                let elsewhere = if first.file == entry.file {
                    format!("line {}", first.line)
                } else {
                    format!("{}:{}", first.file.display(), first.line)
                };
                let problem = format!("name: already used by the entry at {elsewhere}");
                problems.add_to_entry(entry, &problem);
            }
            None => drop(first.insert(full_name, entry)),
        }
    }
}
