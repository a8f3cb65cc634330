//! One file a command of the command line.

pub mod backup;
pub mod check_db;
pub mod check_file;
pub mod export;
pub mod health;
pub mod import;
pub mod probe;
pub mod restore;
pub mod staged_file;
