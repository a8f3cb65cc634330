//! The import order of `src`: which room may import which, and no cycle between files.
//!
//! A name is followed to the file that defines it: `use crate::domain::Service` imports
//! `domain/service/mod.rs`, through the `pub use` of `domain/mod.rs`. A line `mod x;` or
//! `pub use x::Y` is therefore not an import by itself; using `Y` in the code of the same file is.
//! Code under `#[cfg(test)]` is left out, and so are calls of methods, which need no import.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;
use syn::{Attribute, File, Item, ItemMod, ItemUse, Macro, UseTree, Visibility};

/// Each room (a folder or file of `src`) and the rooms that it may import beside itself.
const ALLOWED: &[(&str, &str)] = &[
    ("clock", ""),
    ("logging", ""),
    ("domain", ""),
    ("spec", "domain"),
    ("probe", "clock domain spec"),
    ("storage", "clock domain spec"),
    ("metrics", "clock domain spec"),
    ("config", "clock domain metrics probe spec storage"),
    ("services_file", "clock domain metrics probe spec storage"),
    ("error", "config domain services_file storage"),
    ("actors", "clock config domain logging metrics probe services_file spec storage"),
    ("api", "actors clock config domain logging metrics probe services_file spec storage"),
    (
        "app",
        "actors api clock config domain error logging metrics probe services_file spec storage",
    ),
    ("cli", "domain"),
    (
        "commands",
        "actors api app cli clock config domain error logging metrics probe services_file spec \
         storage",
    ),
    ("main", "cli commands config error"),
    ("lib", ""),
];

#[test]
fn a_room_imports_only_the_rooms_that_the_table_allows() {
    let violations = Imports::of_the_sources().violations();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn no_file_imports_itself_through_other_files() {
    let cycles = Imports::of_the_sources().cycles();
    assert!(cycles.is_empty(), "{}", cycles.join("\n"));
}

#[test]
fn a_cycle_through_a_re_export_and_a_forbidden_import_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("lib.rs", "pub mod config; pub mod domain;");
    write("config.rs", "use crate::domain::{A, b};\npub const LIMIT: u8 = 1;");
    write("domain/mod.rs", "mod a;\npub mod b;\npub use a::A;\npub use b::B;");
    write("domain/a.rs", "use super::B;\npub struct A(B);");
    write("domain/b.rs", "pub struct B;\n#[cfg(test)]\nmod tests { use crate::domain::A; }");
    assert_eq!(Imports::of(folder.path()).violations(), [""; 0]);
    assert_eq!(Imports::of(folder.path()).cycles(), [""; 0]);

    write(
        "domain/b.rs",
        "pub struct B;\nfn b() { vec![crate::domain::A(B), crate::config::LIMIT] }",
    );
    assert_eq!(
        Imports::of(folder.path()).violations(),
        ["domain/b.rs → config.rs: config::LIMIT"]
    );
    assert_eq!(
        Imports::of(folder.path()).cycles(),
        [
            "cycle of 3 files:",
            "  config.rs → domain/a.rs: domain::A",
            "  config.rs → domain/b.rs: domain::b",
            "  domain/a.rs → domain/b.rs: domain::B",
            "  domain/b.rs → config.rs: config::LIMIT",
            "  domain/b.rs → domain/a.rs: domain::A",
        ]
    );
}

/// A module by its path from the crate's root: `["domain", "service"]`.
type Module = Vec<String>;

/// What one file declares and names.
#[derive(Default)]
struct Source {
    file: String,
    /// Local name → full path, of each `use` line.
    names: BTreeMap<String, Module>,
    /// Names brought in by `pub use`, which the file may only pass on.
    passed_on: BTreeSet<String>,
    /// Full paths of `pub use …::*`.
    globs: Vec<Module>,
    /// Paths as the code writes them.
    paths: BTreeSet<Module>,
    /// Names that the file defines.
    defined: BTreeSet<String>,
    children: BTreeSet<String>,
    test_modules: BTreeSet<String>,
}

/// Every import between files: importing file → imported file → the names.
struct Imports(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Imports {
    fn of_the_sources() -> Self {
        Self::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
    }

    fn of(folder: &Path) -> Self {
        let mut files = Vec::new();
        rust_files(folder, &mut files);
        let mut sources = BTreeMap::new();
        for path in files {
            let file = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            let module = module_of(&file);
            let parsed = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
            sources.insert(module.clone(), Source::read(file, &module, &parsed));
        }
        let test_modules: Vec<Module> = sources
            .iter()
            .flat_map(|(module, source)| source.test_modules.iter().map(|name| join(module, name)))
            .collect();
        sources.retain(|module, _| !test_modules.iter().any(|tests| module.starts_with(tests)));

        let mut imports: BTreeMap<_, BTreeMap<_, BTreeSet<_>>> = BTreeMap::new();
        for (module, source) in &sources {
            for path in source.named(module) {
                for imported in defining_files(&path, &sources, 0) {
                    if imported != source.file {
                        let names = imports.entry(source.file.clone()).or_default();
                        names.entry(imported).or_default().insert(path.join("::"));
                    }
                }
            }
        }
        Self(imports)
    }

    /// Imports between rooms that [`ALLOWED`] does not have, one line each.
    fn violations(&self) -> Vec<String> {
        let allowed: BTreeMap<&str, &str> = ALLOWED.iter().copied().collect();
        let mut violations = Vec::new();
        for (file, imported) in &self.0 {
            let Some(rooms) = allowed.get(room(file)) else {
                violations.push(format!("{file}: the room {} is not in the table", room(file)));
                continue;
            };
            for (other, names) in imported {
                let is_allowed = rooms.split(' ').any(|allowed| allowed == room(other));
                if room(other) != room(file) && !is_allowed {
                    violations.push(format!("{file} → {other}: {}", list(names)));
                }
            }
        }
        violations
    }

    /// The groups of files that reach each other, with the imports inside each group.
    fn cycles(&self) -> Vec<String> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.0.keys().map(|file| (file.as_str(), self.reachable(file))).collect();
        let both_ways = |a: &str, b: &str| {
            let reaches = |a, b| reached.get(a).is_some_and(|files| files.contains(b));
            reaches(a, b) && reaches(b, a)
        };
        let mut grouped = BTreeSet::new();
        let mut cycles = Vec::new();
        for file in self.0.keys().filter(|file| both_ways(file, file)) {
            if grouped.contains(file.as_str()) {
                continue;
            }
            let group: Vec<&str> =
                self.0.keys().map(String::as_str).filter(|other| both_ways(file, other)).collect();
            cycles.push(format!("cycle of {} files:", group.len()));
            for importing in &group {
                for (imported, names) in &self.0[*importing] {
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
            for imported in self.0.get(file).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(imported.as_str()) {
                    open.push(imported);
                }
            }
        }
        reached
    }
}

impl Source {
    fn read(file: String, module: &Module, parsed: &File) -> Self {
        let mut reader = Reader::default();
        reader.visit_file(parsed);
        let Reader { mut source, uses, children } = reader;
        source.file = file;
        for (name, path, is_public) in uses {
            let Some(full) = absolute(module, &path, &children) else { continue };
            match name {
                None => source.globs.push(full),
                Some(name) => {
                    if is_public {
                        source.passed_on.insert(name.clone());
                    }
                    source.names.insert(name, full);
                }
            }
        }
        source.children = children;
        source
    }

    /// Full paths of what the code of this file names.
    fn named(&self, module: &Module) -> BTreeSet<Module> {
        let first_names: BTreeSet<&String> = self.paths.iter().map(|path| &path[0]).collect();
        let imported = self
            .names
            .iter()
            .filter(|(name, _)| !self.passed_on.contains(*name) || first_names.contains(name))
            .map(|(_, path)| path.clone());
        let inline = self.paths.iter().filter_map(|path| {
            let is_child = path.len() > 1 && self.children.contains(&path[0]);
            match self.names.get(&path[0]).filter(|_| !is_child) {
                Some(full) => Some([full, &path[1..]].concat()),
                None => absolute(module, path, &self.children),
            }
        });
        imported.chain(inline).collect()
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
    } else if source.defined.contains(&path[end]) || source.globs.is_empty() {
        if end > 0 {
            files.insert(source.file.clone());
        }
    } else {
        for glob in &source.globs {
            let item = [glob, &path[end..]].concat();
            files.extend(defining_files(&item, sources, depth + 1));
        }
    }
    files
}

/// Collects what a file names; leaves out what is compiled for tests alone.
#[derive(Default)]
struct Reader {
    source: Source,
    /// Name (`None` for `*`), path as written, whether it is a `pub use`.
    uses: Vec<(Option<String>, Module, bool)>,
    /// Modules that the file declares.
    children: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if attributes(item).iter().any(is_cfg_test) {
            if let Item::Mod(ItemMod { ident, content: None, .. }) = item {
                self.source.test_modules.insert(ident.to_string());
            }
            return;
        }
        self.source.defined.extend(defined_name(item));
        if let Item::Mod(ItemMod { ident, content: None, .. }) = item {
            self.children.insert(ident.to_string());
        }
        syn::visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut flat = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut flat);
        let is_public = !matches!(item.vis, Visibility::Inherited);
        self.uses.extend(flat.into_iter().map(|(name, path)| (name, path, is_public)));
    }

    /// `pub(super)` and `pub(in …)` import nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.source.paths.insert(path.segments.iter().map(|part| part.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.visit_path(&called.path);
        let text = called.tokens.to_string().replace(" :: ", "::");
        for path in text.split(|char: char| !(char.is_alphanumeric() || "_:".contains(char))) {
            let path: Module = path.split("::").map(str::to_owned).collect();
            if path.iter().all(|part| !part.is_empty() && !part.contains(':')) {
                self.source.paths.insert(path);
            }
        }
    }
}

/// Each name of a `use` tree (`None` for `*`) with its path as written.
fn flatten(tree: &UseTree, above: &mut Module, flat: &mut Vec<(Option<String>, Module)>) {
    match tree {
        UseTree::Path(part) => {
            above.push(part.ident.to_string());
            flatten(&part.tree, above, flat);
            above.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, above, flat)),
        UseTree::Glob(_) => flat.push((None, above.clone())),
        UseTree::Name(name) if name.ident == "self" => {
            flat.push((above.last().cloned(), above.clone()));
        }
        UseTree::Name(name) => {
            flat.push((Some(name.ident.to_string()), join(above, &name.ident.to_string())));
        }
        UseTree::Rename(name) => {
            let mut path = above.clone();
            if name.ident != "self" {
                path.push(name.ident.to_string());
            }
            flat.push((Some(name.rename.to_string()), path));
        }
    }
}

/// A path of this package from the crate's root; `None` for one of another crate.
fn absolute(module: &Module, path: &[String], children: &BTreeSet<String>) -> Option<Module> {
    let rest = |from: usize| path[from..].to_vec();
    match path[0].as_str() {
        "crate" | "service_healthcheck" => Some(rest(1)),
        "self" => Some([module.clone(), rest(1)].concat()),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            Some([module[..module.len().checked_sub(ups)?].to_vec(), rest(ups)].concat())
        }
        child if children.contains(child) => Some([module.clone(), rest(0)].concat()),
        _ => None,
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn defined_name(item: &Item) -> Option<String> {
    match item {
        Item::Const(item) => Some(item.ident.to_string()),
        Item::Enum(item) => Some(item.ident.to_string()),
        Item::Fn(item) => Some(item.sig.ident.to_string()),
        Item::Static(item) => Some(item.ident.to_string()),
        Item::Struct(item) => Some(item.ident.to_string()),
        Item::Trait(item) => Some(item.ident.to_string()),
        Item::Type(item) => Some(item.ident.to_string()),
        _ => None,
    }
}

fn is_cfg_test(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

/// `domain/service/mod.rs` → `["domain", "service"]`; `lib.rs` is the root.
fn module_of(file: &str) -> Module {
    let mut module: Module =
        file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

fn room(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

fn join(module: &[String], name: &str) -> Module {
    [module, &[name.to_owned()]].concat()
}

fn list(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
