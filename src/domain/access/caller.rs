//! Who sends a request, and what the sender may do.

use super::group_limit::GroupLimit;
use super::scope::{Scope, Scopes};
use super::token::{Token, TokenId};
use super::token_text::TokenHash;

/// The sender of a request that passed the guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub who: Who,
    pub scopes: Scopes,
    pub groups: GroupLimit,
    pub proof: Proof,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Nobody in particular: the access needs no token.
    Open,
    /// Without a token, while the API listens on a loopback address only.
    ThisMachine,
    /// `API_TOKEN`.
    ApiToken,
    Token {
        id: TokenId,
        name: String,
    },
}

/// How the sender proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    None,
    /// By `Authorization`.
    Header,
    /// By the cookie of the session with this hash.
    Cookie(TokenHash),
}

impl Caller {
    /// Without a token: `who` is `Open` or `ThisMachine`.
    pub fn anonymous(who: Who, scopes: Scopes) -> Self {
        Self { who, scopes, groups: GroupLimit::NONE, proof: Proof::None }
    }

    pub fn api_token(proof: Proof) -> Self {
        Self { who: Who::ApiToken, scopes: Scopes::ALL, groups: GroupLimit::NONE, proof }
    }

    pub fn token(token: &Token, proof: Proof) -> Self {
        let who = Who::Token { id: token.id, name: token.name.clone() };
        Self { who, scopes: token.scopes, groups: token.groups.clone(), proof }
    }

    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }

    /// Whether services of `group` exist for this caller.
    pub fn sees(&self, group: Option<&str>) -> bool {
        self.groups.contains(group)
    }

    /// Whether the caller has shown a token or a session.
    pub fn has_token(&self) -> bool {
        self.proof != Proof::None
    }

    /// The name of the caller in the audit log.
    pub fn actor(&self) -> String {
        match &self.who {
            Who::Open => "open access".to_owned(),
            Who::ThisMachine => "this machine".to_owned(),
            Who::ApiToken => "API_TOKEN".to_owned(),
            Who::Token { name, .. } => format!("token {name}"),
        }
    }

    /// `None` for `API_TOKEN` and without a token.
    pub fn token_id(&self) -> Option<TokenId> {
        match self.who {
            Who::Token { id, .. } => Some(id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::token::sample;

    #[test]
    fn a_caller_may_what_its_token_may_and_is_named_by_it() {
        let mut token = sample(7, "grafana");
        token.groups = GroupLimit::to(["core".to_owned()]);
        let caller = Caller::token(&token, Proof::Header);
        assert!(caller.may(Scope::Read) && !caller.may(Scope::Write) && caller.has_token());
        assert!(caller.sees(Some("core")) && !caller.sees(None));
        assert_eq!((caller.actor().as_str(), caller.token_id()), ("token grafana", Some(7)));
        let api_token = Caller::api_token(Proof::Header);
        assert!(api_token.may(Scope::Admin) && api_token.sees(None));
        assert_eq!((api_token.actor().as_str(), api_token.token_id()), ("API_TOKEN", None));
        let anyone = Caller::anonymous(Who::ThisMachine, Scopes::ALL);
        assert!(!anyone.has_token() && anyone.token_id().is_none());
        assert_eq!(anyone.actor(), "this machine");
    }
}
