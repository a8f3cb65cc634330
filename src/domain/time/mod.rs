//! Durations and timestamps as text; stalls of this process; steps of the wall clock.

pub mod clock_watch;
pub mod duration;
pub mod shared_clock;
pub mod stall;
pub mod step_back;
pub mod timestamp;
