//! Planned maintenance, and quiet hours: schedules in local time, and the services that a
//! maintenance is about.

pub mod cron;
#[cfg(test)]
mod model;
pub mod recurrence;
pub mod schedule;
pub mod windows;
pub mod written;
pub mod zone;

pub use schedule::{Occurrence, Schedule, Timing, is_quiet};
pub use windows::{Active, Maintenance, MaintenanceId, PlannedUptime, Scope, Windows};
pub use written::{KeyProblem, Written};
