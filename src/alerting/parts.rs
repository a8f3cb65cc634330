//! Requests, before and after their URL is known to be valid, and why there is none.

use http::Method;
use url::Url;

use crate::alerting::template::TemplateError;
use crate::domain::alert::Message;
use crate::probe::exchange::ExchangeRequest;

/// A request, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

impl Request {
    pub fn exchange(&self) -> ExchangeRequest<'_> {
        let Self { method, url, headers, body } = self;
        ExchangeRequest { method, url, headers, body: body.as_deref().map(str::as_bytes) }
    }
}

/// The parts of a request as texts.
pub struct Parts {
    pub method: Method,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

/// The header with which a receiver finds a request that it has had before.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The same for each attempt of one revision, and for no other.
pub fn idempotency_key(message: &Message) -> String {
    format!("{}-{}", message.key, message.revision)
}

/// Why there is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A setting of the channel cannot be used, for this message and all others.
    #[error("{0}")]
    Channel(String),
    #[error("{0}")]
    Message(String),
}

impl From<TemplateError> for RenderError {
    fn from(error: TemplateError) -> Self {
        Self::Message(error.to_string())
    }
}
