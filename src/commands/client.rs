//! Requests to the API of the running service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix_rt::System;
use awc::http::Method;
use serde_json::Value;

use crate::config::Config;
use crate::error::Error;
use crate::probe::net::tls::accepting_client;

/// Longest wait for a response; a test of a channel takes up to 10 s.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Largest response, in bytes.
const RESPONSE_LIMIT: usize = 64 * 1024 * 1024;

/// The API of the service that the configuration describes, on this machine.
pub struct Client<'c> {
    config: &'c Config,
    base: String,
}

impl<'c> Client<'c> {
    pub fn new(config: &'c Config) -> Self {
        let address = SocketAddr::new(connect_address(config.api.host), config.api.port);
        Self { config, base: format!("{}://{address}", config.api.scheme()) }
    }

    pub fn get(&self, path: &str) -> Result<Value, Error> {
        self.request(Method::GET, path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.request(Method::POST, path, Some(body))
    }

    pub fn delete(&self, path: &str) -> Result<Value, Error> {
        self.request(Method::DELETE, path, None)
    }

    /// `data` of the response; null for one without a body. The error has the messages of the API.
    fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let url = format!("{}{path}", self.base);
        let failed = |why: &dyn std::fmt::Display| Error::Failed(format!("{url}: {why}"));
        let received = System::new().block_on(async {
            let client = http_client(TIMEOUT)?;
            let mut request = client.request(method, &url);
            if let Some(token) = &self.config.api.token {
                request = request.bearer_auth(token.reveal());
            }
            let sent = match body {
                Some(body) => request.send_json(body).await,
                None => request.send().await,
            };
            let mut response = sent.map_err(|error| failed(&error))?;
            let body = response.body().limit(RESPONSE_LIMIT).await;
            let body = body.map_err(|error| failed(&error))?;
            Ok::<_, Error>((response.status(), body))
        });
        let (status, body) = received?;
        let mut body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            return Ok(body["data"].take());
        }
        let errors = body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let errors: Vec<&str> = errors.iter().filter_map(Value::as_str).collect();
        if errors.is_empty() { Err(failed(&status)) } else { Err(Error::Failed(errors.join("\n"))) }
    }
}

/// A client of the service on this machine, whose certificate has the name that others use.
pub fn http_client(timeout: Duration) -> Result<awc::Client, Error> {
    let tls = accepting_client().map_err(Error::Failed)?;
    let connector = awc::Connector::new().rustls_0_23(Arc::new(tls));
    Ok(awc::Client::builder().connector(connector).timeout(timeout).finish())
}

/// Where a client on this machine reaches a server that listens on `host`.
pub fn connect_address(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}
