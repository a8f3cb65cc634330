//! Requests of RDAP and WHOIS over the network, with a limit for each answer.

use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_http::body::None as NoBody;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use url::Url;

use crate::clock::unix_ms;
use crate::domain::Failure;
use crate::domain::service::options::{IpFamily, TlsOptions};
use crate::probe::failure;
use crate::probe::http::client::{self, host, uri};
use crate::probe::http::connection::Connection;
use crate::probe::http::content::Content;
use crate::probe::http::response::{BodyMode, Http1Response};
use crate::probe::http::retry_after;
use crate::probe::http::supplied::with_connection;
use crate::probe::net::dial::{self, Dialled};
use crate::probe::net::policy::Policy;
use crate::probe::net::resolve::Resolver;
use crate::probe::net::tls::{Alpn, Files, TlsConfigs, Trust};
use crate::probe::registry::rdap;

/// Most time for one answer, redirects included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Most redirects that a request follows.
const REDIRECTS_LIMIT: usize = 5;

/// Largest answer of WHOIS, in bytes.
const WHOIS_LIMIT: usize = 256 * 1024;

/// Not `Send`: built inside its arbiter.
pub struct Client {
    pub resolver: Rc<Resolver>,
    pub tls: TlsConfigs,
    pub http: awc::Client,
    /// For the servers that other servers name. Those of the settings, and of the bootstrap file,
    /// may have any address that can be probed at all.
    pub policy: Policy,
    unpacking: Semaphore,
}

/// An answer over HTTP, whatever its status.
#[derive(Debug)]
pub struct HttpAnswer {
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

enum Hop {
    Redirect(String),
    Final(HttpAnswer),
}

impl Client {
    pub fn new(resolver: Rc<Resolver>, trust: Trust, http: awc::Client, policy: Policy) -> Self {
        Self { resolver, tls: TlsConfigs::new(trust), http, policy, unpacking: Semaphore::new(1) }
    }

    /// Gets `url` and follows redirects, except from https to http. A body beyond `limit` bytes is
    /// an error.
    pub async fn get(&self, url: &Url, limit: usize) -> Result<HttpAnswer, String> {
        within_timeout(self.follow(url.clone(), limit)).await
    }

    async fn follow(&self, mut url: Url, limit: usize) -> Result<HttpAnswer, String> {
        let settings = Policy::default();
        for hop in 0..=REDIRECTS_LIMIT {
            let policy = if hop == 0 { &settings } else { &self.policy };
            let answer = self.request(&url, limit, policy).await;
            match answer.map_err(|failure| failure.detail)? {
                Hop::Final(answer) => return Ok(answer),
                Hop::Redirect(location) => {
                    let next =
                        url.join(&location).map_err(|_| "a redirect to no URL".to_owned())?;
                    let is_plain = next.scheme() == "http" && url.scheme() == "http";
                    if next.scheme() != "https" && !is_plain {
                        return Err(format!("a redirect to {}, not to https", next.scheme()));
                    }
                    url = next;
                }
            }
        }
        Err(format!("more than {REDIRECTS_LIMIT} redirects"))
    }

    async fn request(&self, url: &Url, limit: usize, policy: &Policy) -> Result<Hop, Failure> {
        let connection = self.connect(url, policy).await?;
        let (uri, host) = (uri("http", url)?, host(url));
        let request = client::request(&self.http, &Method::GET, uri, host, rdap::ACCEPT)?;
        let sent = with_connection(connection.clone(), request.send_body(NoBody::new())).await;
        let response = sent.map_err(|error| failure::of_request(&error))?;
        let response = Http1Response::new(response, connection, &Method::GET)?;
        let retry_after = response.head().fields.all("retry-after").next();
        let retry_after = retry_after.and_then(|value| str::from_utf8(value).ok());
        let retry_after = retry_after.and_then(|text| retry_after::parse(text, unix_ms()));
        if let Some(location) = response.location() {
            return Ok(Hop::Redirect(location));
        }
        let status = response.head().status.as_u16();
        let content = Content::of(&response.head().fields)?;
        let body = response.read_body(BodyMode::Keep { limit }).await?;
        let body = content.text(body, limit, &self.unpacking).await?;
        Ok(Hop::Final(HttpAnswer { status, retry_after, body }))
    }

    async fn connect(&self, url: &Url, policy: &Policy) -> Result<Connection, Failure> {
        let deadline = Instant::now() + TIMEOUT;
        let found = dial::resolve(&self.resolver, url, IpFamily::Any, deadline).await?;
        let Dialled { stream, .. } =
            dial::connect(&dial::filter_allowed(policy, None, found)?).await?;
        if url.scheme() == "http" {
            return Ok(Connection::plain(stream));
        }
        let options = TlsOptions::default();
        let files = Files::default();
        let handshake =
            self.tls.handshake(&options, &files, Alpn::Http1, url, stream.into()).await?;
        Ok(Connection::tls(handshake.result?))
    }

    /// Sends `question` to a server of WHOIS and reads its answer to the end.
    pub async fn whois(
        &self,
        (host, port): &(String, u16),
        policy: &Policy,
        question: &str,
    ) -> Result<String, String> {
        within_timeout(async {
            let url =
                Url::parse(&format!("http://{host}:{port}/")).map_err(|error| error.to_string())?;
            let answer = self.exchange(&url, policy, question).await;
            answer.map_err(|failure| failure.detail)
        })
        .await
    }

    async fn exchange(
        &self,
        url: &Url,
        policy: &Policy,
        question: &str,
    ) -> Result<String, Failure> {
        let deadline = Instant::now() + TIMEOUT;
        let found = dial::resolve(&self.resolver, url, IpFamily::Any, deadline).await?;
        let Dialled { mut stream, .. } =
            dial::connect(&dial::filter_allowed(policy, None, found)?).await?;
        let sent = stream.write_all(question.as_bytes()).await;
        sent.map_err(|error| failure::of_io("sending the question", &error))?;
        let mut answer = Vec::new();
        let read = stream.take(WHOIS_LIMIT as u64).read_to_end(&mut answer).await;
        read.map_err(|error| failure::of_io("reading the answer", &error))?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

async fn within_timeout<T>(answer: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = || format!("no answer within {TIMEOUT:?}");
    tokio::time::timeout(TIMEOUT, answer).await.unwrap_or_else(|_| Err(late()))
}
