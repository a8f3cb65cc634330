//! The imports between files, and what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::source::{Module, Source, child};

pub(super) struct Imports {
    /// Importing file → imported file → the imported names.
    files: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// File → the first names of its paths, which include those of other crates.
    first_names: BTreeMap<String, BTreeSet<String>>,
}

impl Imports {
    /// Reads every Rust file of `folder`.
    pub fn read(folder: &Path) -> Self {
        let sources = read_sources(folder);
        let mut imports: BTreeMap<_, BTreeMap<_, BTreeSet<_>>> = BTreeMap::new();
        for source in sources.values() {
            for path in source.imported() {
                for file in defining_files(&path, &sources, 0) {
                    if file != source.file {
                        let names = imports.entry(source.file.clone()).or_default();
                        names.entry(file).or_default().insert(path.join("::"));
                    }
                }
            }
        }
        let first_names =
            sources.values().map(|source| (source.file.clone(), source.first_names())).collect();
        Self { files: imports, first_names }
    }

    /// Imports between top-level modules that `allowed` does not have, one line each.
    pub fn violations(&self, allowed: &[(&str, &str)]) -> Vec<String> {
        let allowed: BTreeMap<&str, &str> = allowed.iter().copied().collect();
        let mut violations = Vec::new();
        for (file, imported) in &self.files {
            let Some(allowed_modules) = allowed.get(top_level(file)) else {
                violations.push(format!("{file}: {} is not in the table", top_level(file)));
                continue;
            };
            for (other, names) in imported {
                let module = top_level(other);
                let is_allowed = allowed_modules.split(' ').any(|allowed| allowed == module);
                if module != top_level(file) && !is_allowed {
                    violations.push(format!("{file} → {other}: {}", list(names)));
                }
            }
        }
        violations
    }

    /// Uses of crates outside of the modules that `allowed` gives them, one line each.
    pub fn uses_of_crates(&self, allowed: &[(&str, &str)]) -> Vec<String> {
        let uses = allowed.iter().flat_map(|(name, modules)| {
            self.first_names
                .iter()
                .filter(|(_, names)| names.contains(*name))
                .filter(|(file, _)| !modules.split(' ').any(|module| module == top_level(file)))
                .map(move |(file, _)| format!("{file} uses {name}"))
        });
        uses.collect()
    }

    /// The groups of files that reach each other, with the imports inside each group.
    pub fn cycles(&self) -> Vec<String> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.files.keys().map(|file| (file.as_str(), self.reachable(file))).collect();
        let both_ways = |a: &str, b: &str| {
            let reaches = |a, b| reached.get(a).is_some_and(|files| files.contains(b));
            reaches(a, b) && reaches(b, a)
        };
        let mut grouped = BTreeSet::new();
        let mut cycles = Vec::new();
        for file in self.files.keys().filter(|file| both_ways(file, file)) {
            if grouped.contains(file.as_str()) {
                continue;
            }
            let group: Vec<&str> = self
                .files
                .keys()
                .map(String::as_str)
                .filter(|other| both_ways(file, other))
                .collect();
            cycles.push(format!("cycle of {} files:", group.len()));
            for importing in &group {
                for (imported, names) in &self.files[*importing] {
                    if group.contains(&imported.as_str()) {
                        cycles.push(format!("  {importing} → {imported}: {}", list(names)));
                    }
                }
            }
            grouped.extend(group);
        }
        cycles
    }

    fn reachable(&self, from: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(file) = open.pop() {
            for imported in self.files.get(file).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(imported.as_str()) {
                    open.push(imported);
                }
            }
        }
        reached
    }
}

/// Without the modules that only tests compile.
fn read_sources(folder: &Path) -> BTreeMap<Module, Source> {
    let mut files = Vec::new();
    find_rust_files(folder, &mut files);
    let mut sources = BTreeMap::new();
    for path in files {
        let file = path.strip_prefix(folder).unwrap().to_str().unwrap();
        let source = Source::read(file, &fs::read_to_string(&path).unwrap());
        sources.insert(source.module.clone(), source);
    }
    let test_modules: Vec<Module> = sources
        .values()
        .flat_map(|source| source.test_modules.iter().map(|name| child(&source.module, name)))
        .collect();
    sources.retain(|module, _| !test_modules.iter().any(|tests| module.starts_with(tests)));
    sources
}

fn find_rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_rust_files(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

/// The files that define `path`: two where its last name is a module and also a re-exported item.
fn defining_files(
    path: &[String],
    sources: &BTreeMap<Module, Source>,
    depth: usize,
) -> BTreeSet<String> {
    assert!(depth < 20, "{path:?} is re-exported in a circle");
    let mut files = BTreeSet::new();
    let Some(end) = (0..=path.len()).rev().find(|end| sources.contains_key(&path[..*end])) else {
        return files;
    };
    let re_exported = |end: usize| {
        let full = sources.get(&path[..end])?.names.get(path.get(end)?)?;
        (full[..] != path[..=end]).then(|| [full, &path[end + 1..]].concat())
    };
    let source = &sources[&path[..end]];
    if end == path.len() {
        files.insert(source.file.clone());
        if let Some(item) = end.checked_sub(1).and_then(re_exported) {
            files.extend(defining_files(&item, sources, depth + 1));
        }
    } else if let Some(item) = re_exported(end) {
        files.extend(defining_files(&item, sources, depth + 1));
    } else if source.defined.contains(&path[end]) || source.public_globs.is_empty() {
        if end > 0 {
            files.insert(source.file.clone());
        }
    } else {
        for glob in &source.public_globs {
            let item = [glob, &path[end..]].concat();
            files.extend(defining_files(&item, sources, depth + 1));
        }
    }
    files
}

fn top_level(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
