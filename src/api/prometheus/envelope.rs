//! Prometheus's envelope.

use actix_web::body::{BodyStream, BoxBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError, web};
use serde_json::json;

use crate::api::error::ApiError;
use crate::promql::{EvalError, ParseError};

use super::body::{Body, MAX_ANSWER};

/// The result of a handler.
pub type PrometheusResult = Result<HttpResponse, PrometheusError>;

/// An error response.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct PrometheusError {
    status: StatusCode,
    /// `errorType`
    kind: &'static str,
    message: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl PrometheusError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into(), header: None }
    }

    /// 400: a parameter is invalid.
    pub fn bad_data(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_data", message)
    }

    /// 400: the value of the parameter `name` is invalid.
    pub fn invalid(name: &str, why: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {name:?}: {why}"))
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "no such path of the API of Prometheus")
    }

    /// 503: too many queries wait already.
    pub fn busy() -> Self {
        let message = "too many queries are under way; a retry may succeed";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// 422: the answer is larger than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        let message = format!("the answer is larger than {limit} bytes");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "execution", message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }
}

impl ResponseError for PrometheusError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let body = json!({"status": "error", "errorType": self.kind, "error": self.message});
        let mut response = HttpResponse::build(self.status);
        if let Some(header) = &self.header {
            response.insert_header(header.clone());
        }
        response.content_type(ContentType::json()).body(body.to_string())
    }
}

impl From<EvalError> for PrometheusError {
    fn from(error: EvalError) -> Self {
        let (status, kind) = match error {
            EvalError::Execution(_) | EvalError::TooManySamples(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "execution")
            }
            EvalError::TimedOut => (StatusCode::SERVICE_UNAVAILABLE, "timeout"),
            EvalError::Canceled => (StatusCode::SERVICE_UNAVAILABLE, "canceled"),
            EvalError::Source(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        Self::new(status, kind, error.to_string())
    }
}

impl From<ParseError> for PrometheusError {
    fn from(error: ParseError) -> Self {
        Self::invalid("query", error)
    }
}

impl From<ApiError> for PrometheusError {
    /// Of the guard, and of reading a body.
    fn from(error: ApiError) -> Self {
        let status = error.status_code();
        let kind = match status {
            StatusCode::UNAUTHORIZED => "unauthorized",
            StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => "forbidden",
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            _ => "bad_data",
        };
        let header = error.header().cloned();
        Self { header, ..Self::new(status, kind, error.errors().join("; ")) }
    }
}

/// 200 with a JSON text as `data`, and what was noted about it.
pub fn success(data: &str, warnings: &[String]) -> HttpResponse {
    let warnings = match warnings {
        [] => String::new(),
        warnings => format!(",\"warnings\":{}", json!(warnings)),
    };
    let body = format!("{{\"status\":\"success\",\"data\":{data}{warnings}}}");
    HttpResponse::Ok().content_type(ContentType::json()).body(body)
}

/// 200 with a body that is written while it is sent, or why it is too large.
pub async fn streamed(body: Body) -> PrometheusResult {
    // Counts the bytes of a large body.
    let counted = web::block(move || (body.fits(MAX_ANSWER), body)).await;
    let (fits, body) = counted.map_err(|error| PrometheusError::internal(error.to_string()))?;
    if !fits {
        return Err(PrometheusError::too_large(MAX_ANSWER));
    }
    let mut response = HttpResponse::Ok();
    response.content_type(ContentType::json());
    Ok(match body.short() {
        Some(text) => response.body(text),
        None => response.body(BodyStream::new(body)),
    })
}
