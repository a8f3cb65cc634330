//! The store in a PostgreSQL database, through diesel and diesel-async.

mod authorities;
mod connect_error;
pub mod connection;
mod database_url;
mod driver;
mod runtime;
pub mod settings;
