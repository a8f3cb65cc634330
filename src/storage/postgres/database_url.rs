//! The syntax of `DATABASE_URL`: a connection URI of libpq (PostgreSQL documentation, 34.1.1.2)
//! with a stricter form of its authority, so that no part of a password is taken for another part.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Host;

use crate::domain::Invalid;

/// What a valid URL looks like.
pub const EXPECTED: &str = "postgres://USER:PASSWORD@HOST:PORT/DATABASE, with further hosts \
     behind commas and the parameters sslmode and target_session_attrs";

const PARAMETERS: &str = "sslmode, target_session_attrs, channel_binding, host, port, user, \
                          password and dbname";

const DEFAULT_PORT: u16 = 5432;

/// Characters that [`DatabaseUrl::shown`] encodes.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The parts of a URL. `Debug` and [`shown`](Self::shown) mask the password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    /// The name of the user of this process when it is missing.
    pub user: Option<String>,
    pub password: Option<Vec<u8>>,
    /// Never empty; in the order in which they are tried.
    pub servers: Vec<Server>,
    pub database: String,
    /// `None` when the URL has no `sslmode`.
    pub tls: Option<Tls>,
    pub channel_binding: ChannelBinding,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub place: Place,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Tcp(Host),
    /// The folder of a Unix socket.
    Unix(PathBuf),
}

/// Whether the connection is encrypted. With TLS the certificate and the name of the server are
/// always verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    Disable,
    Require,
}

/// Whether the password exchange is bound to the TLS connection (RFC 5929).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    Disable,
    Prefer,
    Require,
}

impl DatabaseUrl {
    /// The error shows no part of the URL but names and values of parameters that are not secret.
    pub fn parse(url: &str) -> Result<Self, Invalid> {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or_else(|| invalid("not a URL of PostgreSQL; DB_FILE names an SQLite file"))?;
        let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
        let path = path.strip_prefix('/').unwrap_or(path);
        if authority.matches('@').count() > 1 || tail.contains('@') || path.contains('/') {
            return Err(invalid(
                "an @, / or ? of the user name or password is percent-encoded: %40, %2F, %3F",
            ));
        }
        let (credentials, hosts) = match authority.split_once('@') {
            Some((credentials, hosts)) => (Some(credentials), hosts),
            None => (None, authority),
        };
        let (user, password) = match credentials.and_then(|it| it.split_once(':')) {
            Some((user, password)) => (Some(user), Some(password)),
            None => (credentials, None),
        };
        let mut parts = Parts {
            user: user.filter(|user| !user.is_empty()),
            password,
            hosts: Some(hosts).filter(|hosts| !hosts.is_empty()),
            database: Some(path).filter(|path| !path.is_empty()),
            ..Parts::default()
        };
        if let Some(hosts) = parts.hosts {
            // A wrong authority is reported before its pieces could be taken for parameters.
            servers(Some(hosts), None)?;
        }
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter
                .split_once('=')
                .ok_or_else(|| invalid("a parameter without a value behind the ?"))?;
            parts.set(name, value)?;
        }
        parts.finish()
    }

    /// The URL with `***` as its password.
    pub fn shown(&self) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        let mut shown = "postgres://".to_owned();
        if let Some(user) = &self.user {
            shown.push_str(&encoded(user));
        }
        if self.password.is_some() {
            shown.push_str(":***");
        }
        if self.user.is_some() || self.password.is_some() {
            shown.push('@');
        }
        let servers = self.servers.iter().map(|Server { place, port }| match place {
            Place::Tcp(host) => format!("{host}:{port}"),
            Place::Unix(folder) => format!("{}:{port}", encoded(&folder.to_string_lossy())),
        });
        shown.push_str(&servers.collect::<Vec<_>>().join(","));
        shown.push('/');
        shown.push_str(&encoded(&self.database));
        match self.tls {
            Some(Tls::Disable) => shown.push_str("?sslmode=disable"),
            Some(Tls::Require) => shown.push_str("?sslmode=require"),
            None => {}
        }
        shown
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Server {
    /// Whether no other machine can read the connection.
    pub fn is_local(&self) -> bool {
        match &self.place {
            Place::Unix(_) => true,
            Place::Tcp(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Place::Tcp(Host::Ipv4(address)) => address.is_loopback(),
            Place::Tcp(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp(host) => write!(f, "{host}:{}", self.port),
            Place::Unix(folder) => write!(f, "{}/.s.PGSQL.{}", folder.display(), self.port),
        }
    }
}

/// The parts as they are written.
#[derive(Default)]
struct Parts<'u> {
    user: Option<&'u str>,
    password: Option<&'u str>,
    hosts: Option<&'u str>,
    /// Only with hosts of the parameter.
    ports: Option<&'u str>,
    database: Option<&'u str>,
    tls: Option<Tls>,
    channel_binding: Option<ChannelBinding>,
    has_session_attributes: bool,
}

impl<'u> Parts<'u> {
    fn set(&mut self, name: &'u str, value: &'u str) -> Result<(), Invalid> {
        let is_first = match name {
            "user" => self.user.replace(value).is_none(),
            "password" => self.password.replace(value).is_none(),
            "host" => self.hosts.replace(value).is_none(),
            "port" => self.ports.replace(value).is_none(),
            "dbname" => self.database.replace(value).is_none(),
            "sslmode" => self.tls.replace(tls(value)?).is_none(),
            "channel_binding" => self.channel_binding.replace(channel_binding(value)?).is_none(),
            "target_session_attrs" => {
                if value != "read-write" {
                    let expected = "read-write, which is also the default";
                    return Err(Invalid::new(setting(name, value), expected));
                }
                !std::mem::replace(&mut self.has_session_attributes, true)
            }
            _ => return Err(Invalid::new(setting(name, "…"), format!("one of {PARAMETERS}"))),
        };
        if is_first { Ok(()) } else { Err(invalid(format!("{name} is given twice"))) }
    }

    fn finish(self) -> Result<DatabaseUrl, Invalid> {
        let text = |part: Option<&'u str>, what: &str| match part.map(decoded).transpose()? {
            Some(text) if text.is_empty() => Err(invalid(format!("the {what} is empty"))),
            text => Ok(text),
        };
        Ok(DatabaseUrl {
            user: text(self.user, "user name")?,
            password: self.password.map(bytes).transpose()?.map(Cow::into_owned),
            database: text(self.database, "database name")?
                .ok_or_else(|| invalid("no database name behind the host"))?,
            servers: servers(self.hosts, self.ports)?,
            tls: self.tls,
            channel_binding: self.channel_binding.unwrap_or(ChannelBinding::Prefer),
        })
    }
}

fn invalid(reason: impl fmt::Display) -> Invalid {
    Invalid::hidden(EXPECTED).because(reason)
}

/// A parameter as a message shows it, unless it looks like a piece of a password.
fn setting(name: &str, value: &str) -> String {
    let is_plain = |text: &str| {
        text.chars().all(|c| c.is_ascii_alphabetic() || "-_…".contains(c)) && text.len() <= 30
    };
    let shown = |text: &str| if is_plain(text) { text.to_owned() } else { "***".to_owned() };
    format!("{}={}", shown(name), shown(value))
}

fn tls(value: &str) -> Result<Tls, Invalid> {
    match value {
        "disable" => Ok(Tls::Disable),
        "require" | "verify-full" => Ok(Tls::Require),
        _ => Err(Invalid::new(
            setting("sslmode", value),
            "disable, or require or verify-full, which both verify the server's certificate and \
             name",
        )),
    }
}

fn channel_binding(value: &str) -> Result<ChannelBinding, Invalid> {
    match value {
        "disable" => Ok(ChannelBinding::Disable),
        "prefer" => Ok(ChannelBinding::Prefer),
        "require" => Ok(ChannelBinding::Require),
        _ => Err(Invalid::new(setting("channel_binding", value), "disable, prefer or require")),
    }
}

/// The hosts with their ports, in a list separated by commas. `ports` has one port for all hosts,
/// or one for each.
fn servers(hosts: Option<&str>, ports: Option<&str>) -> Result<Vec<Server>, Invalid> {
    let hosts: Vec<&str> = hosts.ok_or_else(|| invalid("no host"))?.split(',').collect();
    let ports: Vec<&str> = ports.iter().flat_map(|ports| ports.split(',')).collect();
    if ports.len() > 1 && ports.len() != hosts.len() {
        return Err(invalid("the number of ports is not the number of hosts"));
    }
    let port_of = |at: usize| ports.get(at).or(ports.first()).copied();
    hosts.iter().enumerate().map(|(at, text)| server(text, port_of(at))).collect()
}

fn server(text: &str, port: Option<&str>) -> Result<Server, Invalid> {
    let malformed = || invalid("a host that is neither a name, an address nor a folder");
    let (host, own_port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((address, "")) => (format!("[{address}]"), None),
        Some((address, after)) => {
            (format!("[{address}]"), Some(after.strip_prefix(':').ok_or_else(malformed)?))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (decoded(host)?, Some(port)),
            None => (decoded(text)?, None),
        },
    };
    let place = match host.strip_prefix('/') {
        Some(_) => Place::Unix(PathBuf::from(host)),
        None => Place::Tcp(Host::parse(&host).map_err(|_| malformed())?),
    };
    let port = match own_port.or(port) {
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| invalid("a port that is not a number from 1 to 65535"))?,
        None => DEFAULT_PORT,
    };
    Ok(Server { place, port })
}

fn bytes(text: &str) -> Result<Cow<'_, [u8]>, Invalid> {
    let mut after_percent = text.split('%').skip(1);
    let is_encoded = |after: &str| {
        after.len() >= 2 && after.bytes().take(2).all(|byte| byte.is_ascii_hexdigit())
    };
    if !after_percent.all(is_encoded) {
        return Err(invalid("a % that is not percent-encoded: %25"));
    }
    let bytes = Cow::from(percent_decode_str(text));
    if bytes.iter().any(u8::is_ascii_control) {
        return Err(invalid("a control character"));
    }
    Ok(bytes)
}

fn decoded(text: &str) -> Result<String, Invalid> {
    String::from_utf8(bytes(text)?.into_owned()).map_err(|_| invalid("bytes that are not UTF-8"))
}

#[cfg(test)]
mod tests;
