//! Taking over the data of other tools.

pub mod go_db;
