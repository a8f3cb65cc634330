//! One request over HTTP, with the client of alerting.

use std::sync::Arc;
use std::time::Duration;

use ::http::Method;
use url::Url;

use crate::alerting::dialer::Dialer;
use crate::alerting::http;
use crate::alerting::{ClientOptions, describe, safe_error};
use crate::probe::exchange::{ExchangeClient, ExchangeRequest};
use crate::probe::net::policy::Policy;
use crate::probe::net::resolver_health::ResolverHealth;
use crate::probe::net::tls::Trust;
use crate::relay::response::{Verdict, judge};
use crate::remote;
use crate::remote::WriteRequest;

/// For one request, the look-up and the answer included.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Which receiver, and how it is reached.
#[derive(Debug, Clone)]
pub struct Receiver {
    pub url: Url,
    pub token: Option<String>,
    pub trust: Trust,
    pub resolver_health: Arc<ResolverHealth>,
}

/// Not `Send`: built inside its arbiter.
pub struct Sender {
    dialer: Dialer,
    exchanges: ExchangeClient,
    client: ClientOptions,
    url: Url,
    headers: Vec<(String, String)>,
    /// No error may show them.
    secrets: Vec<String>,
}

/// Result of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    pub verdict: Verdict,
    /// What the receiver said, or why there is no answer.
    pub detail: String,
}

impl Sender {
    pub fn new(receiver: Receiver) -> Self {
        let Receiver { url, token, trust, resolver_health } = receiver;
        let mut headers = vec![
            ("Content-Type", remote::MEDIA_TYPE.to_owned()),
            ("Content-Encoding", remote::CODING.to_owned()),
            ("X-Prometheus-Remote-Write-Version", "0.1.0".to_owned()),
        ];
        headers.extend(token.as_ref().map(|token| ("Authorization", format!("Bearer {token}"))));
        Self {
            // Only the operator can set the URL.
            dialer: Dialer::new(Policy::default(), trust, resolver_health),
            exchanges: ExchangeClient::new(),
            client: ClientOptions { timeout: TIMEOUT, ..ClientOptions::default() },
            url,
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            secrets: token.into_iter().collect(),
        }
    }

    pub async fn send(&self, request: &WriteRequest) -> Reply {
        let body = match remote::pack(request) {
            Ok(body) => body,
            Err(error) => {
                return Reply { verdict: Verdict::Refused, detail: error.to_string() };
            }
        };
        let exchange = ExchangeRequest {
            method: &Method::POST,
            url: &self.url,
            headers: &self.headers,
            body: Some(&body),
        };
        let sent = http::send(&self.dialer, &self.exchanges, &exchange, &self.client, None).await;
        let (verdict, detail) = match sent {
            Ok((answer, _)) => (judge(answer.status, answer.retry_after), describe(&answer)),
            Err(failure) => (Verdict::Failed { retry_after: None }, failure.detail),
        };
        Reply { verdict, detail: safe_error(&detail, &self.secrets) }
    }
}
