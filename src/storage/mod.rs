//! The store: the port, what is written once over it, and SQLite.
//!
//! [`port`] has the traits that a store implements; values that cross it are domain types and
//! those of [`records`], [`access`], [`alerting`], [`maintenance`], [`audit`], [`batch`] and
//! [`history::rows`]. [`ledger`] and [`history`] use the port alone. [`sqlite`] has all SQL and all
//! use of diesel, with `cold/`, the operations on seldom written tables that are compiled once for
//! each store; nothing outside of this module names a connection.

pub mod access;
pub mod alerting;
pub mod audit;
pub mod batch;
pub mod clock_step;
#[cfg(test)]
pub mod contract;
pub mod coordination;
mod diesel_error;
pub mod error;
pub mod gaps;
pub mod history;
pub mod import;
pub mod ledger;
pub mod maintenance;
pub mod port;
pub mod postgres;
pub mod query;
pub mod records;
pub mod relayed;
pub mod sqlite;
pub mod store;
pub mod transfer;

pub use error::{OpenError, StorageError, StoreChange};
pub use port::{StoreRead, StoreWrite};
pub use postgres::server::{Awaiting, Joiner, Newcomer, PATIENCE};
pub use sqlite::rescue::SavedFiles;
pub use store::{CoordinatorAccess, Rescue, Rescued, Store, StoreAccess, StoreWarning};
