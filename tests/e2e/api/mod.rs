//! The HTTP API: envelope, endpoints, errors, access and secrets.

mod access;
mod canary_secrets;
mod changes;
mod errors;
mod names;
mod openapi;
mod receivers;
mod secrets;
mod services;
mod slow_clients;
