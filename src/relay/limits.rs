//! The bounds of the relay.

use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Ticks in the queue.
    pub queue: usize,
    /// Samples of one request.
    pub samples: usize,
    /// Services of one list, and ticks of one read.
    pub read: u32,
    /// Ticks of a service that are sent again after a crash; then the cursors are stored.
    pub unsaved: u64,
    /// Ticks of a service that are refused one after the other before others are passed over
    /// without an attempt. Greater than `unsaved`: the receiver refuses what it has.
    pub refused_run: u64,
    /// How long a tick waits for others of its request.
    pub linger: Duration,
}

impl Limits {
    pub const DEFAULT: Self = Self {
        queue: 65_536,
        samples: 2_000,
        read: 1_000,
        unsaved: 1_000,
        refused_run: 4_000,
        linger: Duration::from_secs(1),
    };
}
