//! Maps errors of the TLS handshake to a [`Failure`].

use std::io;

use rustls::CertificateError;

use crate::domain::service::options::TlsVersion;
use crate::domain::{Failure, Reason};
use crate::probe::failure::{of_io, rustls_error};

const IN_HANDSHAKE: &str = "in the TLS handshake";

/// Names the forms of TLS that this program does not support.
const NOT_SPOKEN: &str = "the server may offer only TLS 1.0 or 1.1, CBC cipher suites, RSA or DHE \
     key exchange, or a key other than RSA, P-256, P-384, P-521 and Ed25519: this program speaks \
     none of them";

/// How far a handshake came before it failed.
#[derive(Debug, Clone, Copy)]
pub struct Handshaking {
    pub shows_certificate: bool,
    pub min_version: Option<TlsVersion>,
}

/// A failed handshake.
pub fn of_handshake(error: &io::Error, progress: Handshaking) -> Failure {
    use rustls::{AlertDescription, Error, PeerIncompatible, PeerMisbehaved};
    let requires_tls13 = progress.min_version == Some(TlsVersion::Tls13);
    let hint = match rustls_error(error) {
        Some(
            Error::AlertReceived(AlertDescription::ProtocolVersion)
            | Error::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig),
        ) if requires_tls13 => "the server does not offer TLS 1.3, which the service requires",
        Some(
            Error::AlertReceived(AlertDescription::ProtocolVersion)
            | Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13),
        ) => {
            "the server offers neither TLS 1.2 nor 1.3; this program does not speak TLS 1.0 and 1.1"
        }
        Some(Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedCipherSuite)) => NOT_SPOKEN,
        // A limit of rustls, met with `insecure` only.
        Some(Error::PeerMisbehaved(PeerMisbehaved::SignedKxWithWrongAlgorithm)) => {
            "this program speaks TLS 1.2 with no RSASSA-PSS key"
        }
        // With a certificate, the server has agreed to version, suite and key exchange.
        _ if progress.shows_certificate => "",
        Some(Error::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity,
        )) => NOT_SPOKEN,
        // As Windows does.
        None if is_closed(error) => NOT_SPOKEN,
        _ => "",
    };
    let mut failure = of_tls(error);
    if !hint.is_empty() {
        failure = Failure::new(failure.reason, format!("{}; {hint}", failure.detail));
    }
    failure
}

fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
}

/// An error of TLS in the handshake, or right after it.
pub fn of_tls(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        let detail = "the connection was closed in the TLS handshake";
        return Failure::new(Reason::TlsHandshake, detail);
    }
    match rustls_error(error) {
        // rustls shows this error as its `Debug` form.
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(why))) => {
            let detail = format!("{IN_HANDSHAKE}: invalid peer certificate: {why}");
            Failure::new(Reason::TlsUntrusted, detail)
        }
        Some(tls) => Failure::new(rustls_reason(tls), format!("{IN_HANDSHAKE}: {error}")),
        None => of_io(IN_HANDSHAKE, error),
    }
}

fn rustls_reason(error: &rustls::Error) -> Reason {
    use CertificateError::{
        BadEncoding, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext,
    };
    match error {
        rustls::Error::InvalidCertificate(why) => match why {
            Expired | ExpiredContext { .. } => Reason::TlsExpired,
            NotValidYet | NotValidYetContext { .. } => Reason::TlsNotYetValid,
            NotValidForName | NotValidForNameContext { .. } => Reason::TlsHostname,
            BadEncoding => Reason::TlsHandshake,
            // No path, no signature, or a certificate for another purpose. webpki reports `Other`
            // for a certificate that cannot end a chain, for example an authority's.
            _ => Reason::TlsUntrusted,
        },
        _ => Reason::TlsHandshake,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_offers_only_old_tls_is_named_as_such() {
        use rustls::AlertDescription::{BadCertificate, HandshakeFailure, ProtocolVersion};
        use rustls::Error::{AlertReceived, PeerIncompatible};
        use rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13;
        let before = Handshaking { shows_certificate: false, min_version: None };
        let after = Handshaking { shows_certificate: true, ..before };
        let strict = Handshaking { min_version: Some(TlsVersion::Tls13), ..before };
        let tls = io::Error::other::<rustls::Error>;
        let io = io::Error::from;
        for (error, progress, reason, hint) in [
            (tls(AlertReceived(HandshakeFailure)), before, Reason::TlsHandshake, "CBC"),
            (io(io::ErrorKind::UnexpectedEof), before, Reason::TlsHandshake, "RSA or DHE"),
            (io(io::ErrorKind::ConnectionReset), before, Reason::Reset, "CBC"),
            (tls(AlertReceived(ProtocolVersion)), before, Reason::TlsHandshake, "1.0 and 1.1"),
            (
                tls(PeerIncompatible(ServerDoesNotSupportTls12Or13)),
                before,
                Reason::TlsHandshake,
                "this program does not speak TLS 1.0 and 1.1",
            ),
            (
                tls(AlertReceived(ProtocolVersion)),
                strict,
                Reason::TlsHandshake,
                "TLS 1.3, which the service requires",
            ),
            (tls(AlertReceived(HandshakeFailure)), after, Reason::TlsHandshake, ""),
            (tls(AlertReceived(BadCertificate)), before, Reason::TlsHandshake, ""),
        ] {
            let failure = of_handshake(&error, progress);
            assert_eq!(failure.reason, reason, "{failure:?}");
            assert!(failure.detail.contains(hint), "{failure:?}");
            assert_eq!(failure.detail.contains("; "), !hint.is_empty(), "{failure:?}");
            assert!(failure.detail.len() < 300, "{failure:?}");
        }
    }
}
