//! What a request says, read with every problem told at once.
//!
//! A path or query that cannot be used is 400 ([`query`]); a body is 415, 413 or 400 before it is JSON, and 422 when it is JSON
//! that says something unacceptable (contract, "Envelope").

mod params;
mod query;

use std::time::Duration;

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{HttpMessage, HttpRequest, web};
use futures_util::StreamExt;
use serde_json::{Map, Value};

use crate::api::error::ApiError;
use crate::domain::{Definition, Invalid, Options, ServiceId};
use crate::probe::net::tls;
use crate::spec;
use crate::spec::Patch;
use crate::spec::{Dialect, Problem};

pub use query::*;

/// Longest time in which a body must have come.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Most problems that one answer tells.
const PROBLEMS_TOLD: usize = 50;

/// The `{id}` of the path.
pub fn service_id(request: &HttpRequest) -> Result<ServiceId, ApiError> {
    let text = request.match_info().get("id").unwrap_or_default();
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let id = text.parse().ok().filter(|_| all_digits).and_then(ServiceId::new);
    id.ok_or_else(|| {
        let invalid = Invalid::quoted(text, "a positive whole number");
        ApiError::bad_request(vec![invalid.of("id")])
    })
}

/// The body as a JSON object of at most `limit` bytes.
pub async fn json_object(
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
) -> Result<Map<String, Value>, ApiError> {
    if !request.content_type().eq_ignore_ascii_case("application/json") {
        let found = request.headers().get(CONTENT_TYPE).map(|value| value.as_bytes());
        let found = String::from_utf8_lossy(found.unwrap_or_default());
        return Err(ApiError::unsupported_media_type(&found));
    }
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|length| length.parse::<usize>().ok()).is_some_and(|n| n > limit) {
        return Err(ApiError::too_large(limit));
    }
    let body = tokio::time::timeout(BODY_WITHIN, read_body(payload, limit))
        .await
        .map_err(|_elapsed| ApiError::request_timeout(BODY_WITHIN))??;
    match serde_json::from_slice(&body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::unprocessable(vec![Invalid::hidden("a JSON object").of("body")])),
        // Well-formed JSON, which only Rust's numbers cannot hold.
        Err(error) if error.to_string().starts_with("number out of range") => {
            Err(ApiError::unprocessable(vec![format!("body: {error}")]))
        }
        Err(error) => Err(ApiError::bad_request(vec![format!("body: malformed JSON: {error}")])),
    }
}

async fn read_body(mut payload: web::Payload, limit: usize) -> Result<web::BytesMut, ApiError> {
    let mut body = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| ApiError::bad_request(vec![format!("body: {error}")]))?;
        if body.len() + chunk.len() > limit {
            return Err(ApiError::too_large(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The body of a POST: a whole definition.
pub fn definition(object: &Map<String, Value>) -> Result<Definition, ApiError> {
    let definition = spec::read(object, Dialect::Api).map_err(refused)?;
    check_tls(&definition.options)?;
    Ok(definition)
}

/// The definition that a change would leave, as far as it can be told before the store has it.
pub fn patched(definition: &Definition, patch: &Patch) -> Result<Definition, ApiError> {
    let patched = patch.apply(definition).map_err(refused)?;
    check_tls(&patched.options)?;
    Ok(patched)
}

/// The body of a PATCH: what is to change.
pub fn patch(object: Map<String, Value>) -> Result<Patch, ApiError> {
    Patch::new(object).map_err(refused)
}

/// Refuses certificates and keys that TLS cannot be spoken with.
fn check_tls(options: &Options) -> Result<(), ApiError> {
    tls::check(&options.tls).map_err(|why| ApiError::unprocessable(vec![format!("tls.{why}")]))
}

fn refused(problems: Vec<Problem>) -> ApiError {
    let told = problems.into_iter().take(PROBLEMS_TOLD);
    ApiError::unprocessable(told.map(|problem| problem.to_string()).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors_of<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
        result.unwrap_err().to_string()
    }

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn every_problem_of_a_body_is_told_at_once() {
        let told = errors_of(definition(&object(&json!({
            "name": "", "interval_seconds": 0.01, "timeout_seconds": "soon", "id": 7, "enabled": null
        }))));
        for field in
            ["name:", "interval_seconds:", "timeout_seconds:", "id:", "enabled:", "url: required"]
        {
            assert!(told.contains(field), "{field} in {told}");
        }
    }
}
