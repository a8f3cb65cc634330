//! Checks of single certificates.

use std::time::Duration;

use rustls::CertificateError;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::ParsedCertificate;
use webpki::{RawPublicKeyEntity, spki_for_anchor};
use x509_parser::asn1_rs::Any;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Version;

use crate::probe::net::tls::signatures::ALGORITHMS;

/// Whether the certificate is that of an authority (RFC 5280, section 4.2.1.9). As in OpenSSL, one
/// of X.509 v1 is, and one without basic constraints whose key may sign certificates.
pub fn may_issue(certificate: &X509Certificate<'_>) -> bool {
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
pub fn is_signed_by(certificate: &X509Certificate<'_>, anchor: &TrustAnchor<'_>) -> bool {
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

pub fn check_time_and_purpose(
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
pub fn verify_pinned(
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

pub fn unix_time(seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds.max(0).cast_unsigned()))
}

pub fn unix_seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}
