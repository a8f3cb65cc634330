//! What the product is about, as plain values and pure functions.
//!
//! Nothing here knows actix, diesel or awc, and nothing has a clock of its own: time is passed in.

pub mod condition;
pub mod history;
pub mod invalid;
pub mod leb128;
pub mod missed;
pub mod outcome;
pub mod page;
pub mod rollup;
#[cfg(test)]
pub mod sample;
pub mod service;
pub mod time;

pub use condition::{Body, Condition, Facts};
pub use history::event::{Event, EventBegan, EventFailure, ServiceEvent, StoredReason};
pub use history::retention::Retention;
pub use history::sketch::Sketch;
pub use history::slo::Slo;
pub use history::stats::Stats;
pub use history::tick::{PHASES, StoredTick};
pub use history::timeline::{Span, Totals, UnknownAs, Uptime};
pub use history::window::Window;
pub use invalid::Invalid;
pub use missed::Missed;
pub use outcome::{
    Certificate, ConditionResult, Failure, Outcome, Phases, ProbeDetails, ProbeReport, Reason,
    Verdict,
};
pub use page::{Page, PageRequest};
pub use rollup::{EventChange, LatestEvent, State, Streak, Tally, Tick, rollup};
pub use service::options::{Options, Thresholds};
pub use service::target::{Kind, Target};
pub use service::template::{Template, Variables};
pub use service::{
    Defaults, Definition, Group, Interval, Name, Origin, Service, ServiceId, Timeout,
};
