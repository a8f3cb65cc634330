//! Outcomes that wait for their commit, and when a group is due. Pure; time is passed in.

use std::collections::VecDeque;
use std::time::Instant;

use crate::domain::Outcome;

/// A group of this size is due at once, and so is one that fills the buffer.
const GROUP_FULL: usize = 512;

/// Most outcomes of one commit, which limits its duration.
const GROUP_LIMIT: usize = 4_096;

/// A bounded buffer. Invariant: waiting outcomes and those being committed are together at most
/// `limit`, and one more behind a hole.
#[derive(Debug)]
pub struct Buffer {
    waiting: VecDeque<Outcome>,
    committing: usize,
    /// Outcomes ever pushed.
    pushed: u64,
    /// Outcomes that have left the buffer, the oldest first.
    finished: u64,
    /// When the most urgent of `waiting` is due; `None` when it is empty.
    due: Option<Instant>,
    limit: usize,
}

impl Buffer {
    pub fn new(limit: usize) -> Self {
        Self { waiting: VecDeque::new(), committing: 0, pushed: 0, finished: 0, due: None, limit }
    }

    /// Buffered outcomes, including those being committed.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.committing
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn has_room(&self) -> bool {
        self.len() < self.limit
    }

    /// Adds an outcome that is to be committed at `due`, or before with others. Returns its
    /// position: it is committed once [`Self::finished`] reaches it. The caller has checked
    /// [`Self::has_room`].
    pub fn push(&mut self, outcome: Outcome, due: Instant) -> u64 {
        debug_assert!(self.has_room());
        self.waiting.push_back(outcome);
        self.due = Some(self.due.map_or(due, |known| known.min(due)));
        self.pushed += 1;
        self.pushed
    }

    /// The position of the newest outcome.
    pub fn pushed(&self) -> u64 {
        self.pushed
    }

    /// The position up to which all outcomes have left the buffer.
    pub fn finished(&self) -> u64 {
        self.finished
    }

    /// Pushes the hole of a service and the result that ends it, which may exceed the limit by one.
    /// Returns the position of the result.
    pub fn push_behind_hole(&mut self, hole: Outcome, outcome: Outcome, due: Instant) -> u64 {
        self.push(hole, due);
        self.waiting.push_back(outcome);
        self.pushed += 1;
        self.pushed
    }

    /// The outcomes that wait, oldest first.
    pub fn waiting_mut(&mut self) -> impl Iterator<Item = &mut Outcome> {
        self.waiting.iter_mut()
    }

    /// When the next group is due; `None` when no outcome waits.
    pub fn group_due(&self, now: Instant) -> Option<Instant> {
        let is_full = self.waiting.len() >= GROUP_FULL || !self.has_room();
        self.due.map(|due| if is_full { due.min(now) } else { due })
    }

    /// Whether the oldest waiting outcome began before `at_ms` (unix milliseconds).
    pub fn begins_before(&self, at_ms: i64) -> bool {
        self.waiting.front().is_some_and(|outcome| outcome.started_at_ms < at_ms)
    }

    /// The next group, oldest first, up to the first outcome that began at `until_ms` or later.
    pub fn take_group(&mut self, until_ms: Option<i64>, now: Instant) -> Vec<Outcome> {
        let is_wanted =
            |outcome: &&Outcome| until_ms.is_none_or(|at_ms| outcome.started_at_ms < at_ms);
        let size = self.waiting.iter().take(GROUP_LIMIT).take_while(is_wanted).count();
        self.committing = size;
        let group = self.waiting.drain(..size).collect();
        self.due = (!self.waiting.is_empty()).then_some(now);
        group
    }

    /// Drops the outcomes that wait; returns the number of those that were not outdated.
    pub fn discard(&mut self) -> usize {
        let count = self.waiting.iter().filter(|outcome| !outcome.is_outdated).count();
        self.finished += self.waiting.len() as u64;
        self.waiting.clear();
        self.due = None;
        count
    }

    /// The group is committed.
    pub fn group_done(&mut self) {
        self.finished += self.committing as u64;
        self.committing = 0;
    }

    /// The end of the group, `group`, is not committed: its outcomes wait again, before all others.
    pub fn put_back(&mut self, group: Vec<Outcome>, now: Instant) {
        self.finished += self.committing.saturating_sub(group.len()) as u64;
        self.committing = 0;
        for outcome in group.into_iter().rev() {
            self.waiting.push_front(outcome);
        }
        self.due = (!self.waiting.is_empty()).then_some(now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::sample;

    fn outcome(at: i64) -> Outcome {
        sample::outcome(1, at)
    }

    #[test]
    fn the_limit_includes_outcomes_that_are_being_committed() {
        let (mut buffer, now) = (Buffer::new(3), Instant::now());
        for at in 0..3 {
            assert!(buffer.has_room());
            buffer.push(outcome(at), now);
        }
        assert!(!buffer.has_room());
        let group = buffer.take_group(None, now);
        assert!(!buffer.has_room(), "three are being committed");
        buffer.put_back(group, now);
        assert!(!buffer.has_room(), "three wait again");
        buffer.take_group(None, now);
        buffer.group_done();
        assert!(buffer.has_room() && buffer.is_empty());
    }

    #[test]
    fn a_group_that_failed_is_committed_before_all_others() {
        let (mut buffer, now) = (Buffer::new(9), Instant::now());
        buffer.push(outcome(1), now);
        buffer.push(outcome(2), now);
        let group = buffer.take_group(None, now);
        buffer.push(outcome(3), now);
        buffer.put_back(group, now);
        let order: Vec<i64> =
            buffer.take_group(None, now).iter().map(|o| o.started_at_ms).collect();
        assert_eq!(order, [1, 2, 3]);
    }

    #[test]
    fn an_outcome_is_finished_when_its_position_is_reached() {
        let (mut buffer, now) = (Buffer::new(9), Instant::now());
        let positions: Vec<u64> = (1..=3).map(|at| buffer.push(outcome(at), now)).collect();
        assert_eq!((positions, buffer.finished()), (vec![1, 2, 3], 0));
        let mut group = buffer.take_group(None, now);
        assert_eq!(buffer.push(outcome(4), now), 4);
        buffer.put_back(group.split_off(1), now);
        assert_eq!(buffer.finished(), 1, "the first one was committed");
        buffer.take_group(None, now);
        buffer.group_done();
        assert_eq!(buffer.finished(), 4);
    }

    #[test]
    fn the_most_urgent_outcome_decides_when_the_group_is_due() {
        let (mut buffer, now) = (Buffer::new(9), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(buffer.group_due(now), None);
        buffer.push(outcome(1), later(5));
        buffer.push(outcome(2), later(9));
        assert_eq!(buffer.group_due(now), Some(later(5)));
        buffer.push(outcome(3), later(1));
        assert_eq!(buffer.group_due(now), Some(later(1)));
        let group = buffer.take_group(None, now);
        assert_eq!((group.len(), buffer.group_due(now)), (3, None), "all of them share it");
    }

    #[test]
    fn a_full_group_is_due_at_once() {
        let (mut buffer, now) = (Buffer::new(9_999), Instant::now());
        let later = now + Duration::from_secs(5);
        for at in 1..GROUP_FULL as i64 {
            buffer.push(outcome(at), later);
        }
        assert_eq!(buffer.group_due(now), Some(later));
        buffer.push(outcome(0), later);
        assert_eq!(buffer.group_due(now), Some(now));
    }

    #[test]
    fn a_full_buffer_is_due_at_once() {
        let (mut buffer, now) = (Buffer::new(1), Instant::now());
        buffer.push(outcome(1), now + Duration::from_secs(5));
        assert_eq!(buffer.group_due(now), Some(now));
    }

    #[test]
    fn what_a_group_leaves_behind_is_due_at_once() {
        let (mut buffer, now) = (Buffer::new(9_999), Instant::now());
        for at in 0..=GROUP_LIMIT as i64 {
            buffer.push(outcome(at), now + Duration::from_secs(5));
        }
        assert_eq!(buffer.take_group(None, now).len(), GROUP_LIMIT);
        assert_eq!(buffer.group_due(now), Some(now));
    }
}
