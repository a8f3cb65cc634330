//! TLS as a client: who is trusted, and the handshake.

use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Url;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::failure;
use crate::domain::{Failure, Reason, Seen};

/// Whom probes trust.
#[derive(Clone)]
pub struct Trust {
    connector: TlsConnector,
    /// Authorities of the system and of the CA file together.
    pub authorities: usize,
}

/// Trusts the system's authorities (or `SSL_CERT_FILE`) and those of `ca_file`.
///
/// Sessions are never resumed, so that each probe checks the certificate. The error is for a person and names the
/// file.
pub fn trust(ca_file: Option<&Path>) -> Result<Trust, String> {
    let mut roots = RootCertStore::empty();
    let (_added, _unusable) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca_file {
        let refuse = |why: &dyn std::fmt::Display| format!("{file:?} is not accepted ({why})");
        let mut own = 0;
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| refuse(&error))? {
            let certificate = certificate.map_err(|error| refuse(&error))?;
            roots.add(certificate).map_err(|error| refuse(&error))?;
            own += 1;
        }
        if own == 0 {
            return Err(refuse(&"it holds no certificate"));
        }
    }
    let authorities = roots.len();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Trust { connector: TlsConnector::from(Arc::new(config)), authorities })
}

/// Notes the version and the earliest end of the certificates of a connection.
pub fn note(connection: &ClientConnection, seen: &mut Seen) {
    seen.tls_version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => Some("TLS 1.2"),
        Some(ProtocolVersion::TLSv1_3) => Some("TLS 1.3"),
        _ => None,
    };
    let chain = connection.peer_certificates().unwrap_or_default();
    seen.certificate_expires_at = chain
        .iter()
        .filter_map(|certificate| X509Certificate::from_der(certificate).ok())
        .map(|(_, certificate)| certificate.validity().not_after.timestamp())
        .min();
}

/// Secures `stream` for the host of `url`.
pub async fn secure(
    trust: &Trust,
    url: &Url,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Failure> {
    if trust.authorities == 0 {
        return Err(Failure::new(Reason::Local, "no certificate authority is known here"));
    }
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare)
        .map_err(|_| Failure::new(Reason::Tls, format!("{host} is no name for a certificate")))?;
    trust.connector.connect(name, stream).await.map_err(|error| failure::of_tls(&error))
}
