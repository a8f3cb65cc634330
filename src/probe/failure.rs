//! From an error of a library to a [`Failure`]: the one place that says whose fault it is.
//!
//! Ours are: no descriptors or buffers, no local port or address, a network of ours that is down or has no route, a firewall
//! of our own. Everything else lies with the target or the way to it.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;

use actix_http::error::ParseError;
use awc::error::{ConnectError, PayloadError, SendRequestError};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use rustls::CertificateError;

use crate::domain::{Failure, Reason};

/// A look-up of `name` that failed; `ours` says whether the name server was the system's.
pub fn of_dns(name: &str, error: &NetError, ours: bool) -> Failure {
    let told =
        |reason, what: &dyn Display| Failure::new(reason, format!("looking up {name}: {what}"));
    match error {
        NetError::Io(error) => match of_ours(error) {
            Some(reason) => told(reason, error),
            None if ours => told(Reason::LocalResolver, error),
            None => told(Reason::DnsServer, error),
        },
        NetError::NoConnections if ours => {
            told(Reason::LocalResolver, &"no name server can be reached")
        }
        NetError::Timeout => told(Reason::DnsTimeout, &"no name server answered in time"),
        NetError::Dns(DnsError::NoRecordsFound(_)) if error.is_nx_domain() => {
            told(Reason::DnsNoSuchName, &"there is no such name")
        }
        NetError::Dns(DnsError::NoRecordsFound(found))
            if found.response_code != ResponseCode::NoError =>
        {
            told(Reason::DnsServer, &format_args!("the server answered {}", found.response_code))
        }
        NetError::Dns(DnsError::NoRecordsFound(_)) => {
            told(Reason::DnsNoSuchName, &"the name has no address")
        }
        other => told(Reason::DnsServer, other),
    }
}

/// A connection to `address` that could not be made.
pub fn of_connect(address: SocketAddr, error: &io::Error) -> Failure {
    let reason = of_ours(error).unwrap_or(match error.kind() {
        io::ErrorKind::ConnectionRefused => Reason::Refused,
        io::ErrorKind::ConnectionReset => Reason::Reset,
        io::ErrorKind::TimedOut => Reason::ConnectTimeout,
        _ => Reason::Unreachable,
    });
    Failure::new(reason, format!("connecting to {address}: {error}"))
}

/// A TLS handshake that failed.
pub fn of_tls(error: &io::Error) -> Failure {
    const WHEN: &str = "in the TLS handshake";
    if error.kind() == io::ErrorKind::UnexpectedEof {
        let told = "the connection was closed in the TLS handshake";
        return Failure::new(Reason::TlsHandshake, told);
    }
    match rustls_error(error) {
        Some(tls) => Failure::new(of_rustls(tls), format!("{WHEN}: {error}")),
        None => of_io(WHEN, error),
    }
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// What an error of rustls says of the certificate, or of the handshake.
fn of_rustls(error: &rustls::Error) -> Reason {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, InvalidPurpose, InvalidPurposeContext,
        NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext, Other, Revoked,
        UnknownIssuer,
    };
    match error {
        rustls::Error::InvalidCertificate(why) => match why {
            Expired | ExpiredContext { .. } => Reason::TlsExpired,
            NotValidYet | NotValidYetContext { .. } => Reason::TlsNotYetValid,
            NotValidForName | NotValidForNameContext { .. } => Reason::TlsHostname,
            // `Other` is how webpki tells a certificate that cannot end a chain, a self-signed authority among them.
            UnknownIssuer
            | BadSignature
            | Revoked
            | InvalidPurpose
            | InvalidPurposeContext { .. }
            | Other(_) => Reason::TlsUntrusted,
            _ => Reason::TlsHandshake,
        },
        _ => Reason::TlsHandshake,
    }
}

/// A request that got no answer.
pub fn of_request(error: &SendRequestError) -> Failure {
    const WHEN: &str = "waiting for the answer";
    match error {
        SendRequestError::Connect(ConnectError::Disconnected) => {
            Failure::new(Reason::Protocol, "the connection was closed without an answer")
        }
        SendRequestError::Connect(ConnectError::Io(error))
        | SendRequestError::Send(error)
        | SendRequestError::Response(ParseError::Io(error)) => of_io(WHEN, error),
        SendRequestError::Response(error) => {
            Failure::new(Reason::Protocol, format!("the answer is not HTTP: {error}"))
        }
        // What is left cannot come from a target: our own request could not be made.
        other => {
            Failure::new(Reason::LocalFault, format!("the request could not be sent: {other}"))
        }
    }
}

/// A body that could not be read to its end.
pub fn of_body(error: &PayloadError) -> Failure {
    const WHEN: &str = "reading the body";
    match error {
        PayloadError::Incomplete(Some(error)) | PayloadError::Io(error) => of_io(WHEN, error),
        PayloadError::Incomplete(None) => of_short_body(),
        other => Failure::new(Reason::Protocol, format!("{WHEN}: {other}")),
    }
}

/// A body that ended before it was complete.
pub fn of_short_body() -> Failure {
    Failure::new(Reason::Protocol, "the connection was closed before the body was complete")
}

/// A read or write that failed.
pub fn of_io(when: &str, error: &io::Error) -> Failure {
    // Behind the handshake, an alert is how a target refuses our certificate; all else is not TLS as it should be.
    let tls = rustls_error(error).map(|tls| match tls {
        rustls::Error::AlertReceived(_) => Reason::TlsHandshake,
        _ => Reason::Protocol,
    });
    let reason = of_ours(error).or(tls).unwrap_or(match error.kind() {
        io::ErrorKind::ConnectionRefused => Reason::Refused,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => Reason::Reset,
        io::ErrorKind::HostUnreachable => Reason::Unreachable,
        io::ErrorKind::TimedOut => Reason::Timeout,
        _ => Reason::Protocol,
    });
    Failure::new(reason, format!("{when}: {error}"))
}

/// The reason of an error that speaks of our own machine, by errno(3), whose small values are the same on every Linux and
/// BSD.
fn of_ours(error: &io::Error) -> Option<Reason> {
    const EPERM: i32 = 1;
    // A route of ours that forbids, and one that swallows.
    const EACCES: i32 = 13;
    const EINVAL: i32 = 22;
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    // ENOBUFS and EAFNOSUPPORT have no kind and a number of their own on each system.
    const ENOBUFS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };
    const EAFNOSUPPORT: i32 = if cfg!(target_os = "linux") { 97 } else { 47 };
    match (error.raw_os_error(), error.kind()) {
        (Some(ENOMEM | ENFILE | EMFILE | ENOBUFS), _) => Some(Reason::LocalDescriptors),
        (_, io::ErrorKind::AddrNotAvailable) => Some(Reason::LocalPorts),
        // The kernel found no route in its own table, or a firewall of ours refused: nothing was sent.
        (Some(EPERM | EACCES | EINVAL | EAFNOSUPPORT), _)
        | (_, io::ErrorKind::NetworkDown | io::ErrorKind::NetworkUnreachable) => {
            Some(Reason::LocalNetwork)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason_of_connect(errno: i32) -> Reason {
        let address = "192.0.2.1:80".parse().unwrap();
        of_connect(address, &io::Error::from_raw_os_error(errno)).reason
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_lies_with_us_is_never_the_targets() {
        for (name, errno, reason) in [
            ("EPERM", 1, Reason::LocalNetwork),
            ("EACCES", 13, Reason::LocalNetwork),
            ("EINVAL", 22, Reason::LocalNetwork),
            ("ENOMEM", 12, Reason::LocalDescriptors),
            ("ENFILE", 23, Reason::LocalDescriptors),
            ("EMFILE", 24, Reason::LocalDescriptors),
            ("EADDRNOTAVAIL", 99, Reason::LocalPorts),
            ("ENOBUFS", 105, Reason::LocalDescriptors),
            ("EAFNOSUPPORT", 97, Reason::LocalNetwork),
            ("ENETDOWN", 100, Reason::LocalNetwork),
            ("ENETUNREACH", 101, Reason::LocalNetwork),
        ] {
            assert_eq!(reason_of_connect(errno), reason, "{name}");
        }
        for (errno, reason) in [
            (111, Reason::Refused),
            (104, Reason::Reset),
            (110, Reason::ConnectTimeout),
            (113, Reason::Unreachable),
        ] {
            assert_eq!(reason_of_connect(errno), reason, "errno {errno}");
        }
    }

    #[test]
    fn a_detail_is_cut() {
        let long = io::Error::other("x".repeat(5_000));
        assert_eq!(of_io("now", &long).detail.chars().count(), 300);
    }
}
