//! The HTTP API: envelope, endpoints, errors, access and secrets.

mod access;
mod changes;
mod errors;
mod secrets;
mod services;
