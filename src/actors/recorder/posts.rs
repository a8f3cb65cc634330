//! Outcomes for services of other instances, which wait for the writer.

use super::queued::Reply;
use crate::actors::messages::recording::RecordReply;
use crate::domain::Outcome;

/// Most outcomes that wait.
pub const POSTS_LIMIT: usize = 4_096;

/// Bound: [`POSTS_LIMIT`], and as many that are being written.
#[derive(Default)]
pub struct Posts {
    /// Each with the reply to its client; `None` for a probe.
    pub waiting: Vec<(Outcome, Option<Reply<RecordReply>>)>,
    pub is_under_way: bool,
}
