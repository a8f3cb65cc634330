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
mod history;
mod lifecycle;
mod operations;
mod probing;
mod storage;
mod support;
