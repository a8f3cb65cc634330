//! Tokens of OAuth 2.0, shared by all probes of the process: fetched once for all services with the
//! same login, and used until shortly before they expire.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::service::options::TlsOptions;

/// Most logins with a token; beyond that, those that no probe uses are forgotten.
const LOGINS_LIMIT: usize = 4_096;

/// A token is renewed this much before it expires, at most half of its lifetime.
const RENEWED_BEFORE: Duration = Duration::from_secs(10);

/// Lifetime of a token whose response does not have one, and longest lifetime that is used.
const LIFETIME: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(86_400));

/// Shortest time between the renewals of a token that the target never accepted.
const RENEWED_AFTER: Duration = Duration::from_secs(60);

/// The key of a token: everything that decides which token is fetched, from which server and over
/// which connection.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Login {
    /// Token endpoint, client, scopes, name server and proxy, in one text.
    pub request: String,
    pub tls: TlsOptions,
}

/// A token in the form of the header `Authorization`.
#[derive(Clone)]
pub struct Token {
    pub authorization: String,
    fetched: Instant,
    lifetime: Duration,
    /// The target answered a request that had this token with another status than 401.
    accepted: bool,
}

/// Whether the server takes the client's credentials from a header or from the form (RFC 6749,
/// section 2.3.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientAuth {
    #[default]
    Header,
    Form,
}

/// The token of one login. The lock is held while it is fetched.
#[derive(Default)]
pub struct Slot {
    pub token: Option<Token>,
    /// The method that the server accepted last.
    pub client_auth: ClientAuth,
}

pub type SharedSlot = Arc<tokio::sync::Mutex<Slot>>;

/// Bound: [`LOGINS_LIMIT`], and the logins of running probes.
#[derive(Default)]
pub struct Tokens(Mutex<HashMap<Login, SharedSlot>>);

impl Tokens {
    pub fn slot(&self, login: Login) -> SharedSlot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= LOGINS_LIMIT && !slots.contains_key(&login) {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(login).or_default())
    }
}

impl Token {
    /// `expires_in` is the lifetime in seconds from the response of the token endpoint.
    pub fn new(authorization: String, expires_in: Option<f64>, now: Instant) -> Self {
        let (default, longest) = LIFETIME;
        let said = expires_in.map(|seconds| seconds.clamp(0.0, longest.as_secs_f64()));
        let lifetime = said.map_or(default, Duration::from_secs_f64);
        Self { authorization, fetched: now, lifetime, accepted: false }
    }

    pub fn is_usable(&self, now: Instant) -> bool {
        let used_for = self.lifetime - RENEWED_BEFORE.min(self.lifetime / 2);
        now.saturating_duration_since(self.fetched) < used_for
    }

    /// Whether a target's 401 may mean that the token is no longer valid. A target that refuses
    /// every token does not cause one more login for each probe.
    fn may_be_revoked(&self, now: Instant) -> bool {
        self.accepted || now.saturating_duration_since(self.fetched) >= RENEWED_AFTER
    }
}

impl Slot {
    /// Records that the target accepted `authorization`: it answered with another status than 401.
    pub fn accept(&mut self, authorization: &str) {
        if let Some(token) = self.token.as_mut().filter(|it| it.authorization == authorization) {
            token.accepted = true;
        }
    }

    /// Records that the target answered a request with `authorization` with 401. Returns whether to
    /// send the request again: another token is there, or this one was removed.
    pub fn refuse(&mut self, authorization: &str, now: Instant) -> bool {
        match &self.token {
            Some(token) if token.authorization == authorization => {
                let is_revoked = token.may_be_revoked(now);
                if is_revoked {
                    self.token = None;
                }
                is_revoked
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn token(expires_in: Option<f64>, now: Instant) -> Token {
        Token::new("Bearer t".to_owned(), expires_in, now)
    }

    #[test]
    fn a_token_is_used_until_shortly_before_it_expires() {
        let now = Instant::now();
        for (expires_in, usable_for) in [
            (Some(3_600.0), 3_590),
            (Some(20.0), 10),
            (Some(4.0), 2),
            (Some(0.0), 0),
            (Some(-5.0), 0),
            (Some(f64::INFINITY), 86_390),
            (None, 290),
        ] {
            let token = token(expires_in, now);
            let usable_for = SECOND * usable_for;
            assert!(!token.is_usable(now + usable_for), "{expires_in:?}");
            assert!(usable_for.is_zero() || token.is_usable(now + usable_for - SECOND / 10));
        }
    }

    #[test]
    fn a_token_that_was_never_accepted_is_renewed_once_a_minute() {
        let now = Instant::now();
        let slot = || Slot { token: Some(token(Some(3_600.0), now)), ..Slot::default() };
        assert!(!slot().refuse("Bearer t", now + SECOND * 59));
        assert!(slot().refuse("Bearer t", now + SECOND * 60));
        let mut accepted = slot();
        accepted.accept("Bearer another");
        assert!(!accepted.refuse("Bearer t", now + SECOND));
        accepted.accept("Bearer t");
        assert!(accepted.refuse("Bearer t", now + SECOND) && accepted.token.is_none());
        assert!(slot().refuse("Bearer old", now), "another probe has fetched a new one");
    }

    #[test]
    fn logins_are_bounded_and_those_in_use_are_kept() {
        let login = |nth: usize| Login { request: nth.to_string(), tls: TlsOptions::default() };
        let tokens = Tokens::default();
        let used = tokens.slot(login(0));
        used.try_lock().unwrap().client_auth = ClientAuth::Form;
        for nth in 1..3 * LOGINS_LIMIT {
            tokens.slot(login(nth));
        }
        assert!(tokens.0.lock().unwrap().len() <= LOGINS_LIMIT);
        assert!(Arc::ptr_eq(&used, &tokens.slot(login(0))));
    }
}
