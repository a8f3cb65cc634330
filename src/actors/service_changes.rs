//! Which services have changed since their definitions were read.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::ServiceId;

/// Most changed services that are noted one by one.
const NOTED_MAX: usize = 4_096;

/// Written by the recorder before a change is acknowledged, taken by the queriers; clones share the
/// content. Bound: [`NOTED_MAX`].
#[derive(Debug, Clone, Default)]
pub struct ServiceChanges(Arc<Mutex<Changed>>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Changed {
    /// Any service may have changed.
    #[default]
    All,
    /// These services were added, changed or removed.
    Some(HashSet<ServiceId>),
}

impl ServiceChanges {
    pub fn note(&self, id: ServiceId) {
        let mut changed = self.lock();
        let Changed::Some(ids) = &mut *changed else { return };
        ids.insert(id);
        if ids.len() > NOTED_MAX {
            *changed = Changed::All;
        }
    }

    pub fn note_all(&self) {
        *self.lock() = Changed::All;
    }

    /// What has changed since the last call; everything before the first one. The caller reads the
    /// definitions afterwards, so that none of them is older than the changes.
    pub fn take(&self) -> Changed {
        std::mem::replace(&mut *self.lock(), Changed::Some(HashSet::new()))
    }

    /// The content is consistent after every statement.
    fn lock(&self) -> MutexGuard<'_, Changed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> ServiceId {
        ServiceId::new(number as i64).unwrap()
    }

    #[test]
    fn changes_are_noted_until_they_are_taken() {
        let changes = ServiceChanges::default();
        changes.note(id(1));
        assert_eq!(changes.take(), Changed::All, "nothing was read yet");
        assert_eq!(changes.take(), Changed::Some(HashSet::new()));
        for number in [3, 1, 3] {
            changes.clone().note(id(number));
        }
        assert_eq!(changes.take(), Changed::Some([id(1), id(3)].into()));
        changes.note_all();
        changes.note(id(1));
        assert_eq!(changes.take(), Changed::All);
    }

    #[test]
    fn many_changes_are_noted_as_a_change_of_all() {
        let changes = ServiceChanges::default();
        changes.take();
        (1..=NOTED_MAX).for_each(|number| changes.note(id(number)));
        assert!(matches!(&*changes.lock(), Changed::Some(ids) if ids.len() == NOTED_MAX));
        changes.note(id(NOTED_MAX + 1));
        assert_eq!(changes.take(), Changed::All);
    }
}
