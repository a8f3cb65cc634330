//! Why no connection was made, in sentences, and whether a later attempt may succeed.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use rustls::{CertificateError, OtherError};
use tokio_postgres::error::SqlState;

use crate::storage::postgres::database_url::Server;

/// How tokio-postgres calls a server that does not fit `target_session_attrs=read-write`.
const READ_ONLY: &str = "database does not allow writes";

/// No server could be used. No message shows a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot connect to {}", self.list())]
pub struct ConnectError {
    /// In the order of the attempts; the same failure of several addresses of a server is one.
    failures: Vec<Failure>,
}

/// Why one server could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The server, as in `db.example:5432`.
    pub server: String,
    pub reason: String,
    pub is_temporary: bool,
}

impl ConnectError {
    pub(super) fn new(mut failures: Vec<Failure>) -> Self {
        failures.dedup();
        Self { failures }
    }

    /// Whether a later attempt may succeed without a change of the settings or of the database: a
    /// server is down, starts, is full, is read only, or does not answer.
    pub fn is_temporary(&self) -> bool {
        self.failures.iter().any(|failure| failure.is_temporary)
    }

    fn list(&self) -> String {
        let each = self.failures.iter().map(|it| format!("{}: {}", it.server, it.reason));
        each.collect::<Vec<_>>().join("; ")
    }
}

impl Failure {
    pub fn new(server: impl fmt::Display, reason: impl Into<String>, is_temporary: bool) -> Self {
        Self { server: server.to_string(), reason: reason.into(), is_temporary }
    }

    pub fn of_client(server: &Server, error: &tokio_postgres::Error) -> Self {
        Self::new(server, reason(error), is_temporary(error))
    }

    /// Of the statements that follow the log-in.
    pub fn of_session(server: &Server, error: &dyn Error) -> Self {
        Self::new(server, one_line(&error.to_string()), true)
    }

    pub fn resolving(server: &Server, error: &io::Error) -> Self {
        let reason = format!("the name cannot be resolved: {}", one_line(&error.to_string()));
        Self::new(server, reason, true)
    }

    pub fn timed_out(server: &Server, timeout: Duration) -> Self {
        let reason = format!("no answer within {} s", timeout.as_secs_f64());
        Self::new(server, reason, true)
    }
}

/// What went wrong, in words for the operator.
pub(super) fn reason(error: &tokio_postgres::Error) -> String {
    if let Some(database) = error.as_db_error() {
        let message = one_line(database.message());
        return format!("{message} ({})", database.code().code());
    }
    if let Some(tls) = sources(error).find_map(tls_error) {
        return tls_reason(tls);
    }
    let causes: Vec<String> = sources(error).map(|cause| one_line(&cause.to_string())).collect();
    match causes.last().map(String::as_str) {
        Some("server does not support TLS") => {
            "the server has no TLS; sslmode=disable in DATABASE_URL connects without".to_owned()
        }
        Some(READ_ONLY) => "the server is read only, as a replica is".to_owned(),
        Some("password missing") => {
            "the server asks for a password, and DATABASE_URL has none".to_owned()
        }
        Some(cause) => cause.to_owned(),
        None => one_line(&error.to_string()),
    }
}

fn is_temporary(error: &tokio_postgres::Error) -> bool {
    if let Some(code) = error.code() {
        return is_temporary_state(code);
    }
    if sources(error).any(|cause| tls_error(cause).is_some()) {
        return false;
    }
    match sources(error).find_map(|cause| cause.downcast_ref::<io::Error>()) {
        // A replica is promoted in a failover, and then accepts writes.
        Some(io) if io.to_string() == READ_ONLY => true,
        Some(io) => !matches!(
            io.kind(),
            io::ErrorKind::PermissionDenied
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::InvalidData
                | io::ErrorKind::Other
        ),
        None => error.is_closed(),
    }
}

/// By the class of the state (PostgreSQL documentation, appendix A): connection exceptions,
/// insufficient resources, intervention of an operator (except for a database that is gone) and
/// errors of the server's system.
fn is_temporary_state(code: &SqlState) -> bool {
    *code != SqlState::DATABASE_DROPPED
        && ["08", "53", "57", "58"].iter().any(|class| code.code().starts_with(class))
}

/// `error` and its causes.
fn sources<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The error of rustls, which an I/O error may contain without having it as its source.
fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match inner {
        Some(inner) => inner.downcast_ref(),
        None => error.downcast_ref(),
    }
}

fn tls_reason(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "no trusted authority has signed the certificate of the server; DATABASE_CA_FILE names \
             the file of a further authority"
                .to_owned()
        }
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other)))
            if other.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) =>
        {
            "the certificate of the server is that of an authority itself; the server needs one \
             that its authority has signed for it"
                .to_owned()
        }
        _ => one_line(&error.to_string()),
    }
}

/// The first line, without control characters.
fn one_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_attempt_may_succeed_when_the_server_is_down_full_or_starting() {
        for (code, expected) in [
            (SqlState::CANNOT_CONNECT_NOW, true),
            (SqlState::ADMIN_SHUTDOWN, true),
            (SqlState::CRASH_SHUTDOWN, true),
            (SqlState::TOO_MANY_CONNECTIONS, true),
            (SqlState::CONNECTION_FAILURE, true),
            (SqlState::PROTOCOL_VIOLATION, true),
            (SqlState::IO_ERROR, true),
            (SqlState::INVALID_PASSWORD, false),
            (SqlState::INVALID_AUTHORIZATION_SPECIFICATION, false),
            (SqlState::INVALID_CATALOG_NAME, false),
            (SqlState::DATABASE_DROPPED, false),
            (SqlState::INSUFFICIENT_PRIVILEGE, false),
        ] {
            assert_eq!(is_temporary_state(&code), expected, "{}", code.code());
        }
    }

    #[test]
    fn an_error_names_each_server_and_the_same_failure_of_two_addresses_once() {
        let refused = Failure::new("db1:5432", "Connection refused", true);
        let denied = Failure::new("db2:5432", "password authentication failed", false);
        let error = ConnectError::new(vec![refused.clone(), refused.clone(), denied.clone()]);
        assert_eq!(
            error.to_string(),
            "cannot connect to db1:5432: Connection refused; \
             db2:5432: password authentication failed"
        );
        assert!(error.is_temporary(), "the first server may come back");
        assert!(!ConnectError::new(vec![denied]).is_temporary());
    }

    #[test]
    fn the_certificate_of_an_authority_is_explained() {
        let other = OtherError(std::sync::Arc::new(webpki::Error::CaUsedAsEndEntity));
        let error = rustls::Error::InvalidCertificate(CertificateError::Other(other));
        let error = io::Error::new(io::ErrorKind::InvalidData, error);
        assert!(tls_reason(tls_error(&error).unwrap()).contains("that of an authority itself"));
    }

    #[test]
    fn a_message_of_a_server_is_one_line() {
        assert_eq!(one_line("a\tb\u{1b}[31m\nc"), "ab[31m");
        assert_eq!(one_line(""), "");
    }
}
