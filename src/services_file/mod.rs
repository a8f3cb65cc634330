//! The declarative list of services: YAML files in Gatus's form (contract, "Services file").
//!
//! [`read`] turns a file, or a folder of files, into entries before anything is started or changed, [`plan`](plan::plan) compares
//! them with the store, and [`apply`] does the whole plan in one transaction, or nothing of it.

mod parse;
mod plan;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use diesel::sqlite::SqliteConnection;

pub use parse::Entry;
use parse::{File, parse};
pub use plan::plan;

use crate::domain::{Definition, Invalid, ServiceId, Variables};
use crate::probe::net::tls;
use crate::storage::StorageError;
use crate::storage::reader::load_known;
use crate::storage::writer::{FilePlan, apply_plan};

/// Reads the file, or every `.yaml` and `.yml` file of the folder and the folders in it, in the order of their names. The
/// error has one sentence a problem, each with file, line and entry.
pub fn read(path: &Path, variables: &Variables) -> Result<Vec<Entry>, Vec<String>> {
    let invalid = |file: &Path, reason: &dyn std::fmt::Display| {
        let expected = "a YAML file in UTF-8, or a folder of such files";
        vec![Invalid::quoted(file, expected).because(reason).of("SERVICES_FILE")]
    };
    let files = files(path).map_err(|error| invalid(path, &error))?;
    if files.is_empty() {
        return Err(invalid(path, &"no .yaml or .yml file in it"));
    }
    let (mut entries, mut problems) = (Vec::new(), Problems::default());
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|error| invalid(&file, &error))?;
        let file = File { path: file.into(), variables: variables.clone() };
        entries.extend(parse(&file, &text, &mut problems));
    }
    finish(entries, problems)
}

/// Reads one text, as [`read`] reads a file.
pub fn read_text(
    path: &Path,
    text: &str,
    variables: &Variables,
) -> Result<Vec<Entry>, Vec<String>> {
    let mut problems = Problems::default();
    let file = File { path: path.into(), variables: variables.clone() };
    let entries = parse(&file, text, &mut problems);
    finish(entries, problems)
}

/// What applying the entries did.
#[derive(Debug, Clone, PartialEq)]
pub struct FileApplied {
    /// How many services were added, changed and removed.
    pub counts: (usize, usize, usize),
    /// Each of them as it is defined now; `None` when it was removed.
    pub services: Vec<(ServiceId, Option<Definition>)>,
}

/// Why entries were not applied; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    /// They contradict the services made through the API; one sentence a problem.
    Refused(Vec<String>),
    /// The store did not take them.
    Store(StorageError),
}

impl From<StorageError> for FileError {
    fn from(error: StorageError) -> Self {
        Self::Store(error)
    }
}

/// Brings the services of the file in line with `entries`, all of it or nothing.
pub fn apply(
    connection: &mut SqliteConnection,
    entries: &[Entry],
    now_ms: i64,
) -> Result<FileApplied, FileError> {
    let known = load_known(connection)?;
    let plan = plan(entries, &known).map_err(FileError::Refused)?;
    let counts = (plan.add.len(), plan.change.len(), plan.remove.len());
    if plan == FilePlan::default() {
        return Ok(FileApplied { counts, services: Vec::new() });
    }
    let added = apply_plan(connection, &plan, now_ms)?;
    let added = added.into_iter().zip(plan.add).map(|(id, definition)| (id, Some(definition)));
    let changed = plan.change.into_iter().map(|(id, definition)| (id, Some(definition)));
    let removed = plan.remove.into_iter().map(|id| (id, None));
    Ok(FileApplied { counts, services: removed.chain(changed).chain(added).collect() })
}

/// The names of the files and when each was changed.
pub type Stamp = Vec<(PathBuf, Option<SystemTime>)>;

/// What a change of the files shows in: their names and when each was changed.
pub fn stamp(path: &Path) -> Stamp {
    let changed = |file: &Path| std::fs::metadata(file).and_then(|it| it.modified()).ok();
    let files = files(path).unwrap_or_default();
    files.into_iter().map(|file| (file.clone(), changed(&file))).collect()
}

/// The file itself, or the files of a folder. Names that begin with a dot are left out: a mounted ConfigMap has its
/// bookkeeping there.
fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let inner = entry?.path();
        let name = inner.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_yaml = inner.extension().is_some_and(|end| end == "yaml" || end == "yml");
        let is_folder = || std::fs::metadata(&inner).is_ok_and(|metadata| metadata.is_dir());
        if name.starts_with('.') {
            continue;
        } else if is_folder() {
            found.extend(files(&inner)?);
        } else if is_yaml {
            found.push(inner);
        }
    }
    found.sort();
    Ok(found)
}

fn finish(entries: Vec<Entry>, mut problems: Problems) -> Result<Vec<Entry>, Vec<String>> {
    refuse_duplicates(&entries, &mut problems);
    for entry in &entries {
        let options = &entry.definition.options.tls;
        let files = [&options.ca, &options.certificate, &options.private_key];
        let has_files = files.into_iter().any(Option::is_some);
        if let Some(Err(why)) = has_files.then(|| tls::validate(options)) {
            problems.of(entry, &format!("client: tls: {why}"));
        }
    }
    if problems.0.is_empty() { Ok(entries) } else { Err(problems.told()) }
}

fn refuse_duplicates(entries: &[Entry], problems: &mut Problems) {
    let mut first: HashMap<&str, &Entry> = HashMap::new();
    for entry in entries {
        match first.get(entry.definition.name.as_str()) {
            Some(first) => {
                let elsewhere = if first.file == entry.file {
                    format!("line {}", first.line)
                } else {
                    format!("{}:{}", first.file.display(), first.line)
                };
                problems.of(entry, &format!("name: already used by the entry at {elsewhere}"));
            }
            None => drop(first.insert(entry.definition.name.as_str(), entry)),
        }
    }
}

/// Problems of files, each with its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<(Arc<Path>, usize, String)>);

impl Problems {
    /// Most problems that are told; who has more has one that repeats.
    const TOLD: usize = 50;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn add(&mut self, file: &File, line: usize, problem: String) {
        self.0.push((Arc::clone(&file.path), line, problem));
    }

    /// A problem of an entry that was read.
    fn of(&mut self, entry: &Entry, problem: &str) {
        let told = format!("endpoint ({}): {problem}", entry.definition.name.as_str());
        self.0.push((Arc::clone(&entry.file), entry.line, told));
    }

    /// The problems as sentences.
    fn told(&self) -> Vec<String> {
        let located = |(file, line, problem): &(Arc<Path>, usize, String)| {
            format!("{}:{line}: {problem}", file.display())
        };
        let mut told: Vec<String> = self.0.iter().take(Self::TOLD).map(located).collect();
        if self.0.len() > Self::TOLD {
            told.push(format!("{} more problems", self.0.len() - Self::TOLD));
        }
        told
    }
}
