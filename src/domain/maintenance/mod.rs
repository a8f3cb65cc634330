//! Planned maintenance, and quiet hours: schedules in local time, and the services that a
//! maintenance is about.

pub mod cron;
pub mod definition;
#[cfg(test)]
mod model;
pub mod recurrence;
pub mod schedule;
pub mod spans;
pub mod windows;
pub mod written;
pub mod zone;

pub use definition::{MaintenanceDefinition, PlannedUptime, Scope};
pub use schedule::{Occurrence, Schedule, Timing, is_quiet};
pub use spans::DueSpans;
pub use windows::{Active, Maintenance, MaintenanceId, Windows};
pub use written::{KeyProblem, Written};
