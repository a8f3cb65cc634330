//! The current state of every service in memory: lists, counts and searches without the store, and
//! the streams of changes.
//!
//! [`overview`] and [`subscribers`] are pure; [`live_state`] carries both.

pub mod live_state;
pub mod overview;
mod sse;
mod streams;
pub mod subscribers;
