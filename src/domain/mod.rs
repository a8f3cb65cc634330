//! What the product is about, as plain values and pure functions.
//!
//! Nothing here knows actix, diesel or awc, and nothing has a clock of its own: time is passed in.

pub mod condition;
pub mod duration;
pub mod fields;
pub mod flapping;
pub mod kept;
pub mod moment;
pub mod options;
pub mod outcome;
pub mod pattern;
pub mod rollup;
#[cfg(test)]
pub mod sample;
pub mod service;
pub mod sketch;
pub mod slo;
pub mod stats;
pub mod target;
pub mod template;
pub mod timeline;
pub mod varint;

pub use condition::{Body, Condition, Facts};
pub use kept::{KeptTick, PHASES};
pub use options::Options;
pub use options::Thresholds;
pub use outcome::{Certificate, Failure, Judged, Outcome, Phases, Reason, Report, Seen, Verdict};
pub use rollup::{EventChange, LatestEvent, State, Streak, Tally, Tick, rollup};
pub use service::{
    Defaults, Definition, Group, Interval, Invalid, Name, Origin, Patch, Service, ServiceId,
    Timeout,
};
pub use sketch::Sketch;
pub use slo::Slo;
pub use stats::Stats;
pub use target::{Kind, Target};
pub use template::{Template, Variables};
pub use timeline::{Span, Totals, UnknownAs, Uptime};
