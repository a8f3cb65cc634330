//! The HTTP API: envelope, endpoints, errors, access and secrets.

mod mended_service;
mod secrets;
mod services;
