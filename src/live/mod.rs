//! The current state of every service in memory: lists, counts and searches without the store.
//!
//! [`overview`] is pure; [`live_state`] carries it.

pub mod live_state;
pub mod overview;
