//! Request bodies.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{HttpMessage, HttpRequest, web};
use futures_util::StreamExt;
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;

use crate::api::error::ApiError;
use crate::api::state::Api;
use crate::api::transport::Connection;
use crate::domain::service::options::TOKEN_MIN_LENGTH;
use crate::domain::{Definition, Invalid, Options};
use crate::probe::net::tls;
use crate::remote;
use crate::spec;
use crate::spec::{Dialect, Patch, Problem, masks, override_masks};

/// A body that takes longer than this to arrive is rejected with 408.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Most problems in one response.
const MAX_PROBLEMS: usize = 50;

/// A body takes memory of the budget when it is larger than this, in bytes.
const SMALL_BODY: usize = 16 * 1024;

/// Most fields of an HTML form.
const MAX_FIELDS: usize = 500;

/// Media type of HTML forms.
const FORM: &[&str] = &["application/x-www-form-urlencoded"];

/// Media types of the messages of Prometheus.
const PROTOBUF: &[&str] = &[remote::MEDIA_TYPE];

/// Media types of a new service.
pub const JSON: &[&str] = &["application/json"];

/// Media types of a change: the second is that of RFC 7396.
pub const MERGE_PATCH: &[&str] = &["application/json", "application/merge-patch+json"];

/// The body as a JSON object of at most `body_limit` bytes. A body without a media type is none of
/// `media_types`: a page of another origin can send it without a preflight.
pub async fn json_object(
    request: &HttpRequest,
    payload: web::Payload,
    media_types: &'static [&'static str],
    api: &Api,
) -> Result<Map<String, Value>, ApiError> {
    check_media_type(request, media_types)?;
    let body = whole_body(request, payload, api).await?;
    match serde_json::from_slice(&body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::unprocessable(vec![Invalid::hidden("a JSON object").of("body")])),
        // Well-formed JSON with a number that no Rust type can hold.
        Err(error) if error.to_string().starts_with("number out of range") => {
            Err(ApiError::unprocessable(vec![format!("body: {error}")]))
        }
        Err(error) => Err(ApiError::bad_request(vec![format!("body: malformed JSON: {error}")])),
    }
}

fn check_media_type(
    request: &HttpRequest,
    media_types: &'static [&'static str],
) -> Result<(), ApiError> {
    if has_media_type(request, media_types) {
        return Ok(());
    }
    let content_type = request.headers().get(CONTENT_TYPE).map(|value| value.as_bytes());
    let content_type = String::from_utf8_lossy(content_type.unwrap_or_default());
    Err(ApiError::unsupported_media_type(&content_type, media_types))
}

fn has_media_type(request: &HttpRequest, media_types: &[&str]) -> bool {
    let given = request.content_type();
    media_types.iter().any(|known| given.eq_ignore_ascii_case(known))
}

/// The text of `error` in a JSON object. Any other body is ignored.
pub async fn error_message(
    request: &HttpRequest,
    payload: web::Payload,
    api: &Api,
) -> Result<Option<String>, ApiError> {
    if !has_media_type(request, JSON) {
        return Ok(None);
    }
    let body = whole_body(request, payload, api).await?;
    let body: Option<Value> = serde_json::from_slice(&body).ok();
    Ok(body.and_then(|body| body.get("error")?.as_str().map(str::to_owned)))
}

/// The fields of an HTML form, at most [`MAX_FIELDS`].
pub async fn form_fields(
    request: &HttpRequest,
    payload: web::Payload,
    api: &Api,
) -> Result<Vec<(String, String)>, ApiError> {
    check_media_type(request, FORM)?;
    let body = whole_body(request, payload, api).await?;
    let fields: Vec<_> =
        url::form_urlencoded::parse(&body).into_owned().take(MAX_FIELDS + 1).collect();
    if fields.len() > MAX_FIELDS {
        let invalid = Invalid::hidden(format!("at most {MAX_FIELDS} fields"));
        return Err(ApiError::bad_request(vec![invalid.of("body")]));
    }
    Ok(fields)
}

/// The bytes of a message in Protocol Buffers, as they were sent.
pub async fn protobuf(
    request: &HttpRequest,
    payload: web::Payload,
    api: &Api,
) -> Result<web::BytesMut, ApiError> {
    check_media_type(request, PROTOBUF)?;
    whole_body(request, payload, api).await
}

/// The body, once it has arrived and its connection has a place.
async fn whole_body(
    request: &HttpRequest,
    payload: web::Payload,
    api: &Api,
) -> Result<web::BytesMut, ApiError> {
    let limit = api.body_limit;
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|n| n > limit) {
        return Err(ApiError::too_large(limit));
    }
    let connection = request.conn_data::<Arc<Connection>>();
    let reading = connection.map(|connection| connection.reading_body(Instant::now()));
    let mut memory = None;
    let body = tokio::time::timeout(BODY_TIMEOUT, read_body(payload, api, &mut memory))
        .await
        .map_err(|_elapsed| ApiError::request_timeout(BODY_TIMEOUT))??;
    drop(reading);
    if let Some(connection) = connection
        && !connection.take_place().await
    {
        return Err(ApiError::no_place());
    }
    Ok(body)
}

async fn read_body(
    mut payload: web::Payload,
    api: &Api,
    memory: &mut Option<OwnedSemaphorePermit>,
) -> Result<web::BytesMut, ApiError> {
    let mut body = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| ApiError::bad_request(vec![format!("body: {error}")]))?;
        let length = body.len() + chunk.len();
        if length > api.body_limit {
            return Err(ApiError::too_large(api.body_limit));
        }
        if length > SMALL_BODY {
            api.budget.extend(memory, length)?;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The body of a POST: a whole definition.
pub fn definition(object: &Map<String, Value>, has_plugins: bool) -> Result<Definition, ApiError> {
    let mut problems = masks::problems(object);
    problems.extend(override_masks::problems(object));
    let definition = spec::read(object, Dialect::Api);
    let definition = definition.map_err(|more| problems.extend(more)).ok();
    let definition = definition.filter(|_| problems.is_empty());
    let definition = definition.ok_or_else(|| unprocessable(problems))?;
    check_plugins(&definition, has_plugins)?;
    check_tls(&definition.options)?;
    check_token(&definition.options)?;
    Ok(definition)
}

/// The definition after `patch`. The store applies the patch again, to the definition that it has
/// by then.
pub fn patched(
    definition: &Definition,
    patch: &Patch,
    has_plugins: bool,
) -> Result<Definition, ApiError> {
    let patched = patch.apply(definition).map_err(unprocessable)?;
    check_plugins(&patched, has_plugins)?;
    check_tls(&patched.options)?;
    let token = |options: &Options| options.heartbeat.as_ref().map(|it| it.token.clone());
    // A stored token remains valid, whatever its length.
    if token(&patched.options) != token(&definition.options) {
        check_token(&patched.options)?;
    }
    Ok(patched)
}

/// The body of a PATCH.
pub fn patch(object: Map<String, Value>) -> Result<Patch, ApiError> {
    Patch::new(object).map_err(unprocessable)
}

fn check_plugins(definition: &Definition, has_plugins: bool) -> Result<(), ApiError> {
    spec::check_plugins(definition, has_plugins).map_err(|problem| unprocessable(vec![problem]))
}

/// Rejects certificates and keys that the TLS library cannot use.
fn check_tls(options: &Options) -> Result<(), ApiError> {
    tls::validate(&options.tls)
        .map_err(|error| ApiError::unprocessable(vec![format!("tls.{error}")]))
}

/// Rejects a new token of a heartbeat that is too short.
fn check_token(options: &Options) -> Result<(), ApiError> {
    let token = options.heartbeat.as_ref().and_then(|heartbeat| heartbeat.token.as_literal());
    if token.is_none_or(|token| token.len() >= TOKEN_MIN_LENGTH) {
        return Ok(());
    }
    let invalid = Invalid::hidden(format!("at least {TOKEN_MIN_LENGTH} characters"));
    Err(ApiError::unprocessable(vec![invalid.of("heartbeat.token")]))
}

fn unprocessable(problems: Vec<Problem>) -> ApiError {
    let problems = problems.into_iter().take(MAX_PROBLEMS);
    ApiError::unprocessable(problems.map(|problem| problem.to_string()).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_problems_of_a_body_are_reported_at_once() {
        let body = json!({
            "name": "", "interval_seconds": 0.01, "timeout_seconds": "soon", "id": 7,
            "enabled": null
        });
        let errors = definition(body.as_object().unwrap(), false).unwrap_err().to_string();
        for field in
            ["name:", "interval_seconds:", "timeout_seconds:", "id:", "enabled:", "url: required"]
        {
            assert!(errors.contains(field), "{field} in {errors}");
        }
    }
}
