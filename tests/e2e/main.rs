//! End-to-end tests: the real program over loopback, with real sockets, a real SQLite file and real
//! signals.
//!
//! One binary, so that it links once. The helpers are in [`support`]: an [`App`](support::App) is a
//! running service, a [`Target`](support::Target) a server that it probes, a [`Db`](support::Db)
//! its database, read by another process.
//!
//! No test depends on the speed of the machine: tests wait for conditions, compare durations with a
//! bound of the scenario (a timeout, an interval), or repeat a measurement with
//! [`retry_while_busy`](support::retry_while_busy).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a helper of a test fails the test, and takes what its callers write"
)]

mod access;
mod alerting;
mod api;
mod history;
mod imports;
mod lifecycle;
mod live;
mod modules;
mod operations;
mod probing;
mod promql;
mod storage;
mod support;
mod ui;
