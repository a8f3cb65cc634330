//! The authorities that sign certificates of database servers.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::bounded_file;
use crate::domain::Invalid;

/// Largest file of authorities, in bytes.
const MAX_PEM_BYTES: usize = 4 * 1024 * 1024;

/// Verifies servers by the authorities of the system (or those of `SSL_CERT_FILE`) and of the PEM
/// file `ca_file`. The error is about `ca_file`.
pub fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, Invalid> {
    let mut roots = RootCertStore::empty();
    let load = || rustls_native_certs::load_native_certs().certs;
    // As other clients do, unusable certificates of the system are ignored.
    let system = bounded_file::within(bounded_file::READ_TIMEOUT, load).unwrap_or_default();
    roots.add_parsable_certificates(system);
    if let Some(file) = ca_file {
        let invalid =
            |reason: String| Invalid::quoted(file, "a PEM file of certificates").because(reason);
        let pem = bounded_file::read(file, MAX_PEM_BYTES);
        let pem = pem.map_err(|error| invalid(error.to_string()))?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let certificates = certificates.map_err(|error| invalid(error.to_string()))?;
        if certificates.is_empty() {
            return Err(invalid("no certificate found".to_owned()));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|error| unreachable!("ring supports TLS 1.2 and 1.3: {error}"));
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
