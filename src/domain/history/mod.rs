//! Ticks as the history stores them, and what they add up to.

pub mod event;
pub mod retention;
pub mod sketch;
pub mod slo;
pub mod stats;
pub mod tick;
pub mod timeline;
pub mod window;
