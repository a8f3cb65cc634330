//! Which certificates of targets are valid.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, RootCertStore};
use webpki::{EndEntityCert, KeyUsage, RawPublicKeyEntity, VerifiedPath, spki_for_anchor};
use x509_parser::asn1_rs::Any;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Version;

use crate::bounded_file;
use crate::domain::Invalid;
use crate::probe::net::tls::certificates::expires_at;
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
            // As other clients do, an unusable certificate of the system is passed over.
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

/// Whether the certificate is that of an authority (RFC 5280, section 4.2.1.9). As in OpenSSL, one
/// of X.509 v1 is, and one without basic constraints whose key may sign certificates.
fn may_issue(certificate: &X509Certificate<'_>) -> bool {
    if certificate.version() != X509Version::V3 {
        return true;
    }
    match certificate.basic_constraints() {
        Ok(Some(constraints)) => constraints.value.ca,
        Ok(None) => {
            let usage = certificate.key_usage().ok().flatten();
            usage.is_some_and(|usage| usage.value.key_cert_sign())
        }
        Err(_) => false,
    }
}

/// Whether the signature of `certificate` is by the key of `anchor`, the authority that it names.
fn is_signed_by(certificate: &X509Certificate<'_>, anchor: &TrustAnchor<'_>) -> bool {
    // Without tag and length, as webpki keeps it.
    let issuer = Any::from_der(certificate.issuer().as_raw()).map(|(_, name)| name.data);
    if issuer.ok() != Some(anchor.subject.as_ref()) {
        return false;
    }
    let key = spki_for_anchor(anchor);
    let Ok(key) = RawPublicKeyEntity::try_from(&key) else { return false };
    let (message, signature) =
        (certificate.tbs_certificate.as_ref(), &certificate.signature_value.data);
    // An algorithm for another key is an error, and so is one for another hash.
    ALGORITHMS.all.iter().any(|it| key.verify_signature(*it, message, signature).is_ok())
}

fn check_time_and_purpose(
    certificate: &X509Certificate<'_>,
    now: UnixTime,
) -> Result<(), rustls::Error> {
    let validity = certificate.validity();
    let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    if unix_seconds(now) < from {
        let not_before = unix_time(from);
        return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
    }
    if unix_seconds(now) > until {
        let not_after = unix_time(until);
        return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
    }
    let usage = certificate.extended_key_usage().map_err(|_| CertificateError::BadEncoding)?;
    if usage.is_some_and(|usage| !usage.value.any && !usage.value.server_auth) {
        return Err(CertificateError::InvalidPurpose.into());
    }
    Ok(())
}

/// A trusted certificate needs no path. Time, purpose and name are checked, as curl
/// (`--cacert`, X509_V_FLAG_PARTIAL_CHAIN) and Go (`x509.Certificate.Verify`) do.
fn verify_pinned(
    own: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), rustls::Error> {
    let (_, parsed) = X509Certificate::from_der(own).map_err(|_| CertificateError::BadEncoding)?;
    check_time_and_purpose(&parsed, now)?;
    // Only X.509 v3 has names of hosts.
    if parsed.version() != X509Version::V3 {
        let expected = name.to_owned();
        return Err(
            CertificateError::NotValidForNameContext { expected, presented: Vec::new() }.into()
        );
    }
    verify_server_name(&ParsedCertificate::try_from(own)?, name)
}

fn unix_time(seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds.max(0).cast_unsigned()))
}

fn unix_seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
        date_time_ymd,
    };

    use super::*;
    use crate::domain::Reason;
    use crate::probe::failure;

    const NAME: &str = "a.example";

    /// A certificate for [`NAME`], valid in the years from 2020 to `until`.
    fn params(until: i32) -> CertificateParams {
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        params
    }

    fn authority(until: i32) -> CertificateParams {
        let mut params = params(until);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    fn self_signed(params: &CertificateParams) -> CertificateDer<'static> {
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn store(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> TrustStore {
        let mut store = TrustStore::new();
        certificates.into_iter().for_each(|certificate| store.add(certificate).unwrap());
        store
    }

    fn year(year: i32) -> UnixTime {
        let seconds = date_time_ymd(year, 6, 1).unix_timestamp();
        UnixTime::since_unix_epoch(Duration::from_secs(seconds.cast_unsigned()))
    }

    /// The years of the earliest expiry, or the reason of the failure, in 2025.
    fn verified(
        store: &TrustStore,
        chain: &[CertificateDer<'static>],
        name: &str,
    ) -> Result<Option<i64>, Reason> {
        verified_in(2025, store, chain, name)
    }

    fn verified_in(
        now: i32,
        store: &TrustStore,
        chain: &[CertificateDer<'static>],
        name: &str,
    ) -> Result<Option<i64>, Reason> {
        let (own, intermediates) = chain.split_first().unwrap();
        let name = ServerName::try_from(name).unwrap();
        let verified = store.verify(own, intermediates, &name, year(now));
        let verified = verified.map(|chain| chain.expires_at);
        verified.map_err(|error| failure::of_tls(&std::io::Error::other(error)).reason)
    }

    fn start_of(year: i32) -> Result<Option<i64>, Reason> {
        Ok(Some(date_time_ymd(year, 1, 1).unix_timestamp()))
    }

    #[test]
    fn exactly_a_trusted_certificate_is_valid_of_whatever_kind() {
        let stranger = KeyPair::generate().unwrap();
        let stranger = Issuer::new(authority(2040), stranger);
        let key = KeyPair::generate().unwrap();
        let leaf = params(2031).signed_by(&key, &stranger).unwrap().der().clone();
        for own in [self_signed(&authority(2031)), self_signed(&params(2031)), leaf] {
            let store = store([own.clone()]);
            let chain = [own];
            assert_eq!(verified(&store, &chain, NAME), start_of(2031));
            assert_eq!(verified(&store, &chain, "b.example"), Err(Reason::TlsHostname));
            assert_eq!(verified_in(2032, &store, &chain, NAME), Err(Reason::TlsExpired));
            assert_eq!(verified_in(2019, &store, &chain, NAME), Err(Reason::TlsNotYetValid));
            let other = [self_signed(&params(2031))];
            assert_eq!(verified(&store, &other, NAME), Err(Reason::TlsUntrusted));
        }
    }

    #[test]
    fn a_trusted_certificate_must_be_for_servers() {
        let mut clients = params(2031);
        clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let mut servers = params(2031);
        servers.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let verified = |params: &CertificateParams| {
            let own = self_signed(params);
            verified(&store([own.clone()]), &[own], NAME)
        };
        assert_eq!(verified(&clients), Err(Reason::TlsUntrusted));
        assert_eq!(verified(&servers), start_of(2031));
    }

    #[test]
    fn a_trusted_certificate_without_the_right_issues_no_others() {
        let key = KeyPair::generate().unwrap();
        let pinned = params(2040).self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params(2040), key);
        let other = KeyPair::generate().unwrap();
        let other = params(2040).signed_by(&other, &issuer).unwrap().der().clone();
        assert_eq!(verified(&store([pinned]), &[other], NAME), Err(Reason::TlsUntrusted));
    }

    #[test]
    fn a_target_may_show_an_authority_that_a_trusted_one_has_signed() {
        let key = KeyPair::generate().unwrap();
        let root = authority(2030);
        let root_certificate = root.self_signed(&key).unwrap().der().clone();
        let root = Issuer::new(root, key);
        let signed = |issuer: &Issuer<'_, KeyPair>| {
            let key = KeyPair::generate().unwrap();
            [authority(2040).signed_by(&key, issuer).unwrap().der().clone()]
        };
        let own = signed(&root);
        let root_store = store([root_certificate]);
        assert_eq!(verified(&root_store, &own, NAME), start_of(2030));
        assert_eq!(verified(&root_store, &own, "b.example"), Err(Reason::TlsHostname));
        assert_eq!(verified_in(2019, &root_store, &own, NAME), Err(Reason::TlsNotYetValid));
        assert_eq!(verified_in(2031, &root_store, &own, NAME), Err(Reason::TlsUntrusted));
        // Of the same name, with another key.
        let impostor = signed(&Issuer::new(authority(2030), KeyPair::generate().unwrap()));
        assert_eq!(verified(&root_store, &impostor, NAME), Err(Reason::TlsUntrusted));
    }

    #[test]
    fn the_earliest_of_the_verified_chain_counts_the_authority_and_no_other_certificate() {
        let keys = [(); 3].map(|()| KeyPair::generate().unwrap());
        let [root_key, between_key, own_key] = keys;
        let (mut root, mut between) = (authority(2030), authority(2040));
        root.distinguished_name.push(rcgen::DnType::CommonName, "root");
        between.distinguished_name.push(rcgen::DnType::CommonName, "between");
        let root_certificate = root.self_signed(&root_key).unwrap().der().clone();
        let root = Issuer::new(root, root_key);
        let between_certificate = between.signed_by(&between_key, &root).unwrap().der().clone();
        let between = Issuer::new(between, between_key);
        let own = params(2050).signed_by(&own_key, &between).unwrap().der().clone();
        let unused = self_signed(&params(2026));
        let chain = [own, unused, between_certificate.clone()];
        let store_of_root = store([root_certificate.clone()]);
        assert_eq!(verified(&store_of_root, &chain, NAME), start_of(2030), "the authority");
        assert_eq!(verified_in(2031, &store_of_root, &chain, NAME), Err(Reason::TlsExpired));
        let store = store([root_certificate, between_certificate]);
        let renewed = verified_in(2031, &store, &chain, NAME);
        assert_eq!(renewed, start_of(2040), "another path");
    }
}
