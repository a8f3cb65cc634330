//! Sessions: cookies of browsers that stand for a token. Pure; time is a parameter.

use std::fmt;

use super::scope::Scopes;
use super::token::TokenId;
use super::token_text::TokenHash;

/// Time without use after which a session ends, in milliseconds.
pub const IDLE_MS: i64 = 12 * 3_600_000;

/// Longest life of a session, in milliseconds.
pub const LIFE_MS: i64 = 7 * 86_400_000;

/// Life of a session that stays, in milliseconds: for a screen on a wall.
pub const KEPT_LIFE_MS: i64 = 90 * 86_400_000;

/// Most sessions of a token; a new one ends the oldest.
pub const SESSIONS_LIMIT: usize = 64;

/// Shortest extension that is written, in milliseconds.
pub const EXTENSION_STEP_MS: i64 = 5 * 60_000;

/// The value of a session cookie: 256 random bits. `Debug` shows nothing of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// The bytes must come from a secure source.
    pub fn from_random(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// Reads [`reveal`](Self::reveal).
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; 32];
        for (nth, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * nth..2 * nth + 2], 16).ok()?;
        }
        let key = Self(bytes);
        (key.reveal() == text).then_some(key)
    }

    /// 64 hexadecimal digits.
    pub fn reveal(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The hash by which the store knows the session. That of `API_TOKEN` includes the token, so
    /// another `API_TOKEN` ends its sessions.
    pub fn hash(&self, owner: &SessionOwner) -> TokenHash {
        match owner {
            SessionOwner::Token(_) => TokenHash::of(&self.0),
            SessionOwner::ApiToken(TokenHash(token)) => {
                TokenHash::of(&[self.0.as_slice(), token.as_slice()].concat())
            }
        }
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a session stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionOwner {
    Token(TokenId),
    /// `API_TOKEN`, by its hash.
    ApiToken(TokenHash),
}

impl SessionOwner {
    /// The column `token_id`: 0 for `API_TOKEN`.
    pub fn token_id(&self) -> TokenId {
        match self {
            Self::Token(id) => *id,
            Self::ApiToken(_) => 0,
        }
    }
}

/// A session as it is stored. Times are unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub hash: TokenHash,
    /// 0 for `API_TOKEN`.
    pub token_id: TokenId,
    pub created_at_ms: i64,
    pub expires_at_ms: i64,
}

impl Session {
    /// A new session of a token that ends at `token_expires_ms`. `None` for one that is to stay
    /// unless the token permits reads and nothing else.
    pub fn begin(
        (hash, token_id): (TokenHash, TokenId),
        (scopes, token_expires_ms): (Scopes, Option<i64>),
        keeps: bool,
        now_ms: i64,
    ) -> Option<Self> {
        if keeps && !scopes.is_read_only() {
            return None;
        }
        let life_ms = if keeps { KEPT_LIFE_MS } else { IDLE_MS };
        let expires_at_ms = now_ms.saturating_add(life_ms);
        let expires_at_ms = token_expires_ms.map_or(expires_at_ms, |ms| ms.min(expires_at_ms));
        Some(Self { hash, token_id, created_at_ms: now_ms, expires_at_ms })
    }

    /// When the session ends at the latest, however it is used.
    pub fn last_end_ms(&self) -> i64 {
        self.expires_at_ms.max(self.created_at_ms.saturating_add(LIFE_MS))
    }

    pub fn is_over(&self, now_ms: i64) -> bool {
        self.expires_at_ms <= now_ms
    }

    /// The new end after a use at `now_ms`; `None` when it stays, or moves by less than
    /// [`EXTENSION_STEP_MS`]. A session never gets older than [`LIFE_MS`]; one that stays has its
    /// end from the beginning.
    pub fn extended(&self, now_ms: i64) -> Option<i64> {
        let last_ms = self.created_at_ms.saturating_add(LIFE_MS);
        let end_ms = now_ms.saturating_add(IDLE_MS).min(last_ms);
        (end_ms >= self.expires_at_ms.saturating_add(EXTENSION_STEP_MS)).then_some(end_ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::access::scope::Scope;

    const HOUR_MS: i64 = 3_600_000;
    const HASH: TokenHash = TokenHash([1; 32]);

    fn begin(scopes: &[Scope], keeps: bool, token_expires_ms: Option<i64>) -> Option<Session> {
        let scopes = scopes.iter().copied().collect();
        Session::begin((HASH, 1), (scopes, token_expires_ms), keeps, 0)
    }

    #[test]
    fn a_session_ends_12_hours_after_its_last_use_and_after_7_days_at_most() {
        let mut session = begin(&[Scope::Admin], false, None).unwrap();
        assert_eq!(session.expires_at_ms, 12 * HOUR_MS);
        assert!(!session.is_over(12 * HOUR_MS - 1) && session.is_over(12 * HOUR_MS));
        assert_eq!(session.extended(EXTENSION_STEP_MS - 1), None, "not written yet");
        assert_eq!(session.extended(EXTENSION_STEP_MS), Some(12 * HOUR_MS + EXTENSION_STEP_MS));
        let mut now_ms = 0;
        while !session.is_over(now_ms) {
            session.expires_at_ms = session.extended(now_ms).unwrap_or(session.expires_at_ms);
            now_ms += 11 * HOUR_MS;
        }
        assert_eq!((session.expires_at_ms, session.last_end_ms()), (LIFE_MS, LIFE_MS));
    }

    #[test]
    fn a_session_that_stays_needs_a_token_of_read_alone() {
        let session = begin(&[Scope::Read], true, None).unwrap();
        assert_eq!(session.expires_at_ms, KEPT_LIFE_MS);
        assert_eq!(session.extended(HOUR_MS), None);
        assert_eq!(begin(&[Scope::Write], true, None), None);
        assert_eq!(begin(&[Scope::Metrics], true, None), None);
        let short = begin(&[Scope::Read], true, Some(HOUR_MS)).unwrap();
        assert_eq!(short.expires_at_ms, HOUR_MS, "not longer than its token");
    }

    #[test]
    fn the_session_of_another_api_token_is_unknown() {
        let key = SessionKey::from_random([9; 32]);
        let owner = |nth| SessionOwner::ApiToken(TokenHash([nth; 32]));
        assert_ne!(key.hash(&owner(1)), key.hash(&owner(2)));
        assert_ne!(key.hash(&owner(1)), key.hash(&SessionOwner::Token(1)));
        assert_eq!((owner(1).token_id(), SessionOwner::Token(7).token_id()), (0, 7));
        assert_eq!(format!("{key:?}"), "***");
    }

    proptest! {
        #[test]
        fn a_key_is_read_back(random: [u8; 32], text in "\\PC{0,70}") {
            let key = SessionKey::from_random(random);
            prop_assert_eq!(SessionKey::parse(&key.reveal()), Some(key));
            prop_assert!(SessionKey::parse(&text).is_none_or(|key| key.reveal() == text));
        }
    }
}
