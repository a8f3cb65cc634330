//! Questions about the past: ticks, series, events, uptime and objectives.

mod ticks_and_series;
mod uptime_and_events;
