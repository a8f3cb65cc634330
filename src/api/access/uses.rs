//! Writes uses of tokens and sessions to the store, beside the requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::Addr;

use crate::actors::messages::store::ChangeAccess;
use crate::actors::recorder::Recorder;
use crate::domain::audit::AuditSource;
use crate::storage::access::{AccessChange, Uses};

/// Uses that wait for the store. One write is under way at a time, with all that came meanwhile:
/// many tokens cannot fill the queue of changes. Clones share the uses. Bound: one of each token
/// and session in five minutes.
#[derive(Debug, Clone, Default)]
pub struct UseWriter(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    uses: Uses,
    is_writing: bool,
}

impl UseWriter {
    /// Writes the uses soon. Best effort: a use that is not written is noted with a later one.
    pub fn note(&self, uses: Uses, recorder: &Addr<Recorder>) {
        if !self.add(uses) {
            return;
        }
        let (writer, recorder) = (self.clone(), recorder.clone());
        actix_web::rt::spawn(async move {
            while let Some(uses) = writer.take() {
                let _ = recorder.send(noting(uses)).await;
            }
        });
    }

    /// Whether the caller is to write until [`take`](Self::take) returns nothing.
    fn add(&self, uses: Uses) -> bool {
        if uses.is_empty() {
            return false;
        }
        let mut waiting = self.lock();
        waiting.uses.tokens.extend(uses.tokens);
        waiting.uses.sessions.extend(uses.sessions);
        !std::mem::replace(&mut waiting.is_writing, true)
    }

    fn take(&self) -> Option<Uses> {
        let mut waiting = self.lock();
        let uses = std::mem::take(&mut waiting.uses);
        waiting.is_writing = !uses.is_empty();
        waiting.is_writing.then_some(uses)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn noting(uses: Uses) -> ChangeAccess {
    ChangeAccess { change: AccessChange::NoteUses(uses), source: AuditSource::MONITOR }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_writer_takes_all_that_came_meanwhile() {
        let writer = UseWriter::default();
        let uses = |id| Uses { tokens: vec![(id, 7)], sessions: Vec::new() };
        assert!(!writer.add(Uses::default()), "nothing to write");
        assert!(writer.add(uses(1)));
        assert_eq!(writer.take(), Some(uses(1)));
        assert!(!writer.add(uses(2)) && !writer.add(uses(3)), "a write is under way");
        assert_eq!(writer.take().unwrap().tokens, [(2, 7), (3, 7)]);
        assert_eq!(writer.take(), None);
        assert!(writer.add(uses(4)), "the next one writes again");
    }
}
