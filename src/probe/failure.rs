//! Maps errors of libraries to a [`Failure`], and so decides whether a fault is local.
//!
//! Local faults: no descriptors or buffers, no local port or address, a local network that is down
//! or has no route, a local firewall. Every other error is a failure of the target or of the
//! network in between.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;

use actix_http::error::ParseError;
use awc::error::{ConnectError, PayloadError, SendRequestError};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;

use crate::domain::{Failure, Reason};
use crate::probe::http::head_error::HeadError;

/// A failed look-up of `name`, by the system's name servers or by one that the service sets.
pub fn of_dns(name: &str, error: &NetError, is_system_resolver: bool) -> Failure {
    let failure =
        |reason, detail: &dyn Display| Failure::new(reason, format!("looking up {name}: {detail}"));
    match error {
        NetError::Io(error) => match local_reason(error) {
            Some(reason) => failure(reason, error),
            None if is_system_resolver => failure(Reason::LocalResolver, error),
            None => failure(Reason::DnsServer, error),
        },
        NetError::NoConnections if is_system_resolver => {
            failure(Reason::LocalResolver, &"no name server can be reached")
        }
        NetError::Timeout => failure(Reason::DnsTimeout, &"no name server answered in time"),
        NetError::Dns(DnsError::NoRecordsFound(_)) if error.is_nx_domain() => {
            failure(Reason::DnsNoSuchName, &"there is no such name")
        }
        NetError::Dns(DnsError::NoRecordsFound(found))
            if found.response_code != ResponseCode::NoError =>
        {
            failure(Reason::DnsServer, &format_args!("the server answered {}", found.response_code))
        }
        NetError::Dns(DnsError::ResponseCode(code)) => {
            failure(Reason::DnsServer, &format_args!("the server answered {code}"))
        }
        NetError::Dns(DnsError::NoRecordsFound(_)) => {
            failure(Reason::DnsNoSuchName, &"the name has no address")
        }
        other => failure(Reason::DnsServer, other),
    }
}

/// What a name server did instead of an answer, in a few words.
pub fn dns_detail(error: &NetError) -> String {
    match error {
        NetError::Timeout => "no answer".to_owned(),
        NetError::Dns(DnsError::ResponseCode(code)) => code.to_string(),
        NetError::Dns(DnsError::NoRecordsFound(found)) => found.response_code.to_string(),
        other => other.to_string(),
    }
}

/// Whether the cause of `error` is this machine.
pub fn is_local(error: &io::Error) -> bool {
    local_reason(error).is_some()
}

/// A failed connection to `address`.
pub fn of_connect(address: SocketAddr, error: &io::Error) -> Failure {
    let reason = local_reason(error).unwrap_or(match error.kind() {
        io::ErrorKind::ConnectionRefused => Reason::Refused,
        io::ErrorKind::ConnectionReset => Reason::Reset,
        io::ErrorKind::TimedOut => Reason::ConnectTimeout,
        _ => Reason::Unreachable,
    });
    Failure::new(reason, format!("connecting to {address}: {error}"))
}

/// The error of rustls inside `error`.
pub fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// A request without a response.
pub fn of_request(error: &SendRequestError) -> Failure {
    const WHEN: &str = "waiting for the response";
    match error {
        SendRequestError::Connect(ConnectError::Disconnected) => {
            Failure::new(Reason::Protocol, "the connection was closed without a response")
        }
        SendRequestError::Connect(ConnectError::Io(error))
        | SendRequestError::Send(error)
        | SendRequestError::Response(ParseError::Io(error)) => match head_error(error) {
            Some(error) => of_invalid_response(error),
            None => of_io(WHEN, error),
        },
        SendRequestError::Response(error) => of_invalid_response(error),
        // The remaining errors arise before the request leaves this machine.
        other => {
            Failure::new(Reason::LocalFault, format!("the request could not be sent: {other}"))
        }
    }
}

fn head_error(error: &io::Error) -> Option<&HeadError> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

pub fn of_body(error: &PayloadError) -> Failure {
    const WHEN: &str = "reading the body";
    match error {
        PayloadError::Incomplete(Some(error)) | PayloadError::Io(error) => of_io(WHEN, error),
        PayloadError::Incomplete(None) => of_short_body(),
        other => Failure::new(Reason::Protocol, format!("{WHEN}: {other}")),
    }
}

pub fn of_short_body() -> Failure {
    Failure::new(Reason::Protocol, "the connection was closed before the body was complete")
}

/// A request that cannot be built from the service's options.
pub fn of_invalid_request(why: &dyn Display) -> Failure {
    Failure::new(Reason::LocalConfig, format!("the request cannot be built: {why}"))
}

pub fn of_invalid_response(why: &dyn Display) -> Failure {
    Failure::new(Reason::Protocol, format!("the response is not HTTP: {why}"))
}

/// A failed read or write; `when` says what the probe was doing.
pub fn of_io(when: &str, error: &io::Error) -> Failure {
    // After the handshake, a target refuses the client certificate by an alert; other errors of
    // rustls are violations of the protocol.
    let tls = rustls_error(error).map(|tls| match tls {
        rustls::Error::AlertReceived(_) => Reason::TlsHandshake,
        _ => Reason::Protocol,
    });
    let reason = local_reason(error).or(tls).unwrap_or(match error.kind() {
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

/// The reason of an error with a local cause, by errno(3), whose small values are the same on every
/// Linux and BSD.
fn local_reason(error: &io::Error) -> Option<Reason> {
    const EPERM: i32 = 1;
    // Local routes of type `prohibit` (EACCES) and `blackhole` (EINVAL).
    const EACCES: i32 = 13;
    const EINVAL: i32 = 22;
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    // ENOBUFS and EAFNOSUPPORT have no `ErrorKind`, and different numbers on Linux and BSD.
    const ENOBUFS: i32 = if cfg!(target_os = "linux") { 105 } else { 55 };
    const EAFNOSUPPORT: i32 = if cfg!(target_os = "linux") { 97 } else { 47 };
    match (error.raw_os_error(), error.kind()) {
        (Some(ENOMEM | ENFILE | EMFILE | ENOBUFS), _) => Some(Reason::LocalDescriptors),
        (_, io::ErrorKind::AddrNotAvailable) => Some(Reason::LocalPorts),
        // The kernel has no route, or a local firewall refused: nothing was sent.
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
    fn local_errors_have_a_local_reason() {
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
    fn a_detail_is_truncated() {
        let long = io::Error::other("x".repeat(5_000));
        assert_eq!(of_io("now", &long).detail.chars().count(), 300);
    }
}
