//! Tokens as they are stored.

use super::group_limit::GroupLimit;
use super::scope::{Scope, Scopes};
use super::token_text::{TokenHash, TokenText};
use crate::domain::invalid::Invalid;
use crate::domain::service::label::{Group, NAME_MAX_CHARS};

/// Most tokens, revoked ones included.
pub const TOKENS_LIMIT: usize = 10_000;

/// How long the store keeps a revoked token, in milliseconds.
pub const REVOKED_KEPT_MS: i64 = 90 * 86_400_000;

/// Shortest time between two writes of the last use of a token, in milliseconds.
pub const LAST_USED_STEP_MS: i64 = 5 * 60_000;

/// Most groups of a limit.
const GROUPS_LIMIT: usize = 100;

pub type TokenId = i64;

/// A token without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    /// Unique among the tokens that are not revoked.
    pub name: String,
    /// The first characters of the text.
    pub shown: String,
    pub hash: TokenHash,
    pub scopes: Scopes,
    pub groups: GroupLimit,
    /// Unix milliseconds, as the other times.
    pub created_at_ms: i64,
    /// The actor that created it.
    pub created_by: String,
    pub expires_at_ms: Option<i64>,
    /// At most [`LAST_USED_STEP_MS`] too old.
    pub last_used_at_ms: Option<i64>,
    pub revoked_at_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    Active,
    Expired,
    Revoked,
}

impl TokenState {
    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl Token {
    pub fn state(&self, now_ms: i64) -> TokenState {
        if self.revoked_at_ms.is_some() {
            TokenState::Revoked
        } else if self.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            TokenState::Expired
        } else {
            TokenState::Active
        }
    }
}

/// A token to be created: everything but its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    pub name: String,
    pub shown: String,
    pub hash: TokenHash,
    pub scopes: Scopes,
    pub groups: GroupLimit,
    pub created_by: String,
    pub expires_at_ms: Option<i64>,
}

impl NewToken {
    /// A token with this text. Returns all problems, each with its field: `name`, `scopes`,
    /// `groups`, `expires_at`.
    pub fn new(
        text: &TokenText,
        name: &str,
        (scopes, groups): (Scopes, GroupLimit),
        expires_at_ms: Option<i64>,
        (created_by, now_ms): (&str, i64),
    ) -> Result<Self, Vec<String>> {
        let checks = [
            check_name(name).map_err(|invalid| invalid.of("name")),
            check_scopes(scopes).map_err(|invalid| invalid.of("scopes")),
            check_groups(scopes, &groups).map_err(|invalid| invalid.of("groups")),
            check_expiry(expires_at_ms, now_ms).map_err(|invalid| invalid.of("expires_at")),
        ];
        let problems: Vec<String> = checks.into_iter().filter_map(Result::err).collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            name: name.to_owned(),
            shown: text.shown().to_owned(),
            hash: text.hash(),
            scopes,
            groups,
            created_by: created_by.to_owned(),
            expires_at_ms,
        })
    }
}

fn check_name(name: &str) -> Result<(), Invalid> {
    let length = name.chars().count();
    let is_valid = (1..=NAME_MAX_CHARS).contains(&length)
        && name.trim() == name
        && !name.contains(char::is_control);
    let expected = "1 to 255 characters without control characters and without space at the ends";
    if is_valid { Ok(()) } else { Err(Invalid::quoted(name, expected)) }
}

fn check_scopes(scopes: Scopes) -> Result<(), Invalid> {
    let expected = "at least one of metrics, read, write, probe, heartbeat and admin";
    if scopes.is_empty() { Err(Invalid::new("[]", expected)) } else { Ok(()) }
}

fn check_groups(scopes: Scopes, groups: &GroupLimit) -> Result<(), Invalid> {
    let Some(names) = groups.names() else { return Ok(()) };
    let names: Vec<&str> = names.collect();
    if scopes.contains(Scope::Admin) {
        return Err(Invalid::quoted(names, "null for a token with the scope admin"));
    }
    if names.is_empty() || names.len() > GROUPS_LIMIT {
        return Err(Invalid::new(
            format_args!("a list of {}", names.len()),
            "null or 1 to 100 groups",
        ));
    }
    names.into_iter().try_for_each(|name| Group::parse(name).map(drop))
}

fn check_expiry(expires_at_ms: Option<i64>, now_ms: i64) -> Result<(), Invalid> {
    match expires_at_ms {
        Some(at_ms) if at_ms <= now_ms => {
            Err(Invalid::new(at_ms / 1_000, "null or a time in the future, in unix seconds"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
pub use tests::sample;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_795_413_298_000;

    fn new(
        name: &str,
        scopes: &[Scope],
        groups: GroupLimit,
        expires_at_ms: Option<i64>,
    ) -> Result<NewToken, Vec<String>> {
        let text = TokenText::from_random([3; 32]);
        let scopes = scopes.iter().copied().collect();
        NewToken::new(&text, name, (scopes, groups), expires_at_ms, ("command", NOW_MS))
    }

    #[test]
    fn all_problems_of_a_new_token_are_reported() {
        let admin = [Scope::Admin];
        assert!(new("grafana", &admin, GroupLimit::NONE, None).is_ok());
        assert!(new("grafana", &[Scope::Read], GroupLimit::to(["".to_owned()]), None).is_ok());
        let limited = GroupLimit::to(["core".to_owned()]);
        let problems = new(" a", &admin, limited, Some(NOW_MS)).unwrap_err();
        let fields: Vec<&str> =
            problems.iter().filter_map(|problem| problem.split(':').next()).collect();
        assert_eq!(fields, ["name", "groups", "expires_at"], "{problems:?}");
        assert!(problems[1].ends_with("expected null for a token with the scope admin"));
        let many = GroupLimit::to((0..=GROUPS_LIMIT).map(|nth| nth.to_string()));
        for groups in [GroupLimit::to([]), many, GroupLimit::to(["a\n".to_owned()])] {
            let problems = new("a", &[Scope::Read], groups, None).unwrap_err();
            assert!(problems[0].starts_with("groups: invalid value"), "{problems:?}");
        }
        let problems = new("a", &[], GroupLimit::NONE, None).unwrap_err();
        assert!(problems[0].starts_with("scopes: invalid value []"), "{problems:?}");
    }

    #[test]
    fn a_token_is_active_until_its_expiry_or_its_revocation() {
        let mut token = sample(1, "a");
        assert_eq!(token.state(NOW_MS), TokenState::Active);
        token.expires_at_ms = Some(NOW_MS);
        assert_eq!(token.state(NOW_MS - 1), TokenState::Active);
        assert_eq!(token.state(NOW_MS), TokenState::Expired);
        token.revoked_at_ms = Some(NOW_MS);
        assert_eq!(token.state(NOW_MS), TokenState::Revoked);
    }

    pub fn sample(id: TokenId, name: &str) -> Token {
        let text = TokenText::from_random([id as u8; 32]);
        Token {
            id,
            name: name.to_owned(),
            shown: text.shown().to_owned(),
            hash: text.hash(),
            scopes: Scopes::from_iter([Scope::Read]),
            groups: GroupLimit::NONE,
            created_at_ms: 0,
            created_by: "command".to_owned(),
            expires_at_ms: None,
            last_used_at_ms: None,
            revoked_at_ms: None,
        }
    }
}
