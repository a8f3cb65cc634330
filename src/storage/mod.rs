//! The store: SQLite through diesel.
//!
//! [`Store`] owns the file; [`writer`] has the only INSERT, UPDATE and DELETE, [`reader`] the only SELECT that is
//! served to HTTP. Functions take a connection and return domain types; there is no JSON here, and no actor.

pub mod connection;
pub mod error;
pub mod exchange;
pub mod header;
pub mod history;
pub mod imported;
pub mod ledger;
pub mod migrations;
pub mod models;
pub mod prepared;
pub mod reader;
#[rustfmt::skip]
pub mod schema;
mod tallies;
mod transition;
pub mod writer;

pub use connection::Store;
pub use error::{OpenError, StorageError};
