//! Handlers that the live state answers.

pub mod overview;
pub mod stream;
