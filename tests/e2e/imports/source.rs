//! What one file declares, defines and imports, read with `syn`.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{Attribute, ImplItemFn, Item, ItemMod, ItemUse, Macro, UseTree, Visibility};

/// A module by its path from the crate's root: `["domain", "service"]`.
pub(super) type Module = Vec<String>;

#[derive(Default)]
pub(super) struct Source {
    /// Relative to the folder of the sources.
    pub file: String,
    pub module: Module,
    /// Local name → full path, of each `use` line.
    pub names: BTreeMap<String, Module>,
    /// Full paths of each `pub use …::*`.
    pub public_globs: Vec<Module>,
    /// Names that the file defines.
    pub defined: BTreeSet<String>,
    /// Modules that only tests compile.
    pub test_modules: BTreeSet<String>,
    /// Other modules that the file declares.
    children: BTreeSet<String>,
    uses: Vec<Use>,
    /// Paths in the code, as it writes them.
    paths: BTreeSet<Module>,
}

/// One name of a `use` line.
struct Use {
    /// `None` for `*`.
    name: Option<String>,
    /// As written.
    path: Module,
    is_public: bool,
}

impl Source {
    pub fn read(file: &str, text: &str) -> Self {
        let mut source = Self { file: file.to_owned(), module: module_of(file), ..Self::default() };
        source.visit_file(&syn::parse_file(text).unwrap());
        for Use { name, path, is_public } in &source.uses {
            let Some(full) = source.absolute(path) else { continue };
            match name {
                Some(name) => drop(source.names.insert(name.clone(), full)),
                None if *is_public => source.public_globs.push(full),
                None => {}
            }
        }
        source
    }

    pub fn first_names(&self) -> BTreeSet<String> {
        let paths = self.uses.iter().map(|line| &line.path).chain(&self.paths);
        paths.filter_map(|path| path.first().cloned()).collect()
    }

    /// Full paths of everything that the code of this file names. A `pub use` alone names nothing.
    pub fn imported(&self) -> BTreeSet<Module> {
        let first_names: BTreeSet<&String> = self.paths.iter().map(|path| &path[0]).collect();
        let is_used = |line: &&Use| {
            !line.is_public || line.name.as_ref().is_some_and(|name| first_names.contains(name))
        };
        let uses = self.uses.iter().filter(is_used).filter_map(|line| self.absolute(&line.path));
        let inline = self.paths.iter().filter_map(|path| {
            let is_child = path.len() > 1 && self.children.contains(&path[0]);
            match self.names.get(&path[0]).filter(|_| !is_child) {
                Some(full) => Some([full, &path[1..]].concat()),
                None => self.absolute(path),
            }
        });
        uses.chain(inline).collect()
    }

    /// A path of this package from the crate's root; `None` for one of another crate.
    fn absolute(&self, path: &[String]) -> Option<Module> {
        match path[0].as_str() {
            "crate" | "service_healthcheck" => Some(path[1..].to_vec()),
            "self" => Some([&self.module, &path[1..]].concat()),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let parent = self.module.len().checked_sub(ups)?;
                Some([&self.module[..parent], &path[ups..]].concat())
            }
            first if self.children.contains(first) => Some([&self.module, path].concat()),
            _ => None,
        }
    }
}

/// Collects what the file names; leaves out what only tests compile.
impl<'ast> Visit<'ast> for Source {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name) = attributes_and_name(item);
        let is_test = attributes.iter().any(is_cfg_test);
        if let Item::Mod(ItemMod { ident, content: None, .. }) = item {
            let modules = if is_test { &mut self.test_modules } else { &mut self.children };
            modules.insert(ident.to_string());
        } else if !is_test {
            self.defined.extend(name);
        }
        if !is_test {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !function.attrs.iter().any(is_cfg_test) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_public = !matches!(item.vis, Visibility::Inherited);
        flatten(&item.tree, &mut Vec::new(), &mut |name, path| {
            self.uses.push(Use { name, path, is_public });
        });
    }

    /// `pub(super)` and `pub(in …)` import nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.insert(path.segments.iter().map(|part| part.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    /// The arguments of a macro are only tokens, so paths are found in their text.
    fn visit_macro(&mut self, called: &'ast Macro) {
        self.visit_path(&called.path);
        let text = called.tokens.to_string().replace(" :: ", "::");
        for path in text.split(|char: char| !(char.is_alphanumeric() || "_:".contains(char))) {
            let path: Module = path.split("::").map(str::to_owned).collect();
            if path.iter().all(|part| !part.is_empty() && !part.contains(':')) {
                self.paths.insert(path);
            }
        }
    }
}

/// Passes each name of a `use` tree (`None` for `*`) with its path as written to `add`.
fn flatten(tree: &UseTree, above: &mut Module, add: &mut impl FnMut(Option<String>, Module)) {
    match tree {
        UseTree::Path(part) => {
            above.push(part.ident.to_string());
            flatten(&part.tree, above, add);
            above.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, above, add)),
        UseTree::Glob(_) => add(None, above.clone()),
        UseTree::Name(name) if name.ident == "self" => add(above.last().cloned(), above.clone()),
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            let path = child(above, &name);
            add(Some(name), path);
        }
        UseTree::Rename(name) if name.ident == "self" => {
            add(Some(name.rename.to_string()), above.clone());
        }
        UseTree::Rename(name) => {
            add(Some(name.rename.to_string()), child(above, &name.ident.to_string()));
        }
    }
}

fn attributes_and_name(item: &Item) -> (&[Attribute], Option<String>) {
    match item {
        Item::Const(item) => (&item.attrs, Some(item.ident.to_string())),
        Item::Enum(item) => (&item.attrs, Some(item.ident.to_string())),
        Item::Fn(item) => (&item.attrs, Some(item.sig.ident.to_string())),
        Item::Static(item) => (&item.attrs, Some(item.ident.to_string())),
        Item::Struct(item) => (&item.attrs, Some(item.ident.to_string())),
        Item::Trait(item) => (&item.attrs, Some(item.ident.to_string())),
        Item::Type(item) => (&item.attrs, Some(item.ident.to_string())),
        Item::Impl(item) => (&item.attrs, None),
        Item::Macro(item) => (&item.attrs, None),
        Item::Mod(item) => (&item.attrs, None),
        Item::Use(item) => (&item.attrs, None),
        _ => (&[], None),
    }
}

fn is_cfg_test(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
}

/// `domain/service/mod.rs` → `["domain", "service"]`; `lib.rs` is the root.
fn module_of(file: &str) -> Module {
    let mut module: Module = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

pub(super) fn child(module: &[String], name: &str) -> Module {
    [module, &[name.to_owned()]].concat()
}
