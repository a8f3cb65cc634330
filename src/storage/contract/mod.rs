//! The contract of a store: tests that run on each kind of store.

mod access;
pub mod alert_signals;
pub mod alerting;
pub mod audit;
mod audit_rows;
mod clock_steps;
mod copied_columns;
pub mod everything;
mod failing_target;
pub mod fixture;
mod gaps;
mod histories;
pub mod ledger;
mod live;
mod maintenance;
mod model;
mod moving;
pub mod place;
#[allow(dead_code, reason = "shared with the end-to-end tests")]
#[path = "../../../tests/support/postgres_cluster.rs"]
pub mod postgres_cluster;
mod references;
mod relayed;
pub mod retention;
mod samples;
mod scan;
mod sealing;
mod services;
mod steps;
mod windows;
