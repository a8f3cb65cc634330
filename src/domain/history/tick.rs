//! What the history keeps of a tick.

use crate::domain::outcome::Reason;
use crate::domain::rollup::State;

/// How many phases a probe has: resolve, connect, tls, processing and transfer, in this order.
pub const PHASES: usize = 5;

/// One tick as the history keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredTick {
    /// When the probe began, in unix milliseconds.
    pub at_ms: i64,
    /// What it says; never [`State::Paused`], since nothing is probed then.
    pub state: State,
    /// How long it took, in microseconds.
    pub response_time_us: u64,
    /// Where the time went, in microseconds; `None` for a tick that was imported.
    pub phases_us: Option<[u64; PHASES]>,
    /// The status of the last answer, if there was one.
    pub http_status: Option<u16>,
    /// Why it failed, if it did and a reason is known.
    pub reason: Option<Reason>,
}
