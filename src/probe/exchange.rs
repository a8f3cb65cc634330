//! One HTTP/1.1 exchange outside of a probe, over a connection of the caller. No redirect is
//! followed.

use std::time::Duration;

use actix_http::body::None as NoBody;
use http::Method;
use tokio::time::Instant;
use url::Url;

use crate::clock::unix_ms;
use crate::domain::Failure;
use crate::probe::failure;
use crate::probe::http::client::{self, host, uri};
use crate::probe::http::connection::Connection;
use crate::probe::http::request::header_value;
use crate::probe::http::response::Http1Response;
use crate::probe::http::retry_after;
use crate::probe::http::supplied::with_connection;
use crate::probe::net::tls_stream::Transport;

/// Sends requests. Not `Send`: built inside its arbiter.
pub struct ExchangeClient(awc::Client);

/// What is sent.
pub struct ExchangeRequest<'e> {
    pub method: &'e Method,
    pub url: &'e Url,
    pub headers: &'e [(String, String)],
    pub body: Option<&'e [u8]>,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct ExchangeAnswer {
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The target of a redirect.
    pub location: Option<String>,
    /// The begin of the body.
    pub body: Vec<u8>,
    /// Whether more should have come.
    pub is_cut: bool,
}

impl ExchangeClient {
    pub fn new() -> Self {
        Self(client::new())
    }

    /// Sends `request` over `transport` and reads at most `body_limit` bytes of the answer's body.
    /// A body that is incomplete at the deadline is cut, and no failure; the caller limits the time
    /// until the head.
    pub async fn run(
        &self,
        transport: Transport,
        request: &ExchangeRequest<'_>,
        deadline: Instant,
        body_limit: usize,
    ) -> Result<ExchangeAnswer, Failure> {
        let response = self.head(transport, request).await?;
        let fields = &response.head().fields;
        let retry_after = fields.all("retry-after").next();
        let retry_after = retry_after.and_then(|value| str::from_utf8(value).ok());
        let retry_after = retry_after.and_then(|text| retry_after::parse(text, unix_ms()));
        let (status, location) = (response.head().status.as_u16(), response.location());
        let mut body = Vec::new();
        let read = response.read_begin(body_limit, &mut body);
        let is_cut = !tokio::time::timeout_at(deadline, read).await.unwrap_or(false);
        Ok(ExchangeAnswer { status, retry_after, location, body, is_cut })
    }

    async fn head(
        &self,
        transport: Transport,
        request: &ExchangeRequest<'_>,
    ) -> Result<Http1Response, Failure> {
        let ExchangeRequest { method, url, headers, body } = request;
        let connection = Connection::over(transport);
        // The scheme keeps awc from a second TLS handshake.
        let uri = uri("http", url)?;
        let mut request = client::request(&self.0, method, uri, host(url), "*/*")?;
        for (name, value) in *headers {
            request = request.insert_header((name.as_str(), header_value(value.as_bytes())?));
        }
        let expects_body = matches!(**method, Method::POST | Method::PUT | Method::PATCH);
        let sent = match body.or(expects_body.then_some(&[][..])) {
            None => with_connection(connection.clone(), request.send_body(NoBody::new())).await,
            Some(body) => {
                with_connection(connection.clone(), request.send_body(body.to_owned())).await
            }
        };
        let response = sent.map_err(|error| failure::of_request(&error))?;
        Http1Response::new(response, connection, method)
    }
}

impl Default for ExchangeClient {
    fn default() -> Self {
        Self::new()
    }
}
