//! A tick of the history.

use crate::domain::outcome::Reason;
use crate::domain::rollup::state::State;

/// How many phases a probe has: resolve, connect, tls, processing and transfer, in this order.
pub const PHASES: usize = 5;

/// A tick as the history stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredTick {
    /// Start of the probe, in unix milliseconds.
    pub at_ms: i64,
    /// Never [`State::Paused`].
    pub state: State,
    pub response_time_us: u64,
    /// `None` for an imported tick.
    pub phases_us: Option<[u64; PHASES]>,
    /// Status of the last response.
    pub http_status: Option<u16>,
    /// `None` for a success, and for an imported failure.
    pub reason: Option<Reason>,
}

impl StoredTick {
    /// A tick of which only the time and the state are known.
    pub fn of_state(at_ms: i64, state: State) -> Self {
        Self { at_ms, state, response_time_us: 0, phases_us: None, http_status: None, reason: None }
    }
}
