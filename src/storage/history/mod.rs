//! The history: fresh ticks, sealed chunks, roll-ups, and the queries over them.
//!
//! A tick is stored once as a fresh one. From time to time all fresh ticks are sealed, some
//! services at a time ([`sealing`]): those of each service become a chunk ([`slice`](mod@slice),
//! [`codec`]) and part of its roll-ups ([`rollups`]). Retention deletes in small steps
//! ([`retention`]). A period that the monitor did not observe is an event of its own; uptime is
//! computed from events alone ([`uptime`]). Queries read all of it as series of samples
//! ([`samples`]).

pub mod check;
pub mod codec;
pub mod retention;
pub mod rollups;
pub mod rows;
pub mod samples;
pub mod scan;
pub mod sealing;
pub mod series;
pub mod slice;
pub mod ticks;
pub mod unrelayed;
pub mod uptime;
