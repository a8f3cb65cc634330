//! Queries over series in memory.

mod cases;
mod limits;
mod memory;
mod parsing;
mod sources;
