//! From the TLS options of a service to a client configuration.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{ClientConfig, version};

use crate::domain::service::options::{TlsOptions, TlsVersion};
use crate::probe::net::tls::pem::{Files, invalid};
use crate::probe::net::tls::provider;
use crate::probe::net::tls::recorder::{CertificateRecorder, Policy};
use crate::probe::net::tls::trust::{Trust, TrustStore};

/// The protocol offered in the handshake (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// No ALPN extension.
    None,
    Http1,
    Http2,
}

/// A configuration, and the policy of its verifier, which is made anew for each handshake.
pub struct Prepared {
    pub config: ClientConfig,
    pub policy: Policy,
}

/// Checks that a TLS configuration can be built from `options`, and reads their files. The error
/// names the option.
pub fn validate(options: &TlsOptions) -> Result<(), String> {
    let trust = Trust::from(TrustStore::new());
    prepare(&trust, options, &Files::read(options), Alpn::None).map(drop)
}

/// Without session resumption, so every probe verifies the certificate.
pub fn prepare(
    trust: &Trust,
    options: &TlsOptions,
    files: &Files,
    alpn: Alpn,
) -> Result<Prepared, String> {
    let versions: &[_] = match options.min_version {
        Some(TlsVersion::Tls13) => &[&version::TLS13],
        Some(TlsVersion::Tls12) | None => &[&version::TLS13, &version::TLS12],
    };
    let policy = policy(trust, options, files)?;
    let provider = match policy {
        Policy::Trusted(_) => provider::verifying(),
        Policy::Any => provider::accepting(),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(CertificateRecorder::new(policy.clone())));
    let mut config = match (&options.certificate, &options.private_key) {
        (Some(certificate), Some(private_key)) => {
            let chain = files.certificates("certificate", certificate)?;
            let key = files.private_key("private_key", private_key)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                invalid("private_key", private_key, "the key of `certificate`", error)
            })?
        }
        _ => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = match alpn {
        Alpn::None => Vec::new(),
        Alpn::Http1 => vec![b"http/1.1".to_vec()],
        Alpn::Http2 => vec![b"h2".to_vec()],
    };
    Ok(Prepared { config, policy })
}

fn policy(trust: &Trust, options: &TlsOptions, files: &Files) -> Result<Policy, String> {
    if options.insecure {
        return Ok(Policy::Any);
    }
    let Some(ca) = &options.ca else { return Ok(Policy::Trusted(Arc::clone(&trust.store))) };
    let mut store = TrustStore::new();
    for certificate in files.certificates("ca", ca)? {
        let added = store.add(certificate);
        added.map_err(|error| invalid("ca", ca, "certificates in PEM", error))?;
    }
    Ok(Policy::Trusted(Arc::new(store)))
}
