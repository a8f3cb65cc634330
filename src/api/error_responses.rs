//! Error responses by kind of request, for the OpenAPI document.

use utoipa::IntoResponses;

use crate::api::error::ErrorBody;

/// Error responses of every read.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub enum ReadErrors {
    /// Invalid id or query parameter
    #[response(status = 400)]
    BadRequest(ErrorBody),
    /// Without a token: `Host` is not this service (API_DOMAIN, API_HOSTS)
    #[response(status = 421)]
    Misdirected(ErrorBody),
    /// Too many queued reads
    #[response(status = 429, headers(("Retry-After" = u32, description = "Seconds")))]
    TooMany(ErrorBody),
    /// Store unavailable
    #[response(status = 503, headers(("Retry-After" = u32, description = "Seconds")))]
    Unavailable(ErrorBody),
}

/// Further error responses of a read that requires the token when one is configured.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub enum ConfidentialErrors {
    /// Missing or wrong token
    #[response(status = 401, headers(("WWW-Authenticate" = String, description = "Bearer")))]
    Unauthorized(ErrorBody),
}

/// Further error responses of a request for one service.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub enum NotFoundError {
    /// No record with this id, or it is deleted
    #[response(status = 404)]
    NotFound(ErrorBody),
}

/// Error responses of every write.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub enum WriteErrors {
    /// Invalid id or query parameter, or malformed JSON
    #[response(status = 400)]
    BadRequest(ErrorBody),
    /// Missing or wrong token
    #[response(status = 401, headers(("WWW-Authenticate" = String, description = "Bearer")))]
    Unauthorized(ErrorBody),
    /// Writes are disabled: no API_TOKEN is set, and API_HOST is not a loopback address; or the
    /// request comes from a page of another origin and has no token
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// Name already in use, or the record is managed by the services file
    #[response(status = 409)]
    Conflict(ErrorBody),
    /// Without a token: `Host` is not this service (API_DOMAIN, API_HOSTS)
    #[response(status = 421)]
    Misdirected(ErrorBody),
    /// Too many queued writes, or too many wrong tokens from one address
    #[response(status = 429, headers(("Retry-After" = u32, description = "Seconds")))]
    TooMany(ErrorBody),
    /// Store unavailable
    #[response(status = 503, headers(("Retry-After" = u32, description = "Seconds")))]
    Unavailable(ErrorBody),
}

/// Further error responses of a write with a body.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub enum BodyErrors {
    /// Body not received within 10 seconds
    #[response(status = 408)]
    Timeout(ErrorBody),
    /// Body larger than API_BODY_LIMIT_BYTES
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// Content-Type is not application/json
    #[response(status = 415)]
    UnsupportedMediaType(ErrorBody),
    /// Invalid field
    #[response(status = 422)]
    Unprocessable(ErrorBody),
}
