//! Values of the history: ticks, statistics, events, uptime and objectives.

pub mod event;
pub mod facts;
pub mod planned;
pub mod retention;
pub mod sketch;
pub mod slo;
pub mod stats;
pub mod tick;
pub mod timeline;
pub mod window;
