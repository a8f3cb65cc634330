//! Ticks of the newest commits, in their order.

use std::collections::VecDeque;
use std::time::Instant;

use crate::storage::history::unrelayed::NumberedTick;

/// Bound: its limit.
#[derive(Debug)]
pub struct Queue {
    ticks: VecDeque<(Instant, NumberedTick)>,
    limit: usize,
    /// Closed after an overflow: the store has everything, and a walk opens the queue again.
    is_open: bool,
}

impl Queue {
    /// A closed queue of at most `limit` ticks.
    pub fn new(limit: usize) -> Self {
        Self { ticks: VecDeque::new(), limit, is_open: false }
    }

    /// Takes the ticks of a commit. `false` when the queue is closed, also by these ticks.
    pub fn push(
        &mut self,
        ticks: impl ExactSizeIterator<Item = NumberedTick>,
        now: Instant,
    ) -> bool {
        if self.is_open && self.ticks.len() + ticks.len() > self.limit {
            self.is_open = false;
            self.ticks = VecDeque::new();
        }
        if self.is_open {
            self.ticks.extend(ticks.map(|tick| (now, tick)));
        }
        self.is_open
    }

    pub fn open(&mut self) {
        self.is_open = true;
    }

    pub fn pop(&mut self) -> Option<NumberedTick> {
        self.ticks.pop_front().map(|(_, tick)| tick)
    }

    pub fn len(&self) -> usize {
        self.ticks.len()
    }

    /// When the oldest tick came.
    pub fn waits_since(&self) -> Option<Instant> {
        self.ticks.front().map(|(at, _)| *at)
    }
}
