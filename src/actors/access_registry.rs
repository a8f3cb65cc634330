//! Tokens and sessions of the API, in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::access::token::REVOKED_KEPT_MS;
use crate::domain::access::{Registry, Session, Token};
use crate::storage::access::AccessApplied;

/// Written by the recorder after each change, read by the API for each request; clones share the
/// content.
#[derive(Debug, Clone, Default)]
pub struct AccessRegistry(Arc<Mutex<Registry>>);

impl AccessRegistry {
    pub fn new(tokens: Vec<Token>, sessions: Vec<Session>) -> Self {
        Self(Arc::new(Mutex::new(Registry::new(tokens, sessions))))
    }

    /// The content is consistent after every statement.
    pub fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces everything by what the store has.
    pub fn replace(&self, tokens: Vec<Token>, sessions: Vec<Session>) {
        *self.lock() = Registry::new(tokens, sessions);
    }

    /// Takes over a change that is stored, and removes what the store no longer keeps.
    pub fn apply(&self, applied: &AccessApplied, now_ms: i64) {
        let mut registry = self.lock();
        match applied {
            AccessApplied::Token(token) => registry.put_token(token.clone()),
            AccessApplied::Session { session, ended } => {
                ended.iter().for_each(|hash| registry.end_session(*hash));
                registry.put_session(*session);
            }
            AccessApplied::SessionEnded(hash) => registry.end_session(*hash),
            // The registry had them before the store.
            AccessApplied::UsesNoted => return,
        }
        registry.retain(now_ms.saturating_sub(REVOKED_KEPT_MS), now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::token::sample;
    use crate::domain::access::{Found, SessionKey, SessionOwner, TokenHash, TokenText};

    #[test]
    fn a_stored_change_holds_at_once() {
        let now_ms = 1_795_413_298_000;
        let access = AccessRegistry::default();
        let (text, key) = (TokenText::from_random([1; 32]), SessionKey::from_random([9; 32]));
        let find = |access: &AccessRegistry| {
            let registry = access.lock();
            matches!(registry.find(text.reveal(), now_ms), Found::Active(_))
        };
        assert!(!find(&access));
        access.apply(&AccessApplied::Token(sample(1, "a")), now_ms);
        assert!(find(&access));
        let session = |hash| Session {
            hash,
            token_id: 1,
            created_at_ms: now_ms,
            expires_at_ms: now_ms + 1_000,
        };
        let has_session = |at_ms| access.lock().session(&key, None, at_ms).is_some();
        let hash = key.hash(&SessionOwner::Token(1));
        let begun = AccessApplied::Session { session: session(hash), ended: vec![] };
        access.apply(&begun, now_ms);
        assert!(has_session(now_ms));
        let other = session(TokenHash([3; 32]));
        let replaced = AccessApplied::Session { session: other, ended: vec![hash] };
        access.apply(&replaced, now_ms);
        assert!(!has_session(now_ms));
        access.apply(&begun, now_ms);
        access.apply(&AccessApplied::SessionEnded(hash), now_ms);
        assert!(!has_session(now_ms));
        let revoked = Token { revoked_at_ms: Some(now_ms), ..sample(1, "a") };
        access.apply(&AccessApplied::Token(revoked), now_ms);
        assert!(!find(&access));
    }
}
