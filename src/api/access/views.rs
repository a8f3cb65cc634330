//! Tokens and sessions in responses.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::views::envelope::{List, One};
use crate::domain::access::{self, Caller, GroupLimit, Scope, Scopes};

/// `data` of a response with a list of tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokensData {
    /// The tokens, ordered by id.
    pub tokens: List<Token>,
}

/// `data` of the response with a new token.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewTokenData {
    pub token: One<CreatedToken>,
}

/// A token of the API, without its text.
#[derive(Debug, Serialize, ToSchema)]
pub struct Token {
    /// Id of the token.
    id: i64,
    /// Unique among the tokens that are not revoked.
    #[schema(example = "grafana")]
    name: String,
    /// The first characters of the text.
    #[schema(example = "shc_4fKq")]
    shown: String,
    /// `active`, `expired` or `revoked`.
    #[schema(pattern = "^(active|expired|revoked)$", example = "active")]
    state: &'static str,
    /// As they were given, without those that they include.
    #[schema(example = json!(["read"]))]
    scopes: Vec<&'static str>,
    /// The groups of services that exist for the token; null for all.
    #[schema(required = true, example = json!(["core"]))]
    groups: Option<Vec<String>>,
    /// Unix seconds.
    created_at: i64,
    /// The actor that created it.
    #[schema(example = "API_TOKEN")]
    created_by: String,
    /// Unix seconds; null for never.
    #[schema(required = true)]
    expires_at: Option<i64>,
    /// Unix seconds, up to five minutes too old; null before the first use.
    #[schema(required = true)]
    last_used_at: Option<i64>,
    /// Unix seconds; null unless it is revoked.
    #[schema(required = true)]
    revoked_at: Option<i64>,
}

impl Token {
    pub fn new(token: &access::Token, now_ms: i64) -> Self {
        Self {
            id: token.id,
            name: token.name.clone(),
            shown: token.shown.clone(),
            state: token.state(now_ms).as_str(),
            scopes: scopes(token.scopes),
            groups: groups(&token.groups),
            created_at: token.created_at_ms.div_euclid(1_000),
            created_by: token.created_by.clone(),
            expires_at: seconds(token.expires_at_ms),
            last_used_at: seconds(token.last_used_at_ms),
            revoked_at: seconds(token.revoked_at_ms),
        }
    }
}

/// A token as the API shows it.
pub fn token_json(token: &access::Token, now_ms: i64) -> Value {
    // Serialization cannot fail: every key is a text.
    serde_json::to_value(Token::new(token, now_ms)).unwrap_or_default()
}

/// A new token. No later response has its text.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedToken {
    #[serde(flatten)]
    token: Token,
    /// The token itself: shown once.
    #[schema(example = "shc_4fKqY2vNw0bR7tLxA9cDeF3gHiJkMn1mZ0Qa")]
    text: String,
}

impl CreatedToken {
    pub fn new(token: Token, text: String) -> Self {
        Self { token, text }
    }
}

/// `data` of a response about the caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionData {
    pub session: One<SessionView>,
}

/// The sender of the request, and what it may do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// `token NAME`, `API_TOKEN`, `this machine` (without a token, while the API listens on a
    /// loopback address only) or `open access`.
    #[schema(example = "token grafana")]
    actor: String,
    /// Every scope that the caller has, with those that others include.
    #[schema(example = json!(["metrics", "read"]))]
    scopes: Vec<&'static str>,
    /// The groups of services that exist for the caller; null for all.
    #[schema(required = true, example = json!(["core"]))]
    groups: Option<Vec<String>>,
    /// When the session of the cookie ends without further use, in unix seconds; null without a
    /// cookie.
    #[schema(required = true)]
    session_expires_at: Option<i64>,
}

impl SessionView {
    pub fn new(caller: &Caller, session_expires_at_ms: Option<i64>) -> Self {
        let scopes = Scope::ALL.into_iter().filter(|scope| caller.may(*scope));
        Self {
            actor: caller.actor(),
            scopes: scopes.map(Scope::as_str).collect(),
            groups: groups(&caller.groups),
            session_expires_at: seconds(session_expires_at_ms),
        }
    }
}

fn scopes(scopes: Scopes) -> Vec<&'static str> {
    scopes.given().map(Scope::as_str).collect()
}

fn groups(groups: &GroupLimit) -> Option<Vec<String>> {
    groups.names().map(|names| names.map(str::to_owned).collect())
}

fn seconds(ms: Option<i64>) -> Option<i64> {
    ms.map(|ms| ms.div_euclid(1_000))
}
