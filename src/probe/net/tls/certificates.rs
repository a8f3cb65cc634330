//! Facts about the certificates that a target shows.

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::domain::{Certificate, ProbeDetails};

/// End of the validity, in unix seconds; `None` for a certificate that cannot be parsed.
pub fn expires_at(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

/// The certificates that a target presented, its own first; none before it does.
#[derive(Debug, Default)]
pub struct Presented {
    pub chain: Vec<CertificateDer<'static>>,
    /// Earliest expiry of the chain that was verified, in unix seconds.
    pub verified_expires_at: Option<i64>,
}

impl Presented {
    /// Sets the expiries; without a certificate, `details` stay as they are.
    pub fn read_details(&self, details: &mut ProbeDetails) {
        let Some(own) = self.chain.first() else { return };
        details.own_certificate_expires_at = expires_at(own);
        details.certificate_expires_at = self.chain.iter().filter_map(expires_at).min();
        details.verified_chain_expires_at = self.verified_expires_at;
    }

    /// Those that can be parsed.
    pub fn describe(&self) -> Vec<Certificate> {
        let parsed = self.chain.iter().filter_map(|der| X509Certificate::from_der(der).ok());
        parsed
            .map(|(_, certificate)| Certificate {
                subject: certificate.subject().to_string(),
                issuer: certificate.issuer().to_string(),
                not_before: certificate.validity().not_before.timestamp(),
                not_after: certificate.validity().not_after.timestamp(),
            })
            .collect()
    }
}
