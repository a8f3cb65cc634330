//! The store in a PostgreSQL database, through diesel, without libpq. All of its SQL is here and in
//! `cold/`.

mod access;
mod alerting;
mod audit;
mod authorities;
mod clock_step;
#[path = "../cold/mod.rs"]
mod cold;
mod columns;
mod commit;
pub mod connect_error;
pub mod connection;
mod coordinator;
mod counters;
mod database_url;
mod driver;
mod entries;
mod fresh;
mod gaps;
mod history;
mod import;
mod inbox;
mod insertion;
pub mod instance;
mod joins;
mod keys;
mod living;
mod maintenance;
mod migrations;
pub mod offline;
mod read;
mod registration;
mod relayed;
mod retention;
mod rollup_columns;
mod rows;
mod runtime;
#[rustfmt::skip]
pub mod schema;
mod sealing;
mod search;
pub mod server;
pub mod settings;
mod shards;
mod staged;
mod start_checks;
pub mod start_error;
mod statement;
pub mod store;
pub mod takeover;
pub mod target;
#[cfg(test)]
pub mod tests;
mod transfer;
mod usage;
mod write;

/// The connection and the backend for which `cold/` is compiled here.
use connection::StoreConnection;
use diesel::pg::Pg as Backend;

use crate::domain::shards::shard_of;

/// The region of a service as a whole; so far, it has every row.
const REGION: i16 = 0;

/// Shard of a service within its region.
fn shard(service_id: i64) -> i16 {
    // Below 1,024.
    shard_of(service_id) as i16
}
