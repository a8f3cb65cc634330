//! The errors of each kind of request, for the OpenAPI document.

use utoipa::IntoResponses;

use crate::api::error::ErrorBody;

/// What a read may answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub enum ReadErrors {
    /// An id or parameter that cannot be used
    #[response(status = 400)]
    BadRequest(ErrorBody),
    /// Too many reads wait
    #[response(status = 429, headers(("Retry-After" = u32, description = "Seconds")))]
    TooMany(ErrorBody),
    /// The store is unavailable
    #[response(status = 503, headers(("Retry-After" = u32, description = "Seconds")))]
    Unavailable(ErrorBody),
}

/// What a read of one service may answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub enum Missing {
    /// No such living service
    #[response(status = 404)]
    NotFound(ErrorBody),
}

/// What a write may answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub enum WriteErrors {
    /// An id or parameter that cannot be used, or malformed JSON
    #[response(status = 400)]
    BadRequest(ErrorBody),
    /// Token missing or wrong
    #[response(status = 401, headers(("WWW-Authenticate" = String, description = "Bearer")))]
    Unauthorized(ErrorBody),
    /// Writes are not allowed here
    #[response(status = 403)]
    Forbidden(ErrorBody),
    /// Name already taken, or the service belongs to the services file
    #[response(status = 409)]
    Conflict(ErrorBody),
    /// Too many writes wait
    #[response(status = 429, headers(("Retry-After" = u32, description = "Seconds")))]
    TooMany(ErrorBody),
    /// The store is unavailable
    #[response(status = 503, headers(("Retry-After" = u32, description = "Seconds")))]
    Unavailable(ErrorBody),
}

/// What a write with a body may answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by utoipa's derive only")]
pub enum BodyErrors {
    /// The body did not come in time
    #[response(status = 408)]
    Timeout(ErrorBody),
    /// Body too large
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// Not application/json
    #[response(status = 415)]
    UnsupportedMediaType(ErrorBody),
    /// A field that cannot be accepted
    #[response(status = 422)]
    Unprocessable(ErrorBody),
}
