//! The HTTP API: envelope, endpoints, errors, access and secrets.

mod access;
mod audit;
mod canary_secrets;
mod changes;
mod errors;
mod names;
mod openapi;
mod receivers;
mod representations;
mod secrets;
mod services;
mod slow_clients;
mod tls;
