//! Durations and timestamps as text; stalls of this process.

pub mod duration;
pub mod stall;
pub mod timestamp;
