//! Settings of the connections to the database: `DATABASE_URL` and `DATABASE_CA_FILE`.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use tokio_postgres::config::{ChannelBinding as TokioChannelBinding, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::domain::Invalid;
use crate::storage::postgres::authorities;
use crate::storage::postgres::database_url::{ChannelBinding, DatabaseUrl, Place, Server, Tls};

const URL: &str = "DATABASE_URL";
const CA_FILE: &str = "DATABASE_CA_FILE";

/// Name of the connections in `pg_stat_activity`.
const APPLICATION_NAME: &str = "service-healthcheck";

/// Longest time to reach one address of a server: connect, TLS, password and session settings.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time for which sent data may stay without acknowledgement.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(10);

/// An idle connection is checked after this time, and then in each interval.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Checks without an answer after which the connection has ended.
const KEEPALIVE_RETRIES: u32 = 3;

/// A variable whose value cannot be used. The message shows no password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {invalid}")]
pub struct InvalidSetting {
    pub variable: &'static str,
    invalid: Invalid,
}

/// How the database is reached. `Debug` and [`shown`](Self::shown) mask the password.
#[derive(Clone)]
pub struct Settings {
    url: DatabaseUrl,
    /// `None` when no server is reached over TLS.
    tls: Option<MakeRustlsConnect>,
    /// Longest time to reach one address of a server.
    pub connect_timeout: Duration,
}

impl Settings {
    /// Reads `ca_file`, and the authorities of the system if a server is reached over TLS.
    pub fn parse(url: &str, ca_file: Option<&Path>) -> Result<Self, InvalidSetting> {
        let settings = Self::parse_argument(URL, url, ca_file)?;
        match ca_file {
            Some(file) if settings.tls.is_none() => {
                let expected = "no file, since DATABASE_URL uses no TLS; sslmode=require uses TLS";
                let invalid = Invalid::quoted(file, expected);
                Err(InvalidSetting { variable: CA_FILE, invalid })
            }
            _ => Ok(settings),
        }
    }

    /// As [`parse`](Self::parse), of the argument `name`. `ca_file` may be there for another
    /// database.
    pub fn parse_argument(
        name: &'static str,
        url: &str,
        ca_file: Option<&Path>,
    ) -> Result<Self, InvalidSetting> {
        let of = |variable| move |invalid| InvalidSetting { variable, invalid };
        let url = DatabaseUrl::parse(url).map_err(of(name))?;
        let has_tls = url.servers.iter().any(|server| uses_tls(&url, server));
        let tls = if has_tls {
            let config = authorities::client_config(ca_file).map_err(of(CA_FILE))?;
            Some(MakeRustlsConnect::new(config))
        } else {
            None
        };
        Ok(Self { url, tls, connect_timeout: CONNECT_TIMEOUT })
    }

    /// The URL with `***` as its password.
    pub fn shown(&self) -> String {
        self.url.shown()
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        &self.url.database
    }

    /// Never empty; in the order in which they are tried.
    pub(super) fn servers(&self) -> &[Server] {
        &self.url.servers
    }

    /// `None` for a connection without TLS.
    pub(super) fn tls_of(&self, server: &Server) -> Option<MakeRustlsConnect> {
        self.tls.clone().filter(|_| uses_tls(&self.url, server))
    }

    /// What all servers have in common; without an address.
    pub(super) fn client_config(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        if let Some(user) = &self.url.user {
            config.user(user);
        }
        if let Some(password) = &self.url.password {
            config.password(password);
        }
        config
            .dbname(&self.url.database)
            .application_name(APPLICATION_NAME)
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .channel_binding(match self.url.channel_binding {
                ChannelBinding::Disable => TokioChannelBinding::Disable,
                ChannelBinding::Prefer => TokioChannelBinding::Prefer,
                ChannelBinding::Require => TokioChannelBinding::Require,
            })
            .tcp_user_timeout(TCP_USER_TIMEOUT)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_RETRIES);
        config
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// A Unix socket has no TLS, as in libpq. Without `sslmode`, only connections that stay on this
/// machine have none.
fn uses_tls(url: &DatabaseUrl, server: &Server) -> bool {
    match (&server.place, url.tls) {
        (Place::Unix(_), _) | (_, Some(Tls::Disable)) => false,
        (_, Some(Tls::Require)) => true,
        (_, None) => !server.is_local(),
    }
}

#[cfg(test)]
mod tests;
