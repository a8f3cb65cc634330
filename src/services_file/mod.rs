//! The declarative list of services: YAML files in the form of Gatus (contract, "Services file").
//!
//! [`read()`] turns a file, or a folder of files, into entries before anything is started or
//! changed. [`plan()`] compares the entries with the store, and [`apply()`] executes the plan in
//! one transaction.

mod alerting;
mod apply;
mod channel_kinds;
mod connectivity;
mod content;
mod defaults;
mod document;
mod empty_values;
mod endpoint;
mod entry;
mod expiring_domains;
mod external;
mod files;
mod findings;
mod framing_headers;
mod gatus_defaults;
mod gatus_keys;
mod item;
mod joined_conditions;
mod maintenance;
pub mod merge_keys;
mod notices;
mod parents;
mod paths;
mod places;
mod plan;
mod plugins;
mod problems;
mod read;
mod root;
pub mod similar;
#[cfg(test)]
mod tests;
mod unsupported;
mod unused_fields;
mod unused_keys;
mod variables;
pub mod yaml;
mod yaml_anchors;
mod yaml_limits;
mod yaml_place;

pub use apply::{FileApplied, FileError, apply};
pub use channel_kinds::{ChannelKinds, Unchecked};
pub use connectivity::Canary;
pub use content::Content;
pub use entry::Entry;
#[cfg(test)]
pub use files::snapshot;
pub use files::{Digest, Snapshot, Stats, digest, snapshot_since, stats};
pub use gatus_defaults::differences as differences_from_gatus;
pub use notices::{Notice, Notices};
pub use plan::plan;
pub use plugins::check_plugins;
pub use read::{read, read_text, read_text_with};
