//! Settings of the API.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::{Host, Url};

use crate::config::reader::Reader;
use crate::config::secret::Secret;
use crate::config::variable::{Section, Variable};
use crate::domain::service::options::TOKEN_MIN_LENGTH;
use crate::probe::net::policy::parse_networks;

const PORT: Variable = Variable::new(
    "API_PORT",
    "9999",
    "a port from 0 to 65535",
    "port of the API; 0 selects a free port, which the log names",
);
const HOST: Variable = Variable::new(
    "API_HOST",
    "127.0.0.1",
    "an IP address or localhost",
    "address that the API listens on",
);
const DOMAIN: Variable = Variable::new(
    "API_DOMAIN",
    "localhost",
    "a host name or IP address",
    "name under which users reach the API, in the `Host` header and in the example request of the \
     log",
);
const HOSTS: Variable = Variable::optional(
    "API_HOSTS",
    "host names or IP addresses, separated by commas",
    "further names under which clients reach the API, such as the name of a container; a request \
     without a token whose `Host` is none of them, of API_DOMAIN and of this machine is refused",
);
const TOKEN: Variable = Variable::optional(
    "API_TOKEN",
    "at least 16 visible ASCII characters without spaces",
    "token of `Authorization: Bearer` with every scope; without it, writes without a token are \
     allowed only while API_HOST is a loopback address",
)
.secret();
const READ: Variable = Variable::optional(
    "API_READ",
    "open or token",
    "whether reads need a token; health and the status of readiness never do; default: open while \
     API_HOST is a loopback address, token otherwise",
);
pub const TLS_CERTIFICATE: Variable = Variable::optional(
    "API_TLS_CERTIFICATE_FILE",
    "a file name",
    "PEM file of the certificate of the API, followed by its chain: the API then speaks TLS only; \
     the file is read again once a minute and on SIGHUP",
);
pub const TLS_KEY: Variable = Variable::optional(
    "API_TLS_KEY_FILE",
    "a file name, together with API_TLS_CERTIFICATE_FILE",
    "PEM file of its private key, which must not be encrypted",
);
const CORS_ORIGINS: Variable = Variable::optional(
    "API_CORS_ORIGINS",
    "origins such as https://grafana.example.org, separated by commas",
    "origins whose pages may read responses of the API in browsers",
);
const TRUSTED_PROXIES: Variable = Variable::optional(
    "API_TRUSTED_PROXIES",
    "networks or addresses such as 10.0.0.0/8, separated by commas",
    "reverse proxies whose last `X-Forwarded-For` is the address of the client in the audit, and \
     whose `X-Forwarded-Proto` says whether the client uses TLS",
);
const BODY_LIMIT: Variable = Variable::new(
    "API_BODY_LIMIT_BYTES",
    "262144",
    "a number from 1 to 67108864",
    "largest request body",
);
pub const MAX_CONNECTIONS: Variable = Variable::new(
    "API_MAX_CONNECTIONS",
    "512",
    "a number from 1 to 1000000",
    "most concurrent connections to the API; 64 more are kept for health and readiness",
);
pub const STREAMS: Variable = Variable::new(
    "STREAM_MAX_CONNECTIONS",
    "192",
    "a number from 0 to half of API_MAX_CONNECTIONS",
    "most concurrent streams of `GET /v1/stream`; when half of API_MAX_CONNECTIONS is less, that \
     is the default",
);
const CLIENT_TIMEOUT: Variable = Variable::new(
    "API_CLIENT_TIMEOUT_SECONDS",
    "30",
    "a number of seconds from 0.1 to 3600",
    "a connection is closed when its client takes no byte of a response for this long",
);
const RESPONSE_BYTES: Variable = Variable::new(
    "API_RESPONSE_BYTES_IN_FLIGHT",
    "67108864",
    "a number from 1048576 to 1099511627776",
    "most memory for lists and histories that are computed or sent; beyond it they are 503 with \
     Retry-After",
);
const SERVICE_TEXT_BYTES: Variable = Variable::new(
    "API_SERVICE_TEXT_BYTES",
    "134217728",
    "a number from 0 to 1099511627776",
    "most memory for the texts of services that lists have shown and that are current, about 1 KB \
     each; with less, lists take more CPU",
);

pub const SECTION: Section = Section {
    title: "API",
    variables: &[
        PORT,
        HOST,
        DOMAIN,
        HOSTS,
        TOKEN,
        READ,
        TLS_CERTIFICATE,
        TLS_KEY,
        TRUSTED_PROXIES,
        CORS_ORIGINS,
        BODY_LIMIT,
        MAX_CONNECTIONS,
        STREAMS,
        CLIENT_TIMEOUT,
        RESPONSE_BYTES,
        SERVICE_TEXT_BYTES,
    ],
};

/// Connections beyond [`MAX_CONNECTIONS`], for health and readiness.
pub const RESERVED_CONNECTIONS: usize = 64;

/// Who may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadAccess {
    Open,
    Token,
}

/// Settings of the API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// 0 selects a free port.
    pub port: u16,
    pub host: IpAddr,
    /// As in a URL: an IPv6 address has brackets.
    pub domain: String,
    /// Further names of the API.
    pub hosts: Vec<Host>,
    pub token: Option<Secret>,
    /// `None` when it is not set: see [`reads_are_open`](Self::reads_are_open).
    pub read: Option<ReadAccess>,
    /// `None` without TLS.
    pub tls: Option<TlsFiles>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// As browsers write them in `Origin`.
    pub cors_origins: Vec<String>,
    /// Bytes.
    pub body_limit: usize,
    pub max_connections: usize,
    /// Part of `max_connections`.
    pub max_streams: usize,
    /// Longest time for which a client may take no byte of a response.
    pub client_timeout: Duration,
    /// Most memory of responses that are computed or sent.
    pub response_bytes: usize,
    /// Most memory of kept texts of services.
    pub service_text_bytes: usize,
}

/// The files of the certificate of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl TlsFiles {
    /// Both or neither.
    fn read(reader: &mut Reader) -> Option<Self> {
        let file = |text: &str| Some(PathBuf::from(text));
        let certificate = reader.optional(&TLS_CERTIFICATE, file);
        let key = reader.optional(&TLS_KEY, file);
        match (certificate, key) {
            (Some(certificate), Some(key)) => return Some(Self { certificate, key }),
            (None, None) => {}
            (Some(_), None) => reader.missing(&TLS_KEY, &TLS_CERTIFICATE),
            (None, Some(_)) => reader.missing(&TLS_CERTIFICATE, &TLS_KEY),
        }
        None
    }
}

impl ApiConfig {
    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    pub fn read(reader: &mut Reader) -> Self {
        let max_connections = reader.number(&MAX_CONNECTIONS, 1, 1_000_000);
        let half = max_connections / 2;
        let streams = |text: &str| text.parse().ok().filter(|streams| *streams <= half);
        let max_streams = reader.optional(&STREAMS, streams);
        let by_default =
            || STREAMS.default.parse().map_or(half, |streams: usize| streams.min(half));
        Self {
            port: reader.number(&PORT, 0, u16::MAX),
            host: reader.value(&HOST, host),
            domain: reader.value(&DOMAIN, |text| host_name(text).map(|host| host.to_string())),
            hosts: reader.optional(&HOSTS, hosts).unwrap_or_default(),
            token: reader.optional(&TOKEN, |text| token(text).map(Secret::new)),
            read: reader.optional(&READ, read_access),
            tls: TlsFiles::read(reader),
            trusted_proxies: reader.optional(&TRUSTED_PROXIES, parse_networks).unwrap_or_default(),
            cors_origins: reader.optional(&CORS_ORIGINS, origins).unwrap_or_default(),
            body_limit: reader.number(&BODY_LIMIT, 1, 64 * 1024 * 1024),
            max_connections,
            max_streams: max_streams.unwrap_or_else(by_default),
            client_timeout: reader.value(&CLIENT_TIMEOUT, client_timeout),
            response_bytes: reader.number(&RESPONSE_BYTES, 1 << 20, 1 << 40),
            service_text_bytes: reader.number(&SERVICE_TEXT_BYTES, 0, 1 << 40),
        }
    }

    /// Whether only this machine can reach the API.
    pub fn listens_on_loopback(&self) -> bool {
        self.host.is_loopback()
    }

    /// Whether reads need no token.
    pub fn reads_are_open(&self) -> bool {
        match self.read {
            Some(read) => read == ReadAccess::Open,
            None => self.listens_on_loopback(),
        }
    }

    /// `API_DOMAIN` and `API_HOSTS`.
    pub fn own_names(&self) -> impl Iterator<Item = Host> {
        host_name(&self.domain).into_iter().chain(self.hosts.iter().cloned())
    }
}

fn read_access(text: &str) -> Option<ReadAccess> {
    match text {
        "open" => Some(ReadAccess::Open),
        "token" => Some(ReadAccess::Token),
        _ => None,
    }
}

fn client_timeout(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    (0.1..=3_600.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

fn host(text: &str) -> Option<IpAddr> {
    match text {
        "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        _ => text.parse().ok(),
    }
}

/// A name or address without a port. International names become ASCII, and a dot at the end is
/// left out, as clients may do in `Host`.
fn host_name(text: &str) -> Option<Host> {
    if let Ok(IpAddr::V6(ip)) = text.parse() {
        return Some(Host::Ipv6(ip));
    }
    let host = Host::parse(text.strip_suffix('.').unwrap_or(text)).ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    match &host {
        Host::Domain(name) if !name.bytes().all(is_plain) => None,
        _ => Some(host),
    }
}

fn hosts(text: &str) -> Option<Vec<Host>> {
    text.split(',').map(|name| host_name(name.trim())).collect()
}

fn origins(text: &str) -> Option<Vec<String>> {
    text.split(',').map(|origin| origin_of(origin.trim())).collect()
}

/// Scheme, host and port, in the form of `Origin` (RFC 6454, section 6.2).
fn origin_of(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let has_only_origin = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let is_http = ["http", "https"].contains(&url.scheme());
    (has_only_origin && is_http).then(|| url.origin().ascii_serialization())
}

fn token(text: &str) -> Option<String> {
    let is_valid = text.len() >= TOKEN_MIN_LENGTH && text.chars().all(|c| c.is_ascii_graphic());
    is_valid.then(|| text.to_owned())
}
