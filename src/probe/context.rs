//! The context of one probe, and its steps from a URL to a connection.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::distr::{Alphanumeric, SampleString};
use tokio::net::TcpStream;
use url::Url;

use crate::domain::condition::wildcard::Wildcard;
use crate::domain::secret::url::mask;
use crate::domain::service::bytes_regex::BytesRegex;
use crate::domain::service::options::TlsOptions;
use crate::domain::service::placeholders::{self, Placeholder};
use crate::domain::service::server_url::ServerUrl;
use crate::domain::{
    Body, Condition, Facts, Failure, Options, ProbeDetails, Reason, Requests, Service, Template,
};
use crate::probe::http::connection::Connection;
use crate::probe::net::dial::{self, Dialled};
use crate::probe::net::policy::Policy;
use crate::probe::net::proxy::Proxy;
use crate::probe::net::tls::{self, Alpn};
use crate::probe::net::tls_stream::{TlsStream, Transport};
use crate::probe::resources::Resources;
use crate::probe::timings::{Phase, Timings};
use crate::probe::tls_failure;
use crate::probe::tokens::SharedSlot;

/// How long, at least and at most, a target that requested a client certificate has to refuse it.
const REFUSAL_WAIT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// One running probe.
pub struct ProbeContext<'a> {
    pub resources: &'a Resources,
    pub service: &'a Service,
    /// Which addresses it may dial.
    pub policy: &'a Policy,
    /// The service's own URL, its variables filled in; redirects may lead to others.
    pub url: &'a Url,
    pub timings: &'a Timings,
    /// Local address of the newest connection.
    local_address: Cell<Option<SocketAddr>>,
    /// The token of the newest request to the service's own origin.
    sent_token: RefCell<Option<SentToken>>,
}

/// A token of OAuth 2.0 that was sent to the target.
pub struct SentToken {
    pub slot: SharedSlot,
    /// The header.
    pub authorization: String,
    /// Fetched by this probe.
    pub is_new: bool,
}

impl<'a> ProbeContext<'a> {
    pub fn new(
        resources: &'a Resources,
        (service, policy): (&'a Service, &'a Policy),
        url: &'a Url,
        timings: &'a Timings,
    ) -> Self {
        Self {
            resources,
            service,
            policy,
            url,
            timings,
            local_address: Cell::default(),
            sent_token: RefCell::default(),
        }
    }

    pub fn options(&self) -> &Options {
        &self.service.options
    }

    /// Whether a condition or an expectation of the service reads the body.
    pub fn needs_body(&self) -> bool {
        let expectations = self.options().expectations.as_ref();
        self.service.conditions.iter().any(Condition::needs_body)
            || expectations.is_some_and(|expectations| expectations.needs_body())
    }

    /// Ends the current phase and begins `phase`.
    pub fn enter(&self, phase: Phase) {
        self.timings.enter(phase, Instant::now());
    }

    pub fn update_details(&self, update: impl FnOnce(&mut ProbeDetails)) {
        self.timings.update_details(update);
    }

    /// The text of `template` with its variables filled in.
    pub fn fill(&self, template: &Template) -> Result<String, Failure> {
        let filled = template.fill(&self.resources.rules.variables);
        filled.map_err(|error| Failure::new(Reason::LocalConfig, error.to_string()))
    }

    /// The service's `body` for the connection to its URL, variables and placeholders filled in.
    pub fn text_to_send(&self) -> Result<Option<String>, Failure> {
        let body = self.options().body.as_ref();
        body.map(|body| self.fill_for(&self.fill_text(body)?, self.url)).transpose()
    }

    /// The text of `template` with its variables and the placeholders that are the same for each
    /// connection filled in.
    pub fn fill_text(&self, template: &Template) -> Result<String, Failure> {
        let text = self.fill(template)?;
        let value = |placeholder: Placeholder| match placeholder {
            Placeholder::Random(length) => {
                Some(Alphanumeric.sample_string(&mut rand::rng(), length))
            }
            other => other.value_of(self.service),
        };
        Ok(placeholders::fill(&text, value).map_err(|why| unfilled(&why))?.into_owned())
    }

    /// `text` with the placeholders filled in that depend on the newest connection, which leads to
    /// `url`. Another origin than that of the service receives no secret of the service's URL.
    pub fn fill_for(&self, text: &str, url: &Url) -> Result<String, Failure> {
        let value = |placeholder| match placeholder {
            Placeholder::LocalAddress => self.local_address.get().map(|it| it.to_string()),
            Placeholder::Url => {
                let own = self.service.target.filled_text(&self.resources.rules.variables).ok()?;
                let is_own = url.origin() == self.url.origin();
                Some(if is_own { own } else { mask(&own, Requests::Masked) })
            }
            _ => None,
        };
        Ok(placeholders::fill(text, value).map_err(|why| unfilled(&why))?.into_owned())
    }

    /// Sets the value of `[LOCAL_ADDRESS]`.
    pub fn set_local_address(&self, address: Option<SocketAddr>) {
        self.local_address.set(address);
    }

    /// The pattern `expected` as the detail of a failure shows it.
    pub fn expected_text(&self, expected: &Wildcard) -> String {
        match self.resources.rules.requests {
            Requests::Masked => "the expected text".to_owned(),
            Requests::Shown => format!("\"{expected}\""),
        }
    }

    /// The expression that a line or a message must match, as the detail of a failure shows it.
    pub fn expected_match(&self, regex: &BytesRegex) -> String {
        match self.resources.rules.requests {
            Requests::Masked => "a match of the expression".to_owned(),
            Requests::Shown => format!("a match of {:?}", regex.as_str()),
        }
    }

    /// Whether `body` fulfils the conditions that read it, and there is at least one.
    pub fn body_fulfils_conditions(&self, body: &[u8]) -> bool {
        let mut conditions =
            self.service.conditions.iter().filter(|condition| condition.needs_body()).peekable();
        let facts = Facts { body: Body::new(body.to_vec(), true), ..Facts::default() };
        conditions.peek().is_some() && conditions.all(|condition| condition.judge(&facts).is_ok())
    }

    /// The URL of `server`, its variables filled in.
    pub fn server_url(&self, server: &ServerUrl) -> Result<Url, Failure> {
        let url = server.url(&self.resources.rules.variables);
        url.map_err(|error| Failure::new(Reason::LocalConfig, error.to_string()))
    }

    /// The service's HTTP proxy.
    pub fn proxy(&self) -> Result<Option<Proxy>, Failure> {
        let proxy = self.options().proxy.as_ref();
        proxy.map(|proxy| Ok(Proxy { url: self.server_url(proxy)? })).transpose()
    }

    /// Runs `step`, in which the probe deals with `server` instead of the target; failures name the
    /// server, and end the probe there.
    pub async fn at<T>(
        &self,
        server: &str,
        step: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let before = self.timings.set_server(Some(server.to_owned()));
        let result = step.await.map_err(|failure| {
            Failure::new(failure.reason, format!("{server}: {}", failure.detail))
        })?;
        self.timings.set_server(before);
        Ok(result)
    }

    /// Sets the token of the next request.
    pub fn sent_token(&self, token: SentToken) {
        self.sent_token.replace(Some(token));
    }

    /// Forgets the token, since a redirect led to another origin, which receives none.
    pub fn forget_token(&self) {
        self.sent_token.take();
    }

    /// Records whether the response with `status`, if there was one, accepted the token that was
    /// sent. Returns whether to repeat the request with a newer token.
    pub async fn judge_token(&self, status: Option<u16>) -> bool {
        let Some(sent) = self.sent_token.take() else { return false };
        match status {
            None => false,
            Some(401) if sent.is_new => false,
            Some(401) => sent.slot.lock().await.refuse(&sent.authorization, Instant::now()),
            Some(_) => {
                // A result does not wait while another probe fetches a token.
                if let Ok(mut slot) = sent.slot.try_lock() {
                    slot.accept(&sent.authorization);
                }
                false
            }
        }
    }

    /// Resolves the host of `url` to the addresses that may be dialled, in the order of attempts;
    /// never empty.
    pub async fn resolve(&self, url: &Url) -> Result<Vec<SocketAddr>, Failure> {
        self.enter(Phase::Resolve);
        let is_own = url.host() == self.url.host();
        self.timings.set_lookup(url.host_str().filter(|_| !is_own).map(str::to_owned));
        let server = self.options().resolver;
        // A client of the API can set the name server, so the policy applies to it too.
        let server_address = server.iter().map(|server| server.address).collect();
        dial::filter_allowed(self.policy, None, server_address)?;
        let resolver = self.resources.resolver(server);
        let deadline = self.timings.started() + self.service.timeout.get();
        let found = dial::resolve(&resolver, url, self.options().ip_family, deadline).await?;
        let addresses = dial::filter_allowed(self.policy, url.domain(), found)?;
        self.update_details(|details| details.address = addresses.first().copied());
        Ok(addresses)
    }

    /// Resolves the host of `url` and connects to it over TCP.
    pub async fn connect(&self, url: &Url) -> Result<TcpStream, Failure> {
        let addresses = self.resolve(url).await?;
        self.enter(Phase::Connect);
        let Dialled { stream, peer, local } = dial::connect(&addresses).await?;
        self.set_local_address(local);
        self.update_details(|details| details.address = Some(peer));
        Ok(stream)
    }

    /// Does the TLS handshake with the host of `url`.
    ///
    /// Without a protocol over TLS (`Alpn::None`), no later read would show that the target refuses
    /// the client certificate, so the probe waits for the refusal here.
    pub async fn tls_handshake(
        &self,
        url: &Url,
        stream: impl Into<Transport>,
        alpn: Alpn,
    ) -> Result<TlsStream, Failure> {
        let started = Instant::now();
        let handshake = self.secure(url, stream.into(), alpn).await?;
        // Also of a handshake that failed.
        self.update_details(|details| handshake.certificates.read_details(details));
        self.timings
            .update_report(|report| report.certificates = handshake.certificates.describe());
        let mut stream = handshake.result?;
        self.update_details(|details| details.tls_version = tls::version(stream.session()));
        if alpn == Alpn::Http2 && stream.session().alpn_protocol() != Some(b"h2") {
            let detail = "in the TLS handshake: the server did not agree to HTTP/2 (ALPN)";
            return Err(Failure::new(Reason::Protocol, detail));
        }
        if handshake.certificate_requested && alpn == Alpn::None {
            let took = started.elapsed();
            self.enter(Phase::Processing);
            let waited = wait_for_refusal(&mut stream, took).await;
            waited.map_err(|error| tls_failure::of_tls(&error))?;
        }
        Ok(stream)
    }

    /// A handshake with the host of `url`, without its details.
    async fn secure(
        &self,
        url: &Url,
        stream: Transport,
        alpn: Alpn,
    ) -> Result<tls::Handshake, Failure> {
        self.enter(Phase::Tls);
        let options = self.tls_options_for(url);
        self.timings.set_reads_files(true);
        let files = tls::Files::read_async(&options).await;
        self.timings.set_reads_files(false);
        self.resources.tls.handshake(&options, &files, alpn, url, stream).await
    }

    /// The service's TLS options; for another origin, where a redirect leads, without its client
    /// certificate and server name.
    pub fn tls_options_for(&self, url: &Url) -> Cow<'_, TlsOptions> {
        let options = &self.options().tls;
        if url.origin() == self.url.origin() {
            return Cow::Borrowed(options);
        }
        let anonymous = TlsOptions {
            certificate: None,
            private_key: None,
            server_name: None,
            ..options.clone()
        };
        Cow::Owned(anonymous)
    }

    /// Opens a connection for HTTP to `url`, over TLS unless its scheme is `http`, and through the
    /// service's proxy.
    pub async fn open(&self, url: &Url, alpn: Alpn) -> Result<Connection, Failure> {
        let transport = match self.proxy()? {
            None => self.connect(url).await?.into(),
            Some(proxy) => Box::pin(self.open_tunnel(&proxy, url)).await?,
        };
        if url.scheme() == "http" {
            return Ok(Connection::over(transport));
        }
        let handshake = Box::pin(self.tls_handshake(url, transport, alpn));
        Ok(Connection::tls(handshake.await?))
    }

    /// Opens a connection to `proxy`, which is to forward requests for `url`.
    pub async fn open_proxy(&self, proxy: &Proxy, url: &Url) -> Result<Transport, Failure> {
        dial::check_written(self.policy, url)?;
        let connected = async {
            self.update_details(|details| details.via_proxy = true);
            let stream = self.connect(&proxy.url).await?;
            if proxy.url.scheme() == "http" {
                return Ok(Transport::Tcp(stream));
            }
            let handshake = self.secure(&proxy.url, stream.into(), Alpn::Http1).await?;
            Ok(Transport::Tls(Box::new(handshake.result?)))
        };
        self.at(&proxy.name(), connected).await
    }

    /// Opens a tunnel through `proxy` to host and port of `url`.
    async fn open_tunnel(&self, proxy: &Proxy, url: &Url) -> Result<Transport, Failure> {
        let mut transport = self.open_proxy(proxy, url).await?;
        self.enter(Phase::Connect);
        self.at(&proxy.name(), proxy.request_tunnel(&mut transport, url)).await?;
        Ok(transport)
    }
}

/// A text that cannot be sent with its placeholders filled in.
fn unfilled(why: &placeholders::FilledTooLong) -> Failure {
    Failure::new(Reason::LocalConfig, format!("a text to send has {why}"))
}

/// Waits twice as long as the handshake `took` for an alert that refuses the client certificate.
async fn wait_for_refusal(stream: &mut TlsStream, took: Duration) -> std::io::Result<()> {
    let (min, max) = REFUSAL_WAIT;
    let wait = tokio::time::timeout((took * 2).clamp(min, max), stream.readable());
    wait.await.unwrap_or(Ok(()))
}
