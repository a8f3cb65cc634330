//! Durations and timestamps as text.

pub mod duration;
pub mod timestamp;
