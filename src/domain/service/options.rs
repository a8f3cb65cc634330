//! Optional settings of a service. Most services set none and share one value.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::Method;

use crate::domain::alert::rule::{AlertRule, Degraded};
use crate::domain::condition::wildcard::Wildcard;
use crate::domain::history::slo::Slo;
use crate::domain::service::bytes_regex::BytesRegex;
use crate::domain::service::dns_question::DnsQuestion;
use crate::domain::service::expectations::Expectations;
use crate::domain::service::labels::Labels;
use crate::domain::service::server_url::ServerUrl;
use crate::domain::service::starttls::StartTlsProtocol;
use crate::domain::service::template::Template;
use crate::domain::service::thresholds::Thresholds;

/// Redirects that are followed by default (contract, "Up or down").
pub const MAX_REDIRECTS: u32 = 10;

/// Most bytes of a body that are read by default.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// The fields of a service beyond name, target, interval, timeout and conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// GET by default.
    pub method: Option<Method>,
    /// Request headers, in order.
    pub headers: Vec<(String, Template)>,
    /// Request body, text sent over TCP or TLS, or WebSocket message.
    pub body: Option<Template>,
    /// The body is a GraphQL query, sent in JSON.
    pub graphql: bool,
    pub basic_auth: Option<BasicAuth>,
    pub bearer_token: Option<Template>,
    /// Instead of `basic_auth`, `bearer_token` and a header `Authorization`.
    pub oauth2: Option<Box<ClientCredentials>>,
    /// HTTP proxy for the target and for the token endpoint of `oauth2`.
    pub proxy: Option<ServerUrl>,
    /// Without it, the redirect itself is judged.
    pub follows_redirects: bool,
    pub max_redirects: u32,
    /// The version of HTTP that the target must speak.
    pub http_version: Option<HttpVersion>,
    /// Most bytes of a body that are read.
    pub body_limit: usize,
    /// A pattern that must occur in the response over TCP, TLS or WebSocket.
    pub expect: Option<Wildcard>,
    /// What modules of blackbox_exporter have, and no field of a service.
    pub of_module: Option<Box<ModuleOptions>>,
    /// Of an HTTP response.
    pub expectations: Option<Box<Expectations>>,
    pub tls: TlsOptions,
    /// The protocol that is upgraded to TLS; by the port when not set.
    pub starttls_protocol: Option<StartTlsProtocol>,
    pub ip_family: IpFamily,
    /// Name server instead of those of the system.
    pub resolver: Option<NameServer>,
    pub dns: Option<DnsQuestion>,
    /// Arguments of a plugin.
    pub args: Vec<Template>,
    /// Service name for the gRPC health check; empty means the whole server.
    pub grpc_service: Option<String>,
    pub heartbeat: Option<Heartbeat>,
    pub thresholds: Thresholds,
    pub slo: Option<Slo>,
    /// On `/metrics`.
    pub labels: Labels,
    /// `None`: policies apply. Empty: nothing is reported.
    pub alerts: Option<Arc<[AlertRule]>>,
    /// Full names of the services without which this one cannot be up: `group/name`, or `name` of
    /// one without a group.
    pub depends_on: Vec<String>,
    pub degraded: Option<Degraded>,
    /// Days before the expiry of the certificate at which an alert is signalled, descending; `None`
    /// for [`CERTIFICATE_DAYS`](crate::domain::alert::CERTIFICATE_DAYS).
    pub certificate_days: Option<Vec<u16>>,
}

impl Options {
    /// The shared value of services without options.
    pub fn none() -> Arc<Self> {
        static NONE: LazyLock<Arc<Options>> = LazyLock::new(Arc::default);
        Arc::clone(&NONE)
    }

    /// The dialogue of a module; empty without one.
    pub fn dialogue(&self) -> &[DialogueStep] {
        self.of_module.as_ref().map_or(&[], |module| module.dialogue.as_slice())
    }

    /// Most redirects that are followed; with 0, the redirect itself is judged.
    pub fn redirects_followed(&self) -> u32 {
        if self.follows_redirects { self.max_redirects } else { 0 }
    }

    /// All templates, to find the variables that they name.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let basic = self.basic_auth.iter().flat_map(|auth| [&auth.username, &auth.password]);
        let heartbeat = self.heartbeat.iter().map(|heartbeat| &heartbeat.token);
        let headers = self.headers.iter().map(|(_, value)| value);
        let oauth2 = self.oauth2.iter().flat_map(|oauth2| {
            [oauth2.token_url.template(), &oauth2.client_id, &oauth2.client_secret]
        });
        let proxy = self.proxy.iter().map(ServerUrl::template);
        let all =
            headers.chain(&self.body).chain(&self.args).chain(&self.bearer_token).chain(basic);
        all.chain(heartbeat).chain(oauth2).chain(proxy)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: None,
            headers: Vec::new(),
            body: None,
            graphql: false,
            basic_auth: None,
            bearer_token: None,
            oauth2: None,
            proxy: None,
            follows_redirects: true,
            max_redirects: MAX_REDIRECTS,
            http_version: None,
            body_limit: BODY_LIMIT,
            expect: None,
            of_module: None,
            expectations: None,
            tls: TlsOptions::default(),
            starttls_protocol: None,
            ip_family: IpFamily::Any,
            resolver: None,
            dns: None,
            args: Vec::new(),
            grpc_service: None,
            heartbeat: None,
            thresholds: Thresholds::default(),
            slo: None,
            labels: Labels::default(),
            alerts: None,
            depends_on: Vec::new(),
            degraded: None,
            certificate_days: None,
        }
    }
}

/// What a module of blackbox_exporter may require of a probe.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModuleOptions {
    /// What is expected and sent over TCP or TLS, and what is received over a WebSocket.
    pub dialogue: Vec<DialogueStep>,
    /// The question is sent over TCP.
    pub is_dns_over_tcp: bool,
    /// The name server is not asked to query others.
    pub has_no_recursion: bool,
    /// Time to live of a ping, or its hop limit.
    pub ttl: Option<u8>,
}

/// A part of a dialogue. What it has is done in the order of the fields.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DialogueStep {
    /// Lines are read until one matches; over a WebSocket, messages.
    pub expect: Option<BytesRegex>,
    /// Is sent with a line end. `${1}` stands for a group of the match.
    pub send: Option<String>,
    /// The connection is upgraded to TLS.
    pub upgrades: bool,
}

/// Basic authentication (RFC 7617).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicAuth {
    pub username: Template,
    pub password: Template,
}

/// The client credentials grant of OAuth 2.0 (RFC 6749, section 4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    pub token_url: ServerUrl,
    pub client_id: Template,
    pub client_secret: Template,
    /// Empty requests the server's default scope.
    pub scopes: Vec<String>,
}

/// TLS settings of a probe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TlsOptions {
    /// Any certificate is valid.
    pub insecure: bool,
    /// Trusted certificates instead of those of the system.
    pub ca: Option<Pem>,
    /// Client certificate with its chain.
    pub certificate: Option<Pem>,
    /// The key of `certificate`.
    pub private_key: Option<Pem>,
    /// Server name instead of the host: sent as SNI, and the certificate must be valid for it.
    pub server_name: Option<String>,
    pub min_version: Option<TlsVersion>,
}

impl TlsOptions {
    /// The files that are read for each probe.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let all = [&self.ca, &self.certificate, &self.private_key];
        all.into_iter().flatten().filter_map(|pem| match pem {
            Pem::File(path) => Some(path),
            Pem::Text(_) => None,
        })
    }
}

/// Certificates or a key in PEM (RFC 7468).
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Pem {
    Text(String),
    File(PathBuf),
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("***"),
            Self::File(path) => path.fmt(f),
        }
    }
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    Http10,
    Http11,
    Http2,
}

impl HttpVersion {
    const ALL: [Self; 3] = [Self::Http10, Self::Http11, Self::Http2];

    /// The version that [`as_str`](Self::as_str) writes as `text`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
        }
    }

    /// The value of the metric `probe_http_version`.
    pub fn number(self) -> f64 {
        match self {
            Self::Http10 => 1.0,
            Self::Http11 => 1.1,
            Self::Http2 => 2.0,
        }
    }
}

/// A version of TLS, displayed as `TLS 1.3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsVersion {
    /// The lowest version that probes use.
    Tls12,
    Tls13,
}

impl TlsVersion {
    pub const ALL: [Self; 2] = [Self::Tls12, Self::Tls13];

    /// The version that [`as_str`](Self::as_str) writes as `text`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which addresses of a name are dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpFamily {
    /// Both families race.
    Any,
    V4,
    V6,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NameServer {
    pub address: SocketAddr,
    /// Queries go over TCP instead of UDP.
    pub over_tcp: bool,
}

/// Least length of a token that a client shows, in bytes.
pub const TOKEN_MIN_LENGTH: usize = 16;

/// How a watched job (`push://`) reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    pub token: Template,
    /// Time after the interval until the heartbeat is late.
    pub grace: Duration,
    /// No heartbeat is late; the state is the one that was reported last.
    pub is_optional: bool,
}

impl Heartbeat {
    /// Stands for a wait without end: a hundred years.
    const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

    /// Longest time between two heartbeats that are not late.
    pub fn timeout(&self, interval: Duration) -> Duration {
        if self.is_optional { Self::NEVER } else { interval + self.grace }
    }
}
