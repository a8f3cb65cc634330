//! The store in an SQLite file, through diesel. All SQL of this program is here and in `cold/`.

mod access;
mod alerting;
mod audit;
mod clock_step;
#[path = "../cold/mod.rs"]
mod cold;
mod commit;
pub mod connection;
mod counters;
pub mod files;
mod fresh;
mod functions;
mod gaps;
pub mod go_db;
mod header;
mod history;
mod ids;
mod import;
mod insertion;
mod keys;
mod living;
pub mod lock;
mod maintenance;
mod metrics;
mod migrations;
pub mod offline;
mod page_cache;
pub mod prepared;
mod read;
pub mod rescue;
mod retention;
mod rows;
#[rustfmt::skip]
pub mod schema;
mod sealing;
mod search;
pub mod store;
pub mod target;
#[cfg(test)]
pub mod tests;
mod transfer;
mod usage;
mod watch;
mod write;

/// The connection and the backend for which `cold/` is compiled here.
use diesel::sqlite::{Sqlite as Backend, SqliteConnection as StoreConnection};
