//! Imports the data of other tools.

pub(super) mod go_db;
