//! The one shape of every error, and which status belongs to what (contract, "Envelope").

use std::fmt;
use std::time::Duration;

use actix::MailboxError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::Invalid;
use crate::storage::StorageError;

/// Seconds after which a client may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// The body of an error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// The HTTP status once more.
    #[schema(example = 404)]
    status: u16,
    /// Its standard reason phrase.
    #[schema(example = "Not Found")]
    status_desc: String,
    /// One sentence a problem, each naming the field it is about.
    #[schema(example = json!(["record not found"]))]
    errors: Vec<String>,
}

/// An answer that is an error.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    errors: Vec<String>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl ApiError {
    fn new(status: StatusCode, errors: Vec<String>) -> Self {
        Self { status, errors, header: None }
    }

    fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// 400: the request itself is not well-formed.
    pub fn bad_request(errors: Vec<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, errors)
    }

    /// 401: no token, or a wrong one.
    pub fn unauthorized() -> Self {
        let errors =
            vec!["authorization: a write needs `Authorization: Bearer` with the API token".into()];
        Self::new(StatusCode::UNAUTHORIZED, errors)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 401: the token of a heartbeat is missing or wrong.
    pub fn wrong_heartbeat_token() -> Self {
        let errors = vec!["authorization: a heartbeat needs the token of its service".into()];
        Self::new(StatusCode::UNAUTHORIZED, errors)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 429: this cannot be done now, and soon can.
    pub fn busy(told: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, vec![told.to_owned()])
            .with(header::RETRY_AFTER, RETRY_AFTER)
    }

    /// 403: nobody may do this here.
    pub fn forbidden() -> Self {
        let errors = vec![
            "authorization: without API_TOKEN, writes are allowed only while API_HOST is a loopback address".into(),
        ];
        Self::new(StatusCode::FORBIDDEN, errors)
    }

    /// 404: no such route or record.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, vec![StorageError::NotFound.to_string()])
    }

    /// 404: the service has no objective.
    pub fn no_slo() -> Self {
        let errors = vec!["slo: this service has none; set slo.target and slo.window".to_owned()];
        Self::new(StatusCode::NOT_FOUND, errors)
    }

    /// 405: the route is there, for the methods of `allowed`.
    pub fn method_not_allowed(allowed: &'static str) -> Self {
        let errors = vec![format!("method: not allowed here; allowed are {allowed}")];
        Self::new(StatusCode::METHOD_NOT_ALLOWED, errors)
            .with(header::ALLOW, HeaderValue::from_static(allowed))
    }

    /// 408: a body that did not come.
    pub fn request_timeout(limit: Duration) -> Self {
        let errors = vec![format!("body: not complete within {limit:?}")];
        Self::new(StatusCode::REQUEST_TIMEOUT, errors)
            .with(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// 413: a body of more than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        let errors = vec![format!("body: larger than {limit} bytes")];
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, errors)
    }

    /// 415: a body that is not JSON.
    pub fn unsupported_media_type(found: &str) -> Self {
        let errors = vec![Invalid::quoted(found, "application/json").of("content-type")];
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, errors)
    }

    /// 422: well-formed, but not acceptable.
    pub fn unprocessable(errors: Vec<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, errors)
    }

    /// 503: this does not work now.
    pub fn unavailable(errors: Vec<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, errors).with(header::RETRY_AFTER, RETRY_AFTER)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.errors.join("; "))
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
        let said = error.to_string();
        match error {
            StorageError::NotFound => Self::not_found(),
            StorageError::Invalid(problems) => Self::unprocessable(problems),
            StorageError::Conflict(_) => Self::new(StatusCode::CONFLICT, vec![said]),
            StorageError::Busy => Self::new(StatusCode::TOO_MANY_REQUESTS, vec![said])
                .with(header::RETRY_AFTER, RETRY_AFTER),
            StorageError::Unavailable(_) | StorageError::Unreadable(_) => {
                Self::unavailable(vec![said])
            }
        }
    }
}

impl From<MailboxError> for ApiError {
    /// The actor has gone: the process is about to end.
    fn from(_: MailboxError) -> Self {
        Self::unavailable(vec!["the service is shutting down".to_owned()])
    }
}
