//! The one shape of all error responses, and the status of each error (contract, "Envelope").

use std::time::Duration;

use actix::MailboxError;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::access::{Scope, TokenState};
use crate::domain::{Invalid, ServiceId};
use crate::storage::StorageError;

/// `Retry-After` of 429 and 503, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// `Retry-After` of a refused stream, in seconds.
const STREAM_RETRY_AFTER: HeaderValue = HeaderValue::from_static("30");

/// The body of an error response.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// The HTTP status code.
    #[schema(example = 404)]
    status: u16,
    /// The standard reason phrase of the status.
    #[schema(example = "Not Found")]
    status_desc: String,
    /// One message per problem; a message about a field begins with its name.
    #[schema(example = json!(["record not found"]))]
    errors: Vec<String>,
}

/// The result of a handler.
pub type ApiResult = Result<HttpResponse, ApiError>;

/// An error response.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{status}: {}", errors.join("; "))]
pub struct ApiError {
    status: StatusCode,
    errors: Vec<String>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl ApiError {
    fn new(status: StatusCode, errors: Vec<String>) -> Self {
        Self { status, errors, header: None }
    }

    fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// One message per problem.
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// A header of the response.
    pub fn header(&self) -> Option<&(HeaderName, HeaderValue)> {
        self.header.as_ref()
    }

    /// 400: the path, the query string or the JSON syntax is invalid.
    pub fn bad_request(errors: Vec<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, errors)
    }

    /// 401: the token is missing or wrong.
    pub fn unauthorized() -> Self {
        Self::of_token("authorization: writes require `Authorization: Bearer` with a token")
    }

    /// 401: the token is missing or wrong, for a read that requires it.
    pub fn confidential() -> Self {
        Self::of_token("authorization: this read requires `Authorization: Bearer` with a token")
    }

    /// 401: the token of a heartbeat is missing or wrong.
    pub fn wrong_heartbeat_token() -> Self {
        Self::of_token("authorization: a heartbeat requires the token of its service")
    }

    /// 401: the token has expired or was revoked.
    pub fn ended_token(state: TokenState) -> Self {
        Self::of_token(match state {
            TokenState::Expired => "authorization: the token has expired",
            TokenState::Revoked | TokenState::Active => "authorization: the token was revoked",
        })
    }

    /// 401: the token of a login is wrong.
    pub fn wrong_token() -> Self {
        Self::of_token("token: unknown, expired or revoked")
    }

    /// 403: `actor` lacks the scope; `None` when any scope would do.
    pub fn missing_scope(scope: Option<Scope>, actor: &str) -> Self {
        let scope =
            scope.map_or("any scope".to_owned(), |scope| format!("the scope {}", scope.as_str()));
        let message = format!("authorization: this request requires {scope}, which {actor} lacks");
        Self::new(StatusCode::FORBIDDEN, vec![message])
    }

    /// 403: the route concerns the whole monitor.
    pub fn limited_to_groups() -> Self {
        let message = "authorization: this request concerns the whole monitor, and the token is \
                       limited to groups";
        Self::new(StatusCode::FORBIDDEN, vec![message.to_owned()])
    }

    /// 403: the change concerns services of other groups than those of the token.
    pub fn beyond_groups(problem: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, vec![problem])
    }

    /// 403: a change by the cookie of a session that does not come from a page of this service.
    pub fn foreign_page() -> Self {
        let message = "origin: a change by the cookie of a session must come from a page of this \
                       service, and show so by Sec-Fetch-Site or Origin";
        Self::new(StatusCode::FORBIDDEN, vec![message.to_owned()])
    }

    /// 429: too many wrong tokens from one address. A request with the right token passes.
    pub fn too_many_wrong_tokens(wait: Duration) -> Self {
        let seconds = wait.as_secs_f64().ceil() as u64;
        let message = "authorization: too many wrong tokens from this address";
        Self::new(StatusCode::TOO_MANY_REQUESTS, vec![message.to_owned()])
            .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// 421: a request without a token names the host `host`, which is not this service.
    pub fn misdirected(host: Option<&str>, domain: &str) -> Self {
        let expected = format!(
            "a loopback address, localhost, API_DOMAIN ({domain}) or one of API_HOSTS; add the \
             host to API_HOSTS if it is this service"
        );
        let invalid = Invalid::quoted(host.unwrap_or_default(), expected);
        Self::new(StatusCode::MISDIRECTED_REQUEST, vec![invalid.of("host")])
    }

    /// 403: a write without a token, from a page of another origin.
    pub fn foreign_origin() -> Self {
        let message = "origin: a page of another origin cannot write without the API token; add \
                       its host to API_HOSTS if it is this service";
        Self::new(StatusCode::FORBIDDEN, vec![message.to_owned()])
    }

    fn of_token(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, vec![message.to_owned()])
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 429: a limit is reached; a retry may succeed.
    pub fn busy(message: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, vec![message.to_owned()])
            .with_header(header::RETRY_AFTER, RETRY_AFTER)
    }

    /// 403: writes are disabled by the configuration.
    pub fn forbidden() -> Self {
        let message = "authorization: without API_TOKEN, writes are allowed only while API_HOST \
                       is a loopback address";
        Self::new(StatusCode::FORBIDDEN, vec![message.to_owned()])
    }

    /// 404: no such route or record.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, vec![StorageError::NotFound.to_string()])
    }

    /// 404: the service has no objective.
    pub fn no_slo() -> Self {
        let message = "slo: this service has no objective; set slo.target and slo.window";
        Self::new(StatusCode::NOT_FOUND, vec![message.to_owned()])
    }

    /// 405: the route exists for the methods `allowed`, which are the value of the `Allow` header.
    pub fn method_not_allowed(method: &Method, allowed: &'static str) -> Self {
        let expected = match allowed.rsplit_once(", ") {
            Some((others, last)) => format!("{others} or {last}"),
            None => allowed.to_owned(),
        };
        Self::new(StatusCode::METHOD_NOT_ALLOWED, vec![Invalid::new(method, expected).of("method")])
            .with_header(header::ALLOW, HeaderValue::from_static(allowed))
    }

    /// 408: the body was not received within `limit`.
    pub fn request_timeout(limit: Duration) -> Self {
        let message = format!("body: not received within {limit:?}");
        Self::new(StatusCode::REQUEST_TIMEOUT, vec![message])
            .with_header(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// 413: the body is larger than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        let message = format!("body: too large, expected at most {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, vec![message])
    }

    /// 415: the body is none of `expected`.
    pub fn unsupported_media_type(content_type: &str, expected: &[&str]) -> Self {
        let message = Invalid::quoted(content_type, expected.join(" or ")).of("content-type");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, vec![message])
    }

    /// 403: a browser fetches a URL that it may need later.
    pub fn prefetch() -> Self {
        let message = "sec-purpose: a prefetch is not a heartbeat";
        Self::new(StatusCode::FORBIDDEN, vec![message.to_owned()])
    }

    /// 409: several services have a key and a token in common.
    pub fn ambiguous_key(ids: &[ServiceId]) -> Self {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let message = format!(
            "key: services {} have it and this token; use POST /v1/services/{{id}}/heartbeat",
            ids.join(", ")
        );
        Self::new(StatusCode::CONFLICT, vec![message])
    }

    /// 409: the services file defines the record.
    pub fn of_the_file(what: &str, id: i64, name: &str) -> Self {
        let message = format!(
            "id: {what} {id} ({name}) belongs to the services file and is read-only here; change \
             it there"
        );
        Self::new(StatusCode::CONFLICT, vec![message])
    }

    /// 422: the body is a JSON object with invalid fields.
    pub fn unprocessable(errors: Vec<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, errors)
    }

    /// 503: other requests have all places.
    pub fn no_place() -> Self {
        let message = "API_MAX_CONNECTIONS: every connection is taken; a retry may succeed";
        Self::unavailable(vec![message.to_owned()])
    }

    /// 503: `STREAM_MAX_CONNECTIONS` streams are open.
    pub fn too_many_streams() -> Self {
        let message = "STREAM_MAX_CONNECTIONS: every stream is taken; ask for the services instead";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, vec![message.to_owned()])
            .with_header(header::RETRY_AFTER, STREAM_RETRY_AFTER)
    }

    /// 503: the process is about to exit.
    pub fn stopping() -> Self {
        Self::unavailable(vec!["the service is shutting down".to_owned()])
    }

    /// 503: a part of the service is not working; a retry may succeed.
    pub fn unavailable(errors: Vec<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, errors)
            .with_header(header::RETRY_AFTER, RETRY_AFTER)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(header) = &self.header {
            response.insert_header(header.clone());
        }
        response.json(ErrorBody {
            status: self.status.as_u16(),
            status_desc: self.status.canonical_reason().unwrap_or_default().to_owned(),
            errors: self.errors.clone(),
        })
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        let message = error.to_string();
        match error {
            StorageError::NotFound => Self::not_found(),
            StorageError::Invalid(problems) => Self::unprocessable(problems),
            StorageError::Conflict(_) => Self::new(StatusCode::CONFLICT, vec![message]),
            StorageError::Busy => Self::new(StatusCode::TOO_MANY_REQUESTS, vec![message])
                .with_header(header::RETRY_AFTER, RETRY_AFTER),
            StorageError::Unavailable(_) | StorageError::Unreadable(_) => {
                Self::unavailable(vec![message])
            }
        }
    }
}

impl From<MailboxError> for ApiError {
    /// The actor has stopped, so the process is about to exit.
    fn from(_: MailboxError) -> Self {
        Self::stopping()
    }
}
