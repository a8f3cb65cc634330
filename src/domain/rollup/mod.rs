//! The roll-up: how a tick changes the metric and the events of a service.

pub mod flapping;
pub mod state;
pub mod tally;
pub mod tick_totals;

pub use state::State;
pub use tally::{EventChange, LatestEvent, Streak, Tally, Tick, rollup};
pub use tick_totals::TickTotals;
