//! Rows of tokens and sessions.

use diesel::prelude::*;

use super::schema::{api_sessions, api_tokens};
use super::values::{Source, json};
use super::{Backend, StoreConnection};
use crate::domain::access::{GroupLimit, NewToken, Scope, Session, Token, TokenHash};
use crate::storage::error::StorageError;
use crate::storage::port::Result;

#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = api_tokens, check_for_backend(Backend))]
pub struct TokenRow {
    id: i64,
    name: String,
    shown: String,
    hash: Vec<u8>,
    scopes: String,
    groups: Option<String>,
    created_at_ms: i64,
    created_by: String,
    expires_at_ms: Option<i64>,
    last_used_at_ms: Option<i64>,
    revoked_at_ms: Option<i64>,
}

impl TokenRow {
    pub fn token(self) -> Result<Token> {
        let source = Source("api_tokens", self.id);
        let scopes: Vec<String> = source.json("scopes", &self.scopes)?;
        let scope = |word: &String| source.word("scopes", word, |word| Scope::parse(word).ok());
        let groups: Option<Vec<String>> =
            self.groups.as_deref().map(|groups| source.json("groups", groups)).transpose()?;
        Ok(Token {
            id: self.id,
            name: self.name,
            shown: self.shown,
            hash: hash("api_tokens", &self.hash)?,
            scopes: scopes.iter().map(scope).collect::<Result<_>>()?,
            groups: groups.map_or(GroupLimit::NONE, GroupLimit::to),
            created_at_ms: self.created_at_ms,
            created_by: self.created_by,
            expires_at_ms: self.expires_at_ms,
            last_used_at_ms: self.last_used_at_ms,
            revoked_at_ms: self.revoked_at_ms,
        })
    }
}

impl From<&Token> for TokenRow {
    fn from(token: &Token) -> Self {
        let TokenHash(hash) = token.hash;
        Self {
            id: token.id,
            name: token.name.clone(),
            shown: token.shown.clone(),
            hash: hash.to_vec(),
            scopes: scopes(token.scopes.given()),
            groups: groups(&token.groups),
            created_at_ms: token.created_at_ms,
            created_by: token.created_by.clone(),
            expires_at_ms: token.expires_at_ms,
            last_used_at_ms: token.last_used_at_ms,
            revoked_at_ms: token.revoked_at_ms,
        }
    }
}

/// A token without an id.
#[derive(Debug, Insertable)]
#[diesel(table_name = api_tokens)]
pub struct NewTokenRow {
    name: String,
    shown: String,
    hash: Vec<u8>,
    scopes: String,
    groups: Option<String>,
    created_at_ms: i64,
    created_by: String,
    expires_at_ms: Option<i64>,
}

impl NewTokenRow {
    pub fn new(token: &NewToken, now_ms: i64) -> Self {
        let TokenHash(hash) = token.hash;
        Self {
            name: token.name.clone(),
            shown: token.shown.clone(),
            hash: hash.to_vec(),
            scopes: scopes(token.scopes.given()),
            groups: groups(&token.groups),
            created_at_ms: now_ms,
            created_by: token.created_by.clone(),
            expires_at_ms: token.expires_at_ms,
        }
    }
}

#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = api_sessions, check_for_backend(Backend))]
pub struct SessionRow {
    hash: Vec<u8>,
    token_id: i64,
    created_at_ms: i64,
    expires_at_ms: i64,
}

impl SessionRow {
    pub fn session(self) -> Result<Session> {
        Ok(Session {
            hash: hash("api_sessions", &self.hash)?,
            token_id: self.token_id,
            created_at_ms: self.created_at_ms,
            expires_at_ms: self.expires_at_ms,
        })
    }
}

impl From<&Session> for SessionRow {
    fn from(session: &Session) -> Self {
        let TokenHash(hash) = session.hash;
        Self {
            hash: hash.to_vec(),
            token_id: session.token_id,
            created_at_ms: session.created_at_ms,
            expires_at_ms: session.expires_at_ms,
        }
    }
}

/// By id.
pub fn tokens(connection: &mut StoreConnection) -> Result<Vec<Token>> {
    let rows: Vec<TokenRow> =
        api_tokens::table.order(api_tokens::id).select(TokenRow::as_select()).load(connection)?;
    rows.into_iter().map(TokenRow::token).collect()
}

pub fn token(connection: &mut StoreConnection, id: i64) -> Result<Token> {
    let row: TokenRow =
        api_tokens::table.find(id).select(TokenRow::as_select()).first(connection)?;
    row.token()
}

pub fn sessions(connection: &mut StoreConnection) -> Result<Vec<Session>> {
    let rows: Vec<SessionRow> = api_sessions::table
        .order((api_sessions::token_id, api_sessions::created_at_ms))
        .select(SessionRow::as_select())
        .load(connection)?;
    rows.into_iter().map(SessionRow::session).collect()
}

pub fn hash(table: &str, bytes: &[u8]) -> Result<TokenHash> {
    let unreadable = |_| StorageError::Unreadable(format!("{table}, hash: not of 32 bytes"));
    bytes.try_into().map(TokenHash).map_err(unreadable)
}

fn scopes(scopes: impl Iterator<Item = Scope>) -> String {
    json(&scopes.map(Scope::as_str).collect::<Vec<_>>())
}

fn groups(groups: &GroupLimit) -> Option<String> {
    groups.names().map(|names| json(&names.collect::<Vec<_>>()))
}
