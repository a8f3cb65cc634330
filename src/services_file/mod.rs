//! The declarative list of services: YAML files in the form of Gatus (contract, "Services file").
//!
//! [`read()`] turns a file, or a folder of files, into entries before anything is started or
//! changed. [`plan()`] compares the entries with the store, and [`apply()`] executes the plan in
//! one transaction.

mod apply;
mod entry;
mod files;
mod parse;
mod plan;
mod plugins;
mod problems;
mod read;
mod yaml;
mod yaml_limits;

pub use apply::{FileApplied, FileError, apply};
pub use entry::Entry;
pub use files::{Snapshot, snapshot};
pub use plan::plan;
pub use plugins::check_plugins;
pub use read::{read, read_text};
