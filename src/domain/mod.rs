//! Values and pure decisions of the monitor. No actors, no database, no network, and no clock: time
//! is a parameter.

pub mod access;
pub mod alert;
pub mod audit;
pub mod condition;
pub mod history;
pub mod id_map;
pub mod invalid;
pub mod leb128;
pub mod live;
pub mod maintenance;
pub mod metric_names;
pub mod missed;
pub mod outcome;
pub mod page;
pub mod plugin;
pub mod role;
pub mod rollup;
#[cfg(test)]
pub mod sample;
pub mod secret;
pub mod service;
pub mod shards;
pub mod shown_state;
pub mod status;
pub mod strip;
pub mod time;

pub use condition::{Body, Condition, Facts};
pub use history::event::{Event, EventBegan, EventFailure, ServiceEvent, StoredReason};
pub use history::planned::Planned;
pub use history::retention::Retention;
pub use history::sketch::Sketch;
pub use history::slo::Slo;
pub use history::stats::Stats;
pub use history::tick::{PHASES, StoredTick};
pub use history::timeline::{CountAs, Counting, Span, Totals, Uptime};
pub use history::window::Window;
pub use id_map::IdMap;
pub use invalid::Invalid;
pub use missed::Missed;
pub use outcome::{
    Certificate, ConditionResult, Failure, Outcome, Phases, ProbeDetails, ProbeReport, Reason,
    Verdict,
};
pub use page::{Page, PageRequest};
pub use plugin::{Decimal, Perfdata, PluginResult, PluginState};
pub use role::Role;
pub use rollup::{EventChange, LatestEvent, State, Streak, Tally, Tick, TickTotals, rollup};
pub use secret::{Redactor, Requests};
pub use service::{
    Defaults, Definition, FullName, Group, HttpVersion, Interval, Kind, Labels, Name, Options,
    Origin, Service, ServiceId, Target, Template, Thresholds, Timeout, Variables,
};
pub use shards::ShardSet;
pub use status::Status;
