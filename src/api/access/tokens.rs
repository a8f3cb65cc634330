//! Handlers of `/v1/tokens`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::api::access::bodies::{self, NewTokenBody};
use crate::api::access::views::{CreatedToken, NewTokenData, Token, TokensData};
use crate::api::error::{ApiError, ApiResult};
use crate::api::error_responses::{
    BodyErrors, ConfidentialErrors, NotFoundError, ReadErrors, WriteErrors,
};
use crate::api::input;
use crate::api::query_parameters::PageParams;
use crate::api::state::Api;
use crate::api::views::envelope::{List, One, Success, success};
use crate::clock::unix_ms;
use crate::domain::access::{Caller, NewToken, TokenText};
use crate::domain::{Page, PageRequest};
use crate::storage::access::{AccessApplied, AccessChange, ListTokens};

/// The tokens, by id; revoked ones for 90 days. Requires the scope `admin`.
#[utoipa::path(get, path = "/v1/tokens", tag = "access", security((), ("token" = [])),
    params(PageParams),
    responses(
        (status = 200, description = "A page of tokens", body = Success<TokensData>),
        ReadErrors,
        ConfidentialErrors,
    ))]
pub async fn list(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let requested = input::alerting::page(&request)?;
    let all = api.query(ListTokens).await?;
    let now_ms = unix_ms();
    let tokens = List::new(requested, page(requested, all), |token| Token::new(&token, now_ms));
    Ok(success(StatusCode::OK, TokensData { tokens }))
}

/// Creates a token. Requires the scope `admin`. The response is the only one with the text of the
/// token.
#[utoipa::path(post, path = "/v1/tokens", tag = "access", security((), ("token" = [])),
    request_body = NewTokenBody,
    responses(
        (status = 201, description = "The new token", body = Success<NewTokenData>),
        WriteErrors,
        BodyErrors,
    ))]
pub async fn create(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    payload: web::Payload,
) -> ApiResult {
    input::no_params(&request)?;
    let object = input::json_object(&request, payload, input::JSON, &api).await?;
    let bodies::TokenRequest { name, rights, expires_at_ms } = bodies::token(&object)?;
    let text = TokenText::from_random(rand::random());
    let by = (caller.actor(), unix_ms());
    let token = NewToken::new(&text, &name, rights, expires_at_ms, (&by.0, by.1))
        .map_err(ApiError::unprocessable)?;
    match api.change_access(AccessChange::CreateToken(token), api.source(&request)).await? {
        AccessApplied::Token(token) => {
            let created = CreatedToken::new(Token::new(&token, by.1), text.reveal().to_owned());
            Ok(success(StatusCode::CREATED, NewTokenData { token: One::new(created) }))
        }
        _ => Err(ApiError::not_found()),
    }
}

/// Revokes a token and ends its sessions. Requires the scope `admin`. The token stays in the list
/// for 90 days.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "access", security((), ("token" = [])),
    params(("id" = i64, Path, description = "Id of the token", minimum = 1)),
    responses(
        (status = 204, description = "Revoked"),
        WriteErrors,
        NotFoundError,
    ))]
pub async fn revoke(api: web::Data<Api>, request: HttpRequest) -> ApiResult {
    let id = input::only_record_id(&request)?;
    api.change_access(AccessChange::RevokeToken(id), api.source(&request)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The page `request` of `all`.
fn page<T>(request: PageRequest, all: Vec<T>) -> Page<T> {
    let total = all.len() as u64;
    let first = (request.page as usize - 1).saturating_mul(request.limit as usize);
    let items = all.into_iter().skip(first).take(request.limit as usize).collect();
    Page { items, total }
}
