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

use crate::domain::{Failure, Reason};

/// A look-up of `name` that failed.
pub fn of_dns(name: &str, error: &NetError) -> Failure {
    let told = |what: &dyn Display| Failure::new(Reason::Dns, format!("looking up {name}: {what}"));
    match error {
        NetError::Io(error) if is_ours(error) => {
            Failure::new(Reason::Local, format!("looking up {name}: {error}"))
        }
        NetError::Dns(DnsError::NoRecordsFound(_)) if error.is_nx_domain() => {
            told(&"there is no such name")
        }
        NetError::Dns(DnsError::NoRecordsFound(_)) => told(&"the name has no address"),
        other => told(other),
    }
}

/// A connection to `address` that could not be made.
pub fn of_connect(address: SocketAddr, error: &io::Error) -> Failure {
    let reason = match error.kind() {
        _ if is_ours(error) => Reason::Local,
        io::ErrorKind::ConnectionRefused => Reason::Refused,
        io::ErrorKind::ConnectionReset => Reason::Reset,
        io::ErrorKind::TimedOut => Reason::Timeout,
        _ => Reason::Unreachable,
    };
    Failure::new(reason, format!("connecting to {address}: {error}"))
}

/// A TLS handshake that failed.
pub fn of_tls(error: &io::Error) -> Failure {
    const WHEN: &str = "in the TLS handshake";
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Failure::new(Reason::Tls, format!("{WHEN}: {error}"));
    }
    of_io(WHEN, error)
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
        other => Failure::new(Reason::Local, format!("the request could not be sent: {other}")),
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
    let reason = match error.kind() {
        _ if is_ours(error) => Reason::Local,
        _ if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => Reason::Tls,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => Reason::Reset,
        io::ErrorKind::HostUnreachable => Reason::Unreachable,
        io::ErrorKind::TimedOut => Reason::Timeout,
        _ => Reason::Protocol,
    };
    Failure::new(reason, format!("{when}: {error}"))
}

/// errno(3) values that speak of our own machine; the same on every Linux and BSD.
fn is_ours(error: &io::Error) -> bool {
    const EPERM: i32 = 1;
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    let numbered = matches!(error.raw_os_error(), Some(EPERM | ENOMEM | ENFILE | EMFILE));
    let kind = matches!(
        error.kind(),
        io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::NetworkDown
            // The kernel found no route in its own table: nothing was sent.
            | io::ErrorKind::NetworkUnreachable
    );
    numbered || kind || OURS_BY_NUMBER.iter().any(|number| error.raw_os_error() == Some(*number))
}

/// ENOBUFS and EAFNOSUPPORT, which have no kind and a number of their own on each system.
const OURS_BY_NUMBER: [i32; 2] = if cfg!(target_os = "linux") { [105, 97] } else { [55, 47] };

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
        for (name, errno) in [
            ("EPERM", 1),
            ("ENOMEM", 12),
            ("ENFILE", 23),
            ("EMFILE", 24),
            ("EADDRNOTAVAIL", 99),
            ("ENOBUFS", 105),
            ("EAFNOSUPPORT", 97),
            ("ENETDOWN", 100),
            ("ENETUNREACH", 101),
        ] {
            assert_eq!(reason_of_connect(errno), Reason::Local, "{name}");
        }
        for (errno, reason) in [
            (111, Reason::Refused),
            (104, Reason::Reset),
            (110, Reason::Timeout),
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
