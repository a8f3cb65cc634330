//! Settings of the API.

use std::net::{IpAddr, Ipv4Addr};

use crate::config::reader::Reader;
use crate::config::secret::Secret;
use crate::config::variable::{Section, Variable};

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
    "name under which users reach the API, for the example request in the log",
);
const TOKEN: Variable = Variable::optional(
    "API_TOKEN",
    "visible ASCII characters without spaces",
    "token of `Authorization: Bearer` for writes; without a token, writes are allowed only while \
     API_HOST is a loopback address",
)
.secret();
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
    "most concurrent connections to the API",
);

pub const SECTION: Section =
    Section { title: "API", variables: &[PORT, HOST, DOMAIN, TOKEN, BODY_LIMIT, MAX_CONNECTIONS] };

/// Settings of the API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// 0 selects a free port.
    pub port: u16,
    pub host: IpAddr,
    /// As in a URL: an IPv6 address has brackets.
    pub domain: String,
    pub token: Option<Secret>,
    /// Bytes.
    pub body_limit: usize,
    pub max_connections: usize,
}

impl ApiConfig {
    pub fn read(reader: &mut Reader) -> Self {
        Self {
            port: reader.number(&PORT, 0, u16::MAX),
            host: reader.value(&HOST, host),
            domain: reader.value(&DOMAIN, domain),
            token: reader.optional(&TOKEN, |text| printable(text).map(Secret::new)),
            body_limit: reader.number(&BODY_LIMIT, 1, 64 * 1024 * 1024),
            max_connections: reader.number(&MAX_CONNECTIONS, 1, 1_000_000),
        }
    }

    /// Whether only this machine can reach the API.
    pub fn listens_on_loopback(&self) -> bool {
        self.host.is_loopback()
    }
}

fn host(text: &str) -> Option<IpAddr> {
    match text {
        "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        _ => text.parse().ok(),
    }
}

fn domain(text: &str) -> Option<String> {
    let host = match text.parse() {
        Ok(IpAddr::V6(ip)) => url::Host::Ipv6(ip),
        _ => url::Host::parse(text).ok()?,
    };
    Some(host.to_string())
}

fn printable(text: &str) -> Option<String> {
    text.chars().all(|c| c.is_ascii_graphic()).then(|| text.to_owned())
}
