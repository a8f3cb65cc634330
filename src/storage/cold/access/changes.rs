//! Changes of tokens and sessions.

use diesel::prelude::*;

use super::rows::{self, NewTokenRow, SessionRow};
use super::schema::{api_sessions, api_tokens};
use super::{Audit, StoreConnection};
use crate::domain::access::session::SESSIONS_LIMIT;
use crate::domain::access::token::TOKENS_LIMIT;
use crate::domain::access::{NewToken, Session, Token, TokenHash, TokenId};
use crate::domain::audit::{Action, AuditSource, Object, ObjectKind};
use crate::storage::access::{AccessApplied, AccessChange, Uses};
use crate::storage::audit::fields;
use crate::storage::error::StorageError;
use crate::storage::port::Result;

/// Part of the caller's transaction.
pub fn change(
    connection: &mut StoreConnection,
    change: AccessChange,
    source: &AuditSource,
    now_ms: i64,
) -> Result<AccessApplied> {
    let audit = Audit { source, now_ms };
    match change {
        AccessChange::CreateToken(token) => {
            let id = create_token(connection, &token, now_ms)?;
            let token = rows::token(connection, id)?;
            let (object, after) = (object(&token), fields::token(&token));
            audit.record(connection, Action::TokenCreate, object, None, Some(&after))?;
            Ok(AccessApplied::Token(token))
        }
        AccessChange::RevokeToken(id) => {
            let living = api_tokens::table.find(id).filter(api_tokens::revoked_at_ms.is_null());
            let revoked = diesel::update(living)
                .set(api_tokens::revoked_at_ms.eq(now_ms))
                .execute(connection)?;
            if revoked == 0 {
                return Err(StorageError::NotFound);
            }
            diesel::delete(api_sessions::table.filter(api_sessions::token_id.eq(id)))
                .execute(connection)?;
            let token = rows::token(connection, id)?;
            let (object, before) = (object(&token), fields::token(&token));
            audit.record(connection, Action::TokenRevoke, object, Some(&before), None)?;
            Ok(AccessApplied::Token(token))
        }
        AccessChange::BeginSession(session) => {
            let ended = begin_session(connection, &session)?;
            let object = Object { kind: ObjectKind::Session, id: None, name: None };
            let after = fields::session(&session);
            audit.record(connection, Action::SessionCreate, object, None, Some(&after))?;
            Ok(AccessApplied::Session { session, ended })
        }
        AccessChange::EndSession(hash) => {
            let ended = diesel::delete(api_sessions::table.find(hash.0.to_vec()));
            match ended.execute(connection)? {
                0 => Err(StorageError::NotFound),
                _ => Ok(AccessApplied::SessionEnded(hash)),
            }
        }
        AccessChange::NoteUses(uses) => {
            note_uses(connection, &uses)?;
            Ok(AccessApplied::UsesNoted)
        }
    }
}

fn object(token: &Token) -> Object {
    Object::new(ObjectKind::Token, token.id, token.name.as_str())
}

fn create_token(
    connection: &mut StoreConnection,
    token: &NewToken,
    now_ms: i64,
) -> Result<TokenId> {
    let count: i64 = api_tokens::table.count().get_result(connection)?;
    if count >= TOKENS_LIMIT as i64 {
        return Err(StorageError::Conflict(format!(
            "there are {TOKENS_LIMIT} tokens, and no more are possible; a revoked one is deleted \
             after 90 days"
        )));
    }
    let is_taken: bool = diesel::select(diesel::dsl::exists(
        api_tokens::table
            .filter(api_tokens::name.eq(&token.name))
            .filter(api_tokens::revoked_at_ms.is_null()),
    ))
    .get_result(connection)?;
    if is_taken {
        return Err(StorageError::Conflict(format!("name: {:?} is already taken", token.name)));
    }
    Ok(diesel::insert_into(api_tokens::table)
        .values(NewTokenRow::new(token, now_ms))
        .returning(api_tokens::id)
        .get_result(connection)?)
}

/// Returns the sessions that ended for it.
fn begin_session(connection: &mut StoreConnection, session: &Session) -> Result<Vec<TokenHash>> {
    if session.token_id != 0 && rows::token(connection, session.token_id)?.revoked_at_ms.is_some() {
        return Err(StorageError::NotFound);
    }
    let oldest: Vec<Vec<u8>> = api_sessions::table
        .filter(api_sessions::token_id.eq(session.token_id))
        .order((api_sessions::created_at_ms.desc(), api_sessions::hash))
        .offset(SESSIONS_LIMIT as i64 - 1)
        .limit(i64::MAX)
        .select(api_sessions::hash)
        .load(connection)?;
    let ended = oldest.iter().map(|hash| rows::hash("api_sessions", hash));
    let ended: Vec<TokenHash> = ended.collect::<Result<_>>()?;
    diesel::delete(api_sessions::table.filter(api_sessions::hash.eq_any(oldest)))
        .execute(connection)?;
    diesel::insert_into(api_sessions::table)
        .values(SessionRow::from(session))
        .execute(connection)?;
    Ok(ended)
}

fn note_uses(connection: &mut StoreConnection, uses: &Uses) -> Result<()> {
    for (id, at_ms) in &uses.tokens {
        diesel::update(api_tokens::table.find(id))
            .set(api_tokens::last_used_at_ms.eq(at_ms))
            .execute(connection)?;
    }
    for (hash, expires_at_ms) in &uses.sessions {
        diesel::update(api_sessions::table.find(hash.0.to_vec()))
            .set(api_sessions::expires_at_ms.eq(expires_at_ms))
            .execute(connection)?;
    }
    Ok(())
}

/// Part of the caller's transaction. Whether there may be more.
pub fn expire(
    connection: &mut StoreConnection,
    revoked_ms: i64,
    now_ms: i64,
    limit: u32,
) -> Result<bool> {
    let tokens: Vec<i64> = api_tokens::table
        .filter(api_tokens::revoked_at_ms.lt(revoked_ms))
        .limit(limit.into())
        .select(api_tokens::id)
        .load(connection)?;
    let sessions: Vec<Vec<u8>> = api_sessions::table
        .filter(api_sessions::expires_at_ms.le(now_ms))
        .limit(limit.into())
        .select(api_sessions::hash)
        .load(connection)?;
    let is_more = tokens.len().max(sessions.len()) == limit as usize;
    diesel::delete(api_tokens::table.filter(api_tokens::id.eq_any(tokens))).execute(connection)?;
    diesel::delete(api_sessions::table.filter(api_sessions::hash.eq_any(sessions)))
        .execute(connection)?;
    Ok(is_more)
}
