//! The newest changes of the overview.

use std::collections::VecDeque;

use crate::domain::ServiceId;
use crate::domain::live::LiveStatus;

/// Most changes that are known.
pub const CHANGES: usize = 65_536;

/// A service before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Before {
    pub group: u32,
    pub status: LiveStatus,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub id: ServiceId,
    /// `None` for a service that was added.
    pub before: Option<Before>,
}

/// The newest [`CHANGES`] changes, numbered from 1.
#[derive(Debug, Default)]
pub(super) struct ChangeLog {
    changes: VecDeque<Change>,
    newest: u32,
}

impl ChangeLog {
    /// Number of the newest change; 0 before the first.
    pub fn newest(&self) -> u32 {
        self.newest
    }

    /// Returns the number of the change. The caller restarts the log when it
    /// [is full](Self::is_full).
    pub fn push(&mut self, change: Change) -> u32 {
        if self.changes.len() == CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
        self.newest += 1;
        self.newest
    }

    /// Whether there may soon be no further number.
    pub fn is_full(&self) -> bool {
        self.newest > u32::MAX / 2
    }

    /// The changes after number `seq` with their numbers, oldest first; `None` when some of them
    /// are no longer known, or when there is no such number yet.
    pub fn since(&self, seq: u32) -> Option<impl Iterator<Item = (u32, &Change)>> {
        let missing = self.newest.checked_sub(seq)? as usize;
        let known = self.changes.len().checked_sub(missing)?;
        Some((seq + 1..).zip(self.changes.range(known..)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_changes_are_known_and_older_ones_are_not() {
        let mut log = ChangeLog::default();
        let id = |nth: usize| ServiceId::new(nth as i64).unwrap();
        assert_eq!(log.since(0).unwrap().count(), 0);
        assert!(log.since(1).is_none(), "not made yet");
        for nth in 1..=CHANGES + 2 {
            assert_eq!(log.push(Change { id: id(nth), before: None }) as usize, nth);
        }
        assert!(log.since(1).is_none());
        let all: Vec<_> = log.since(2).unwrap().map(|(seq, change)| (seq, change.id)).collect();
        assert_eq!((all.len(), all[0]), (CHANGES, (3, id(3))));
        let newest = log.newest();
        assert_eq!(log.since(newest - 1).unwrap().next().unwrap().0, newest);
    }
}
