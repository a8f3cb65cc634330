//! Which certificates of targets are valid.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, RootCertStore};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::bounded_file;
use crate::domain::Invalid;
use crate::probe::net::tls::certificates::expires_at;
use crate::probe::net::tls::checks::{
    check_time_and_purpose, is_signed_by, may_issue, unix_seconds, unix_time, verify_pinned,
};
use crate::probe::net::tls::pem::{MAX_PEM_BYTES, parse_certificates};
use crate::probe::net::tls::signatures::ALGORITHMS;

/// The certificates that probes trust by default.
#[derive(Debug, Clone)]
pub struct Trust {
    pub store: Arc<TrustStore>,
    /// Number of trusted certificates.
    pub authorities: usize,
}

impl Trust {
    /// Trusts the system's certificates (or those of `SSL_CERT_FILE`) and those of the PEM file
    /// `ca_file`. The error is about `ca_file`.
    pub fn load(ca_file: Option<&Path>) -> Result<Self, Invalid> {
        let mut store = TrustStore::new();
        for certificate in system_certificates() {
            // As other clients do, an unusable certificate of the system is ignored.
            let _unusable = store.add(certificate);
        }
        if let Some(file) = ca_file {
            let invalid = |reason: String| {
                Invalid::quoted(file, "a PEM file of certificates").because(reason)
            };
            let pem = bounded_file::read(file, MAX_PEM_BYTES);
            let pem = pem.map_err(|error| invalid(error.to_string()))?;
            for certificate in parse_certificates(&pem).map_err(invalid)? {
                store.add(certificate).map_err(|error| invalid(error.to_string()))?;
            }
        }
        Ok(Self::from(store))
    }
}

impl From<TrustStore> for Trust {
    fn from(store: TrustStore) -> Self {
        Self { authorities: store.pinned.len(), store: Arc::new(store) }
    }
}

/// The certificates of the system or of `SSL_CERT_FILE`; none when reading them hangs.
fn system_certificates() -> Vec<CertificateDer<'static>> {
    let load = || rustls_native_certs::load_native_certs().certs;
    bounded_file::within(bounded_file::READ_TIMEOUT, load).unwrap_or_default()
}

/// Trusted certificates. Each is trusted when a target shows exactly it; those of authorities also
/// as the end of a chain.
#[derive(Debug)]
pub struct TrustStore {
    roots: RootCertStore,
    /// Expiry of each of `roots`, in unix seconds.
    expiries: Vec<Option<i64>>,
    pinned: HashSet<CertificateDer<'static>>,
}

/// A chain of certificates that is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedChain {
    /// Earliest expiry in the chain, in unix seconds; the authority at its end included.
    pub expires_at: Option<i64>,
}

impl TrustStore {
    pub fn new() -> Self {
        Self { roots: RootCertStore::empty(), expiries: Vec::new(), pinned: HashSet::new() }
    }

    pub fn add(&mut self, certificate: CertificateDer<'static>) -> Result<(), rustls::Error> {
        let parsed = X509Certificate::from_der(&certificate).ok().map(|(_, parsed)| parsed);
        if parsed.as_ref().is_none_or(may_issue) {
            self.roots.add(certificate.clone())?;
            self.expiries.push(parsed.map(|parsed| parsed.validity().not_after.timestamp()));
        }
        self.pinned.insert(certificate);
        Ok(())
    }

    /// Whether `own`, the certificate that a target shows as its own, is valid for `name` at `now`.
    pub fn verify(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<VerifiedChain, rustls::Error> {
        if self.pinned.contains(own) {
            verify_pinned(own, name, now)?;
            return Ok(VerifiedChain { expires_at: expires_at(own) });
        }
        let expires_at = self.verify_path(own, intermediates, now)?;
        verify_server_name(&ParsedCertificate::try_from(own)?, name)?;
        Ok(VerifiedChain { expires_at })
    }

    /// Builds a path from `own` to an authority that has not expired. Returns the earliest expiry.
    fn verify_path(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Option<i64>, rustls::Error> {
        let is_current = |path: &VerifiedPath<'_>| match self.expiry_of(path.anchor()) {
            Some(at) if at < unix_seconds(now) => {
                Err(webpki::Error::CertExpired { time: now, not_after: unix_time(at) })
            }
            _ => Ok(()),
        };
        let end_entity = EndEntityCert::try_from(own);
        let path = end_entity.as_ref().map_err(Clone::clone).and_then(|end_entity| {
            let (algorithms, roots) = (&ALGORITHMS.all, &self.roots.roots);
            let usage = KeyUsage::server_auth();
            end_entity.verify_for_usage(
                algorithms,
                roots,
                intermediates,
                now,
                usage,
                None,
                Some(&is_current),
            )
        });
        match path {
            Ok(path) => {
                let between = path.intermediate_certificates().map(|it| expires_at(&it.der()));
                let all = between.chain([expires_at(own), self.expiry_of(path.anchor())]);
                Ok(all.flatten().min())
            }
            Err(webpki::Error::CaUsedAsEndEntity) => self.verify_authority(own, now),
            Err(error) => {
                // Only rustls can make its own error of that of webpki.
                verify_server_cert_signed_by_trust_anchor(
                    &ParsedCertificate::try_from(own)?,
                    &self.roots,
                    intermediates,
                    now,
                    &ALGORITHMS.all,
                )?;
                Err(match error {
                    webpki::Error::CertExpired { time, not_after } => {
                        CertificateError::ExpiredContext { time, not_after }.into()
                    }
                    _ => CertificateError::UnknownIssuer.into(),
                })
            }
        }
    }

    /// webpki refuses an authority as a target's own certificate; curl and Go do not. It is valid
    /// when a trusted authority without name constraints has signed it itself.
    fn verify_authority(
        &self,
        own: &CertificateDer<'_>,
        now: UnixTime,
    ) -> Result<Option<i64>, rustls::Error> {
        let (_, parsed) =
            X509Certificate::from_der(own).map_err(|_| CertificateError::BadEncoding)?;
        check_time_and_purpose(&parsed, now)?;
        let issuer = self.roots.roots.iter().find(|anchor| {
            let expiry = self.expiry_of(anchor);
            let is_current = expiry.is_none_or(|at| at >= unix_seconds(now));
            is_current && anchor.name_constraints.is_none() && is_signed_by(&parsed, anchor)
        });
        let issuer = issuer.ok_or(CertificateError::UnknownIssuer)?;
        let own = Some(parsed.validity().not_after.timestamp());
        Ok(own.into_iter().chain(self.expiry_of(issuer)).min())
    }

    /// The latest expiry of an authority, which may have several certificates for one key.
    fn expiry_of(&self, anchor: &TrustAnchor<'_>) -> Option<i64> {
        let same = self.roots.roots.iter().zip(&self.expiries).filter(|(it, _)| *it == anchor);
        same.filter_map(|(_, expiry)| *expiry).max()
    }
}

#[cfg(test)]
mod tests;
