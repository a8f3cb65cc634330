//! Tables that are read and written seldom, in diesel's own query language.
//!
//! These files are compiled once for each store: the module of a store includes this one by its
//! path, and defines `StoreConnection`, `Backend`, `schema`, `search` (of texts), `insertion` (of many
//! services) and `living` (the number of services). The columns that are used here and their diesel
//! types are the same in all stores.

pub mod definitions;
pub mod events;
pub mod rows;
pub mod services;

use super::{Backend, StoreConnection, insertion, living, schema, search};
