//! The outcomes that wait for their commit: the decisions of the recorder. Pure; time is passed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::domain::Outcome;

/// Longest time an outcome waits for others to share its commit (docs/design/overview.md).
const GROUP_WAIT: Duration = Duration::from_millis(200);

/// A group of this size does not wait any longer; nor does one that fills the buffer.
const GROUP_FULL: usize = 512;

/// Most outcomes of one commit, so that no commit takes long.
const GROUP_LIMIT: usize = 4_096;

/// A bounded buffer. Invariant: what waits and what is being committed are together at most `limit`.
#[derive(Debug)]
pub struct Buffer {
    waiting: VecDeque<Outcome>,
    committing: usize,
    /// When the oldest of `waiting` came; `None` when nothing waits.
    since: Option<Instant>,
    limit: usize,
}

impl Buffer {
    /// Room for `limit` outcomes.
    pub fn new(limit: usize) -> Self {
        Self { waiting: VecDeque::new(), committing: 0, since: None, limit }
    }

    /// How many outcomes are held, those being committed included.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.committing
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether another outcome may come in.
    pub fn has_room(&self) -> bool {
        self.len() < self.limit
    }

    /// Takes an outcome in; the caller has asked [`Self::has_room`].
    pub fn admit(&mut self, outcome: Outcome, now: Instant) {
        debug_assert!(self.has_room());
        self.waiting.push_back(outcome);
        self.since.get_or_insert(now);
    }

    /// When the next group should go; `None` when nothing waits.
    pub fn group_due(&self) -> Option<Instant> {
        let since = self.since?;
        let is_full = self.waiting.len() >= GROUP_FULL || !self.has_room();
        Some(if is_full { since } else { since + GROUP_WAIT })
    }

    /// The next group, oldest first.
    pub fn take_group(&mut self, now: Instant) -> Vec<Outcome> {
        let size = self.waiting.len().min(GROUP_LIMIT);
        self.committing = size;
        let group = self.waiting.drain(..size).collect();
        self.since = (!self.waiting.is_empty()).then_some(now);
        group
    }

    /// The group that was taken is in the store, or was given up.
    pub fn group_done(&mut self) {
        self.committing = 0;
    }

    /// The group that was taken is not in the store: it waits again, before all others.
    pub fn put_back(&mut self, group: Vec<Outcome>, now: Instant) {
        self.committing = 0;
        for outcome in group.into_iter().rev() {
            self.waiting.push_front(outcome);
        }
        self.since = (!self.waiting.is_empty()).then_some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sample;

    fn outcome(at: i64) -> Outcome {
        sample::outcome(1, at)
    }

    #[test]
    fn the_bound_counts_what_is_being_committed() {
        let (mut buffer, now) = (Buffer::new(3), Instant::now());
        for at in 0..3 {
            assert!(buffer.has_room());
            buffer.admit(outcome(at), now);
        }
        assert!(!buffer.has_room());
        let group = buffer.take_group(now);
        assert!(!buffer.has_room(), "three are under way");
        buffer.put_back(group, now);
        assert!(!buffer.has_room(), "three wait again");
        buffer.take_group(now);
        buffer.group_done();
        assert!(buffer.has_room() && buffer.is_empty());
    }

    #[test]
    fn a_group_that_failed_goes_first_again() {
        let (mut buffer, now) = (Buffer::new(9), Instant::now());
        buffer.admit(outcome(1), now);
        buffer.admit(outcome(2), now);
        let group = buffer.take_group(now);
        buffer.admit(outcome(3), now);
        buffer.put_back(group, now);
        let order: Vec<i64> = buffer.take_group(now).iter().map(|o| o.started_at_ms).collect();
        assert_eq!(order, [1, 2, 3]);
    }

    #[test]
    fn a_lone_outcome_waits_a_fifth_of_a_second_and_a_full_group_not_at_all() {
        let (mut buffer, now) = (Buffer::new(9_999), Instant::now());
        assert_eq!(buffer.group_due(), None);
        buffer.admit(outcome(1), now);
        assert_eq!(buffer.group_due(), Some(now + GROUP_WAIT));
        for at in 1..GROUP_FULL as i64 {
            buffer.admit(outcome(at), now);
        }
        assert_eq!(buffer.group_due(), Some(now));
    }
}
