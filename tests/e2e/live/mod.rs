//! The live state: lists from memory, the overview, and streams of changes.

mod lists;
mod stream;
mod stream_limits;
