//! Tables that are read and written seldom, in diesel's own query language.
//!
//! These files are compiled once for each store: the module of a store includes this one by its
//! path, and defines `StoreConnection`, `Backend`, `schema`, `keys` (of the history's rows),
//! `search` (of texts), `insertion` (of many services), `living` (the number of services) and
//! `transfer` (of what only this store has). The columns that are used here and their diesel types
//! are the same in all stores.

pub mod access;
pub mod alerting;
pub mod audit;
pub mod chunks;
pub mod definitions;
pub mod events;
pub mod facts;
pub mod first_row;
pub mod maintenance;
mod references;
pub mod rollups;
pub mod rows;
pub mod services;
pub mod transfer;

use super::{
    Backend, StoreConnection, insertion, keys, living, schema, search, transfer as own_transfer,
};
