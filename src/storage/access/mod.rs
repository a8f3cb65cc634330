//! Values of access that cross the storage port: changes of tokens and sessions.

pub mod port;
pub mod query;

use crate::domain::access::{NewToken, Session, Token, TokenHash, TokenId};

/// A change of tokens or sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessChange {
    CreateToken(NewToken),
    /// Ends the sessions of the token too. Its row stays for 90 days.
    RevokeToken(TokenId),
    /// Ends the oldest session of the token when it has too many.
    BeginSession(Session),
    EndSession(TokenHash),
    NoteUses(Uses),
}

/// Uses of tokens and sessions, which are written seldom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// Tokens, and when they were used, in unix milliseconds.
    pub tokens: Vec<(TokenId, i64)>,
    /// Sessions, and their new ends, in unix milliseconds.
    pub sessions: Vec<(TokenHash, i64)>,
}

impl Uses {
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.sessions.is_empty()
    }
}

/// Result of an [`AccessChange`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessApplied {
    /// The token that was created or revoked.
    Token(Token),
    Session {
        session: Session,
        /// Sessions of the token that ended for it.
        ended: Vec<TokenHash>,
    },
    SessionEnded(TokenHash),
    UsesNoted,
}

/// Query: all tokens that the store keeps, by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListTokens;
