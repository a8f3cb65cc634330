//! What the product is about, as plain values and pure functions.
//!
//! Nothing here knows actix, diesel or awc, and nothing has a clock of its own: time is passed in.

pub mod condition;
pub mod duration;
pub mod outcome;
pub mod rollup;
#[cfg(test)]
pub mod sample;
pub mod service;

pub use condition::{Condition, Facts};
pub use outcome::{Failure, Outcome, Phases, Reason, Seen, Verdict};
pub use rollup::{EventChange, LatestEvent, State, Tally, rollup};
pub use service::{
    Defaults, Definition, Group, Interval, Invalid, Name, Origin, Patch, Service, ServiceId,
    Target, Timeout,
};
