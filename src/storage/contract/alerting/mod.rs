//! What the dispatcher and the API store and read.

mod definitions;
mod lists;
pub mod samples;
mod settlements;
