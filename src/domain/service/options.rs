//! What else a service can say of how it is asked and judged. Most services say nothing and share one value.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::Interval;
use crate::domain::condition::wildcard::Wildcard;
use crate::domain::history::slo::Slo;
use crate::domain::service::template::Template;

/// Redirects that are followed when nothing is said (contract, "Up or down").
pub const MAX_REDIRECTS: u32 = 10;

/// Most of a body that is read when nothing is said, in bytes.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// Everything a service can say beyond its name, its target and its times.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The method of a request; GET when nothing is said.
    pub method: Option<String>,
    /// Headers of a request, in order.
    pub headers: Vec<(String, Template)>,
    /// What is sent: the body of a request, the text over TCP or TLS, the message over a WebSocket.
    pub body: Option<Template>,
    /// Credentials of a request.
    pub basic_auth: Option<BasicAuth>,
    /// The token of a request.
    pub bearer_token: Option<Template>,
    /// Whether redirects are followed; otherwise a redirect itself is judged.
    pub follows_redirects: bool,
    /// How many are followed.
    pub max_redirects: u32,
    /// The version of HTTP that the target must speak.
    pub http_version: Option<HttpVersion>,
    /// Most of a body that is read, in bytes.
    pub body_limit: usize,
    /// What TCP, TLS or a WebSocket must answer somewhere.
    pub expect: Option<Wildcard>,
    /// How TLS is spoken.
    pub tls: TlsOptions,
    /// Which addresses of a name are used.
    pub ip_family: IpFamily,
    /// The name server that is asked in place of the system's.
    pub resolver: Option<NameServer>,
    /// What a name server is asked.
    pub dns: Option<DnsQuestion>,
    /// The service that gRPC's health service is asked for; empty means the whole server.
    pub grpc_service: Option<String>,
    /// How the watched job reports by itself.
    pub heartbeat: Option<Heartbeat>,
    /// How many results in a row make an event.
    pub thresholds: Thresholds,
    /// What uptime was promised.
    pub slo: Option<Slo>,
}

impl Options {
    /// The value of every service that says nothing.
    pub fn none() -> Arc<Self> {
        static NONE: LazyLock<Arc<Options>> = LazyLock::new(Arc::default);
        Arc::clone(&NONE)
    }

    /// Redirects that are followed; with 0, a redirect itself is judged.
    pub fn redirects_followed(&self) -> u32 {
        if self.follows_redirects { self.max_redirects } else { 0 }
    }

    /// Every template of it.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let basic = self.basic_auth.iter().flat_map(|auth| [&auth.username, &auth.password]);
        let heartbeat = self.heartbeat.iter().map(|heartbeat| &heartbeat.token);
        let headers = self.headers.iter().map(|(_, value)| value);
        headers.chain(&self.body).chain(&self.bearer_token).chain(basic).chain(heartbeat)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: None,
            headers: Vec::new(),
            body: None,
            basic_auth: None,
            bearer_token: None,
            follows_redirects: true,
            max_redirects: MAX_REDIRECTS,
            http_version: None,
            body_limit: BODY_LIMIT,
            expect: None,
            tls: TlsOptions::default(),
            ip_family: IpFamily::Any,
            resolver: None,
            dns: None,
            grpc_service: None,
            heartbeat: None,
            thresholds: Thresholds::default(),
            slo: None,
        }
    }
}

/// Basic authentication (RFC 7617).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicAuth {
    /// Who.
    pub username: Template,
    /// The password.
    pub password: Template,
}

/// How TLS is spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TlsOptions {
    /// Whether any certificate will do.
    pub insecure: bool,
    /// The only authorities that are trusted, in place of the system's.
    pub ca: Option<Pem>,
    /// The certificate that is shown to the target, with its chain.
    pub certificate: Option<Pem>,
    /// The key of `certificate`.
    pub private_key: Option<Pem>,
    /// The name that the certificate must be for, in place of the host.
    pub server_name: Option<String>,
    /// The least version that is spoken.
    pub min_version: Option<TlsVersion>,
}

/// A text in PEM (RFC 7468).
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Pem {
    /// The text itself.
    Text(String),
    /// The path of a file that has it.
    File(String),
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("***"),
            Self::File(path) => f.write_str(path),
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
    /// TLS 1.2, the least that is ever spoken.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl std::fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

/// Which addresses of a name are used, in Gatus's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpFamily {
    /// Those of both families, raced.
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// A name server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NameServer {
    /// Where it is.
    pub address: SocketAddr,
    /// Whether it is asked over TCP.
    pub over_tcp: bool,
}

/// A question to a name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsQuestion {
    /// The name that is asked for.
    pub name: String,
    /// The type of its records.
    pub kind: RecordKind,
    /// What must be answered, in any order; empty means anything.
    pub expected: Vec<String>,
}

/// The type of a DNS record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordKind(usize);

impl RecordKind {
    const WORDS: [&'static str; 10] =
        ["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT", "CAA"];

    /// The type of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().position(|known| known.eq_ignore_ascii_case(word)).map(Self)
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        Self::WORDS[self.0]
    }
}

/// How a watched job reports by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// What it shows to be let in.
    pub token: Template,
    /// How long after its interval it counts as late.
    pub grace: Duration,
}

/// How many results in a row make an event, and how soon a failure is confirmed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Failures in a row that make a downtime.
    pub failure: u32,
    /// Successes in a row that end one.
    pub success: u32,
    /// Time until a failure is looked at again, while it is not confirmed.
    pub confirm_interval: Option<Interval>,
}

impl Thresholds {
    /// Time until an unconfirmed failure is looked at again, when the service does not say.
    pub const CONFIRM_AFTER: Duration = Duration::from_secs(1);

    /// Time until an unconfirmed failure is looked at again.
    pub fn confirm_after(&self) -> Duration {
        self.confirm_interval.map_or(Self::CONFIRM_AFTER, Interval::get)
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { failure: 1, success: 1, confirm_interval: None }
    }
}
