//! Remote write: every committed tick goes on to a time series database.
//!
//! The recorder hands the ticks of each commit to the [`actor`], which sends them; what it cannot
//! hold, it reads from the store again. Up to which tick a service is relayed stands in its row of
//! `service_metrics`, which each of its commits writes anyway.
//!
//! | question | file |
//! |---|---|
//! | What is sent, read or stored next? | `state.rs`; ticks of commits: `queue.rs`, of the store: |
//! | | `walk.rs` |
//! | How far has a service come, and in which order? | `positions.rs` |
//! | Which ticks are not attempted after refusals? | `suspects.rs` |
//! | What does an answer mean? | `response.rs`; the pause after a failure: `backoff.rs` |
//! | Which series and labels has a tick? | `encoding.rs`, and `metrics/tick_samples.rs` |
//! | How is a request sent? | `sender.rs`, by the client of alerting |

pub mod actor;
mod backoff;
mod encoding;
mod labels_cache;
mod limits;
mod positions;
mod queue;
mod response;
pub mod sender;
mod state;
mod suspects;
mod walk;
