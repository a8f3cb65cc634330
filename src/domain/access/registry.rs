//! Tokens and sessions in memory, by their hashes. Pure; time is a parameter.

use std::collections::HashMap;

use super::caller::{Caller, Proof};
use super::session::{Session, SessionKey, SessionOwner};
use super::token::{LAST_USED_STEP_MS, Token, TokenId, TokenState};
use super::token_text::{PREFIX, TokenHash, TokenText};

/// Every token and every session of the store.
#[derive(Debug, Default)]
pub struct Registry {
    /// Bound: [`TOKENS_LIMIT`](super::token::TOKENS_LIMIT).
    tokens: HashMap<TokenId, Token>,
    ids: HashMap<TokenHash, TokenId>,
    /// Bound: [`SESSIONS_LIMIT`](super::session::SESSIONS_LIMIT) a token, and for `API_TOKEN`.
    sessions: HashMap<TokenHash, Session>,
}

/// What a text that was shown as a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'r> {
    Active(&'r Token),
    /// `Expired` or `Revoked`.
    Ended(TokenState),
    /// In the form of a token, but not one of this store; or with a wrong checksum.
    Unknown,
    /// Not in the form of a token.
    OtherForm,
}

impl Registry {
    pub fn new(
        tokens: impl IntoIterator<Item = Token>,
        sessions: impl IntoIterator<Item = Session>,
    ) -> Self {
        let mut registry = Self::default();
        tokens.into_iter().for_each(|token| registry.put_token(token));
        sessions.into_iter().for_each(|session| registry.put_session(session));
        registry
    }

    /// Adds or replaces a token. A revoked one ends its sessions.
    pub fn put_token(&mut self, token: Token) {
        if token.revoked_at_ms.is_some() {
            self.sessions.retain(|_, session| session.token_id != token.id);
        }
        self.ids.insert(token.hash, token.id);
        self.tokens.insert(token.id, token);
    }

    /// Adds or replaces a session.
    pub fn put_session(&mut self, session: Session) {
        self.sessions.insert(session.hash, session);
    }

    pub fn end_session(&mut self, hash: TokenHash) {
        self.sessions.remove(&hash);
    }

    /// Removes what the store no longer keeps.
    pub fn retain(&mut self, revoked_before_ms: i64, now_ms: i64) {
        self.sessions.retain(|_, session| !session.is_over(now_ms));
        let is_kept = |token: &Token| token.revoked_at_ms.is_none_or(|at| at >= revoked_before_ms);
        self.tokens.retain(|_, token| is_kept(token));
        let tokens = &self.tokens;
        self.ids.retain(|_, id| tokens.contains_key(id));
    }

    /// The text is compared by its hash, so its duration does not depend on the text.
    pub fn find(&self, text: &str, now_ms: i64) -> Found<'_> {
        let text = match TokenText::parse(text) {
            Ok(text) => text,
            Err(_) if text.starts_with(PREFIX) => return Found::Unknown,
            Err(_) => return Found::OtherForm,
        };
        let id = self.ids.get(&text.hash());
        let Some(token) = id.and_then(|id| self.tokens.get(id)) else { return Found::Unknown };
        match token.state(now_ms) {
            TokenState::Active => Found::Active(token),
            ended => Found::Ended(ended),
        }
    }

    /// The session of a cookie that is not over, and its token; `None` as the token for
    /// `API_TOKEN`, whose hash is `api_token`.
    pub fn session(
        &self,
        key: &SessionKey,
        api_token: Option<TokenHash>,
        now_ms: i64,
    ) -> Option<(&Session, Option<&Token>)> {
        let living =
            |hash: TokenHash| self.sessions.get(&hash).filter(|session| !session.is_over(now_ms));
        // Every token has the same form of the hash.
        if let Some(session) = living(key.hash(&SessionOwner::Token(0))) {
            let token = self.tokens.get(&session.token_id)?;
            let is_active = token.state(now_ms) == TokenState::Active;
            return is_active.then_some((session, Some(token)));
        }
        let session = living(key.hash(&SessionOwner::ApiToken(api_token?)))?;
        (session.token_id == 0).then_some((session, None))
    }

    /// Whether the token and the session of a caller, which the guard let through, have not ended
    /// since.
    pub fn still_admits(&self, caller: &Caller, now_ms: i64) -> bool {
        let has_token = caller.token_id().is_none_or(|id| {
            self.tokens.get(&id).is_some_and(|token| token.state(now_ms) == TokenState::Active)
        });
        let has_session = match caller.proof {
            Proof::Cookie(hash) => {
                self.sessions.get(&hash).is_some_and(|session| !session.is_over(now_ms))
            }
            Proof::None | Proof::Header => true,
        };
        has_token && has_session
    }

    /// When a token ends, in unix milliseconds; `None` for never.
    pub fn token_end(&self, id: TokenId) -> Option<i64> {
        self.tokens.get(&id)?.expires_at_ms
    }

    /// When a session ends without further use, in unix milliseconds.
    pub fn session_end(&self, hash: TokenHash) -> Option<i64> {
        Some(self.sessions.get(&hash)?.expires_at_ms)
    }

    /// Notes the use of a token at `now_ms`. Whether the store is to note it too: at most once in
    /// five minutes.
    pub fn use_token(&mut self, id: TokenId, now_ms: i64) -> bool {
        let Some(token) = self.tokens.get_mut(&id) else { return false };
        let last_ms = token.last_used_at_ms;
        let is_due = last_ms.is_none_or(|ms| now_ms.saturating_sub(ms) >= LAST_USED_STEP_MS);
        if is_due {
            token.last_used_at_ms = Some(now_ms);
        }
        is_due
    }

    /// Notes the use of a session at `now_ms`. Returns the session when the store is to note its
    /// new end.
    pub fn use_session(&mut self, hash: TokenHash, now_ms: i64) -> Option<Session> {
        let session = self.sessions.get_mut(&hash)?;
        session.expires_at_ms = session.extended(now_ms)?;
        Some(*session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::session::{IDLE_MS, LIFE_MS};
    use crate::domain::access::token::sample;

    const NOW_MS: i64 = 1_795_413_298_000;

    fn text(id: u8) -> TokenText {
        TokenText::from_random([id; 32])
    }

    fn session(key: &SessionKey, owner: &SessionOwner) -> Session {
        Session {
            hash: key.hash(owner),
            token_id: owner.token_id(),
            created_at_ms: NOW_MS,
            expires_at_ms: NOW_MS + IDLE_MS,
        }
    }

    #[test]
    fn a_token_is_found_by_its_text_and_by_nothing_else() {
        let mut expired = sample(2, "old");
        expired.expires_at_ms = Some(NOW_MS);
        let mut registry = Registry::new([sample(1, "a"), expired], []);
        let found = registry.find(text(1).reveal(), NOW_MS);
        assert!(matches!(found, Found::Active(token) if token.name == "a"), "{found:?}");
        assert_eq!(registry.find(text(2).reveal(), NOW_MS), Found::Ended(TokenState::Expired));
        assert_eq!(registry.find(text(3).reveal(), NOW_MS), Found::Unknown);
        assert_eq!(registry.find("0123456789abcdef", NOW_MS), Found::OtherForm);
        assert_eq!(registry.find("shc_0123456789abcdef", NOW_MS), Found::Unknown);
        let mut revoked = sample(1, "a");
        revoked.revoked_at_ms = Some(NOW_MS);
        registry.put_token(revoked);
        assert_eq!(registry.find(text(1).reveal(), NOW_MS), Found::Ended(TokenState::Revoked));
        registry.retain(NOW_MS + 1, NOW_MS);
        assert_eq!(registry.find(text(1).reveal(), NOW_MS), Found::Unknown, "no longer kept");
        assert_eq!(registry.find(text(2).reveal(), NOW_MS), Found::Ended(TokenState::Expired));
    }

    #[test]
    fn a_session_ends_with_its_token() {
        let key = SessionKey::from_random([5; 32]);
        let begin = || {
            let session = session(&key, &SessionOwner::Token(1));
            Registry::new([sample(1, "a")], [session])
        };
        let mut registry = begin();
        let (_, token) = registry.session(&key, None, NOW_MS).unwrap();
        assert_eq!(token.map(|token| token.id), Some(1));
        assert!(registry.session(&key, None, NOW_MS + IDLE_MS).is_none(), "over");
        registry.put_token(Token { expires_at_ms: Some(NOW_MS + 1), ..sample(1, "a") });
        assert!(registry.session(&key, None, NOW_MS + 1).is_none(), "its token has expired");
        assert!(registry.session(&key, None, NOW_MS).is_some());
        let revoked = Token { revoked_at_ms: Some(NOW_MS), ..sample(1, "a") };
        registry.put_token(revoked);
        assert!(registry.session(&key, None, NOW_MS).is_none());
        registry.put_token(sample(1, "a"));
        assert!(registry.session(&key, None, NOW_MS).is_none(), "it does not come back");
        let mut registry = begin();
        registry.end_session(key.hash(&SessionOwner::Token(1)));
        assert!(registry.session(&key, None, NOW_MS).is_none());
    }

    #[test]
    fn a_caller_is_admitted_until_its_token_or_its_session_ends() {
        let key = SessionKey::from_random([5; 32]);
        let session = session(&key, &SessionOwner::Token(1));
        let token = sample(1, "a");
        let mut registry = Registry::new([token.clone()], [session]);
        let by_token = Caller::token(&token, Proof::Header);
        let by_cookie = Caller::token(&token, Proof::Cookie(session.hash));
        let api_token = Caller::api_token(Proof::Header);
        let admits = |registry: &Registry, now_ms| {
            [&by_token, &by_cookie, &api_token].map(|it| registry.still_admits(it, now_ms))
        };
        assert_eq!(admits(&registry, NOW_MS), [true, true, true]);
        assert_eq!(admits(&registry, NOW_MS + IDLE_MS), [true, false, true]);
        registry.end_session(session.hash);
        assert_eq!(admits(&registry, NOW_MS), [true, false, true]);
        registry.put_session(session);
        registry.put_token(Token { revoked_at_ms: Some(NOW_MS), ..token.clone() });
        assert_eq!(admits(&registry, NOW_MS), [false, false, true]);
        registry.put_token(Token { expires_at_ms: Some(NOW_MS), ..token.clone() });
        assert!(!registry.still_admits(&by_token, NOW_MS));
    }

    #[test]
    fn another_api_token_ends_the_sessions_of_the_first() {
        let key = SessionKey::from_random([6; 32]);
        let first = TokenHash::of(b"first");
        let registry = Registry::new([], [session(&key, &SessionOwner::ApiToken(first))]);
        assert!(registry.session(&key, Some(first), NOW_MS).is_some_and(|(_, it)| it.is_none()));
        assert!(registry.session(&key, Some(TokenHash::of(b"second")), NOW_MS).is_none());
        assert!(registry.session(&key, None, NOW_MS).is_none());
    }

    #[test]
    fn uses_are_written_once_in_five_minutes() {
        let key = SessionKey::from_random([7; 32]);
        let session = session(&key, &SessionOwner::Token(1));
        let mut registry = Registry::new([sample(1, "a")], [session]);
        let minutes = |minutes: i64| NOW_MS + minutes * 60_000;
        let written: Vec<i64> =
            (0..=12).filter(|nth| registry.use_token(1, minutes(*nth))).collect();
        assert_eq!(written, [0, 5, 10]);
        assert!(!registry.use_token(2, NOW_MS));
        let extended: Vec<i64> = (0..=12)
            .filter(|nth| registry.use_session(session.hash, minutes(*nth)).is_some())
            .collect();
        assert_eq!(extended, [5, 10]);
        let mut now_ms = NOW_MS;
        while let Some((session, _)) = registry.session(&key, None, now_ms) {
            let hash = session.hash;
            registry.use_session(hash, now_ms);
            now_ms += IDLE_MS / 2;
        }
        assert_eq!(now_ms, NOW_MS + LIFE_MS, "in use for 7 days");
    }
}
