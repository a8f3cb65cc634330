//! Drives the real program over loopback: real sockets, a real SQLite file, real signals.
//!
//! One binary, so that it links once. [`support`] speaks the domain: an [`App`](support::App) is a running service, a
//! [`Target`](support::Target) something it watches, a [`Db`](support::Db) the file as another program sees it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a helper of a test fails the test, and takes what its callers write"
)]

mod api;
mod bad_days;
mod blackbox;
mod command_line;
mod conditions;
mod crash;
mod delays;
mod documents;
mod exchange;
mod go_db;
mod heartbeats;
mod history;
mod kinds;
mod mended_probes;
mod mended_service;
mod metrics;
mod options;
mod outage;
mod phases;
mod probing;
mod reasons;
mod record;
mod reload;
mod secrets;
mod services_file;
mod stopping;
mod supervision;
mod support;
mod thresholds;
mod upkeep;
mod windows;
