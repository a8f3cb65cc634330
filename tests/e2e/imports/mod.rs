//! The import order of `src`: which top-level module may import which, and no cycle between files.
//!
//! A name is followed to the file that defines it: `use crate::domain::Service` imports
//! `domain/service/mod.rs`, through the `pub use` of `domain/mod.rs`. A line `mod x;` or
//! `pub use x::Y` is therefore not an import by itself; using `Y` in the code of the same file is.
//! Code under `#[cfg(test)]` is left out, and so are calls of methods, which need no import.

mod graph;
mod source;

use std::fs;
use std::path::Path;

use graph::Imports;

/// Each top-level module (a folder or file of `src`) and the others that it may import.
const ALLOWED: &[(&str, &str)] = &[
    ("bounded_file", ""),
    ("clock", ""),
    ("logging", ""),
    ("domain", ""),
    ("promql", ""),
    ("remote", ""),
    ("spec", "domain"),
    ("probe", "bounded_file clock domain spec"),
    ("storage", "bounded_file clock domain promql spec"),
    ("metrics", "clock domain spec"),
    ("config", "bounded_file clock domain metrics probe spec storage"),
    ("services_file", "bounded_file clock domain metrics probe spec storage"),
    ("modules", "bounded_file domain services_file spec"),
    ("error", "config domain services_file storage"),
    ("actors", "clock config domain logging metrics probe promql services_file spec storage"),
    ("alerting", "actors clock config domain metrics probe services_file spec storage"),
    ("live", "actors clock domain metrics storage"),
    ("relay", "actors alerting domain logging metrics probe remote storage"),
    (
        "api",
        "actors alerting clock config domain logging metrics modules probe promql remote \
         services_file spec storage",
    ),
    ("ui", "actors alerting api clock domain spec storage"),
    (
        "app",
        "actors alerting api bounded_file clock config domain error live logging metrics modules \
         probe relay services_file spec storage ui",
    ),
    ("cli", "domain"),
    (
        "commands",
        "actors alerting api app cli clock config domain error logging metrics probe \
         services_file spec storage",
    ),
    ("main", "cli commands config error"),
    ("lib", ""),
];

/// Crates that only some top-level modules use, and those modules.
const CRATES: &[(&str, &str)] = &[
    ("actix", "actors alerting api app commands live relay"),
    ("actix_web", "api app ui"),
    ("awc", "alerting commands probe"),
    ("clap", "cli main"),
    ("diesel", "storage"),
    ("diesel_async", "storage"),
    ("lettre", "alerting"),
    ("prometheus_client", "metrics"),
    ("prost", "api remote"),
    ("regex", "domain modules probe promql spec"),
    ("snap", "remote"),
    ("tokio", "actors alerting api app bounded_file commands live probe relay storage"),
    ("tokio_postgres", "storage"),
];

#[test]
fn a_module_imports_only_the_modules_that_the_table_allows() {
    let violations = imports_of_src().violations(ALLOWED);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn a_crate_is_used_only_by_the_modules_that_the_table_allows() {
    let violations = imports_of_src().uses_of_crates(CRATES);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn no_file_imports_itself_through_other_files() {
    let cycles = imports_of_src().cycles();
    assert!(cycles.is_empty(), "{}", cycles.join("\n"));
}

#[test]
fn the_checks_find_a_cycle_through_a_re_export_and_forbidden_imports() {
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
    assert_eq!(Imports::read(folder.path()).violations(ALLOWED), [""; 0]);
    assert_eq!(Imports::read(folder.path()).cycles(), [""; 0]);

    write(
        "domain/b.rs",
        "pub struct B;\nfn b() { vec![crate::domain::A(B), crate::config::LIMIT, diesel::x()] }",
    );
    assert_eq!(
        Imports::read(folder.path()).violations(ALLOWED),
        ["domain/b.rs → config.rs: config::LIMIT"]
    );
    assert_eq!(Imports::read(folder.path()).uses_of_crates(CRATES), ["domain/b.rs uses diesel"]);
    assert_eq!(
        Imports::read(folder.path()).cycles(),
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

fn imports_of_src() -> Imports {
    Imports::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}
