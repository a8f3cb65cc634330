//! Handlers of `/v1/session`, and the cookies of sessions.

use actix_web::http::StatusCode;
use actix_web::http::header::SET_COOKIE;
use actix_web::{HttpRequest, HttpResponse, web};
use cookie::{Cookie, SameSite};

use crate::api::access::bodies::{self, NewSession};
use crate::api::access::views::{SessionData, SessionView};
use crate::api::error::{ApiError, ApiResult, ErrorBody};
use crate::api::error_responses::{BodyErrors, ConfidentialErrors, ReadErrors, WriteErrors};
use crate::api::guard::{SECURE_SESSION_COOKIE, SESSION_COOKIE};
use crate::api::input;
use crate::api::state::Api;
use crate::api::views::envelope::{One, Success, success};
use crate::clock::unix_ms;
use crate::domain::Invalid;
use crate::domain::access::{Caller, Proof, Session, SessionKey, SessionOwner, Who};
use crate::storage::access::{AccessApplied, AccessChange};

/// The sender of this request: actor, scopes and groups.
#[utoipa::path(get, path = "/v1/session", tag = "access", security((), ("token" = [])),
    responses(
        (status = 200, description = "The caller", body = Success<SessionData>),
        ReadErrors,
        ConfidentialErrors,
    ))]
pub async fn get(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    input::no_params(&request)?;
    let expires_at_ms = match caller.proof {
        Proof::Cookie(hash) => api.access.lock().session_end(hash),
        Proof::None | Proof::Header => None,
    };
    let session = One::new(SessionView::new(&caller, expires_at_ms));
    Ok(success(StatusCode::OK, SessionData { session }))
}

/// Begins a session of a browser: the response sets a cookie that stands for the token.
///
/// The session ends after 12 hours without a request, after 7 days at most, and with its token.
#[utoipa::path(post, path = "/v1/session", tag = "access",
    request_body = NewSession,
    responses(
        (status = 201, description = "The session", body = Success<SessionData>,
            headers(("Set-Cookie" = String, description = "The cookie of the session"))),
        (status = 401, description = "Unknown, expired or revoked token", body = ErrorBody),
        WriteErrors,
        BodyErrors,
    ))]
pub async fn create(api: web::Data<Api>, request: HttpRequest, payload: web::Payload) -> ApiResult {
    input::no_params(&request)?;
    let object = input::json_object(&request, payload, input::JSON, &api).await?;
    let (token, keeps) = bodies::session(&object)?;
    let (caller, session, cookie) = begin(&api, &request, &token, keeps).await?;
    let view = SessionView::new(&caller, Some(session.expires_at_ms));
    let mut response = success(StatusCode::CREATED, SessionData { session: One::new(view) });
    if let Ok(cookie) = cookie.to_string().parse() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Ends the session of the cookie.
#[utoipa::path(delete, path = "/v1/session", tag = "access", security((), ("token" = [])),
    responses(
        (status = 204, description = "Ended"),
        (status = 404, description = "The request has no cookie of a session", body = ErrorBody),
        WriteErrors,
    ))]
pub async fn delete(api: web::Data<Api>, caller: Caller, request: HttpRequest) -> ApiResult {
    input::no_params(&request)?;
    let cookies = end(&api, &caller, &request).await?;
    let mut response = HttpResponse::NoContent().finish();
    for cookie in cookies.iter().filter_map(|cookie| cookie.to_string().parse().ok()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Begins a session of `token` for the browser that sent `request`. Returns the caller that the
/// token stands for, the session, and its cookie.
pub async fn begin(
    api: &Api,
    request: &HttpRequest,
    token: &str,
    keeps: bool,
) -> Result<(Caller, Session, Cookie<'static>), ApiError> {
    let caller = api.guard.login(request, token)?;
    let owner = match (&caller.who, api.guard.api_token_hash()) {
        (Who::Token { id, .. }, _) => SessionOwner::Token(*id),
        (_, Some(hash)) => SessionOwner::ApiToken(hash),
        (_, None) => return Err(ApiError::wrong_token()),
    };
    let token_end_ms = caller.token_id().and_then(|id| api.access.lock().token_end(id));
    let key = SessionKey::from_random(rand::random());
    let stored = (key.hash(&owner), owner.token_id());
    let session = Session::begin(stored, (caller.scopes, token_end_ms), keeps, unix_ms())
        .ok_or_else(|| {
            let expected = "false, or true with a token that has the scope read alone";
            ApiError::unprocessable(vec![Invalid::new(keeps, expected).of("keep")])
        })?;
    let source = api.guard.audit_source_of(&caller, request);
    match api.change_access(AccessChange::BeginSession(session), source).await? {
        AccessApplied::Session { session, .. } => {
            // The cookie of a session that moves on lives for as long as the session may.
            let life_ms = session.last_end_ms() - unix_ms();
            let cookie = cookie(key.reveal(), api.guard.is_secure(request), life_ms);
            Ok((caller, session, cookie))
        }
        _ => Err(ApiError::not_found()),
    }
}

/// Ends the session of the caller. Returns the cookies that remove its cookie.
pub async fn end(
    api: &Api,
    caller: &Caller,
    request: &HttpRequest,
) -> Result<[Cookie<'static>; 2], ApiError> {
    let Proof::Cookie(hash) = caller.proof else { return Err(ApiError::not_found()) };
    api.change_access(AccessChange::EndSession(hash), api.source(request)).await?;
    Ok([true, false].map(|is_secure| cookie(String::new(), is_secure, 0)))
}

fn cookie(value: String, is_secure: bool, life_ms: i64) -> Cookie<'static> {
    let name = if is_secure { SECURE_SESSION_COOKIE } else { SESSION_COOKIE };
    Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(is_secure)
        .max_age(time::Duration::milliseconds(life_ms.max(0)))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_for_this_host_alone_and_for_no_script() {
        assert_eq!(
            cookie("abc".to_owned(), false, 3_600_000).to_string(),
            "shc_session=abc; HttpOnly; SameSite=Strict; Path=/; Max-Age=3600"
        );
        assert_eq!(
            cookie("abc".to_owned(), true, -5).to_string(),
            "__Host-shc_session=abc; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0"
        );
    }
}
